#include "server/storage/model_removal.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/status/error.h"
#include "server/storage/model_alias_table.h"
#include "server/storage/model_table.h"
#include "server/storage/training_job_table.h"

namespace derin::server::model_removal {
namespace {

// A model or a version of it that is to be deleted: what uses it, and what to do about that.
class ModelUsers {
 public:
  // What `uses` says completes "NAME is in use: ...".
  void Add(std::string uses) { uses_.push_back(std::move(uses)); }
  // Jobs that are not over and `use` (a predicate of the job, which says how or nullptr) it.
  template <typename Use>
  absl::Status AddJobs(Database& database, Use use) {
    const auto jobs = training_job_table::ListUnfinished(database);
    if (!jobs.ok()) return jobs.status();
    for (const v1::TrainingJob& job : *jobs) {
      if (const char* how = use(job); how != nullptr) {
        Add(absl::StrFormat("%s, which is not over, %s (cancel it or wait for its end)", job.name(),
                            how));
      }
    }
    return absl::OkStatus();
  }
  absl::Status Check(std::string_view name) const {
    if (uses_.empty()) return absl::OkStatus();
    // A longer message would be cut on its way to the caller, and with it what to do.
    constexpr size_t kMostNamed = 5;
    std::vector<std::string> named(uses_.begin(),
                                   uses_.begin() + std::min(uses_.size(), kMostNamed));
    if (uses_.size() > kMostNamed) {
      named.push_back(absl::StrFormat("%d more uses", uses_.size() - kMostNamed));
    }
    return Refusal(absl::StatusCode::kFailedPrecondition, "MODEL_IN_USE",
                   absl::StrFormat("%s is in use: %s; or delete it with force", name,
                                   absl::StrJoin(named, ", ")));
  }

 private:
  std::vector<std::string> uses_;
};

}  // namespace

absl::Status RemoveVersion(Database& database, const ModelReference& version, bool force) {
  const auto stored = model_table::GetVersion(database, version);
  if (!stored.ok()) return stored.status();
  const auto aliases = model_alias_table::List(database, version.model_id);
  if (!aliases.ok()) return aliases.status();
  ModelUsers users;
  for (const v1::ModelAlias& alias : *aliases) {
    if (alias.model_version() != stored->name()) continue;
    users.Add(absl::StrFormat("its alias %s (move or delete that)", IdOf(alias.name())));
    absl::Status gone = model_alias_table::Delete(database, version.model_id, IdOf(alias.name()));
    if (!gone.ok()) return gone;
  }
  absl::Status jobs = users.AddJobs(database, [&](const v1::TrainingJob& job) -> const char* {
    return job.spec().start_from().model_version() == stored->name() ? "began with it" : nullptr;
  });
  if (!jobs.ok()) return jobs;
  // A refusal rolls the aliases back.
  if (absl::Status unused = users.Check(stored->name()); !force && !unused.ok()) {
    return unused;
  }
  return model_table::DeleteVersion(database, version.model_id, version.version);
}

absl::Status RemoveModel(Database& database, std::string_view id,
                         absl::Span<const std::string> versions, bool force) {
  const auto model = model_table::Get(database, id);
  if (!model.ok()) return model.status();
  const auto count = static_cast<size_t>(model->version_count());
  if (count != versions.size() ||
      (count > 0 && absl::c_count(versions, model->latest_version().name()) == 0)) {
    return Refusal(absl::StatusCode::kAborted, "MODEL_CHANGED",
                   absl::StrFormat("%s got or lost a version meanwhile: try again", model->name()));
  }
  ModelUsers users;
  for (const v1::ModelAlias& alias : model->aliases()) {
    users.Add(absl::StrFormat("its alias %s (delete that)", IdOf(alias.name())));
    absl::Status gone = model_alias_table::Delete(database, id, IdOf(alias.name()));
    if (!gone.ok()) return gone;
  }
  absl::Status jobs = users.AddJobs(database, [&](const v1::TrainingJob& job) -> const char* {
    if (job.spec().model() == model->name()) return "trains it";
    const std::string& from = job.spec().start_from().model_version();
    return absl::c_count(versions, from) > 0 ? "began with a version of it" : nullptr;
  });
  if (!jobs.ok()) return jobs;
  if (absl::Status unused = users.Check(model->name()); !force && !unused.ok()) return unused;
  return model_table::Delete(database, id);
}

}  // namespace derin::server::model_removal
