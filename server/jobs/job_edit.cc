#include "server/jobs/job_edit.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr int32_t kMostPriority = 100;
constexpr int32_t kMostShare = 100;
constexpr int kMostLabels = 32;
constexpr size_t kMostLabelBytes = 63;
constexpr std::string_view kOneLabel = "labels.";

bool IsLabelKey(std::string_view key) {
  const auto may_follow = [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '-';
  };
  return !key.empty() && key.size() <= kMostLabelBytes && absl::ascii_islower(key[0]) &&
         std::all_of(key.begin(), key.end(), may_follow);
}

}  // namespace

absl::Status CheckPriority(int32_t priority) {
  if (priority >= -kMostPriority && priority <= kMostPriority) return absl::OkStatus();
  return InvalidField("training_job.priority", absl::StrFormat("got %d, wanted %d to %d", priority,
                                                               -kMostPriority, kMostPriority));
}

absl::Status CheckShare(int32_t share) {
  if (share >= 1 && share <= kMostShare) return absl::OkStatus();
  return InvalidField("training_job.share",
                      absl::StrFormat("got %d, wanted 1 to %d", share, kMostShare));
}

int32_t ShareOf(const v1::TrainingJob& job) { return job.has_share() ? job.share() : 1; }

absl::Status CheckLabels(const JobLabels& labels, const std::string& field) {
  if (labels.size() > kMostLabels) {
    return InvalidField(
        field, absl::StrFormat("got %d of them, wanted at most %d", labels.size(), kMostLabels));
  }
  for (const auto& [key, value] : labels) {
    if (!IsLabelKey(key)) {
      return InvalidField(
          field, absl::StrFormat("got the key %s, wanted [a-z][a-z0-9_-]{0,62}", Quoted(key)));
    }
    if (value.size() > kMostLabelBytes) {
      return InvalidField(
          absl::StrCat(field, ".", key),
          absl::StrFormat("got %d bytes, wanted at most %d", value.size(), kMostLabelBytes));
    }
  }
  return absl::OkStatus();
}

bool HasLabels(const v1::TrainingJob& job, const JobLabels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&job](const auto& label) {
    const auto found = job.labels().find(label.first);
    return found != job.labels().end() && found->second == label.second;
  });
}

absl::Status ApplyEdit(const v1::UpdateTrainingJobRequest& request, v1::TrainingJob& job) {
  const v1::TrainingJob& wanted = request.training_job();
  if (request.update_mask().paths().empty()) {
    return InvalidField("update_mask", "got none, wanted priority, share, labels or labels.KEY");
  }
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "priority") {
      if (absl::Status status = CheckPriority(wanted.priority()); !status.ok()) return status;
      job.set_priority(wanted.priority());
    } else if (path == "share") {
      if (absl::Status status = CheckShare(ShareOf(wanted)); !status.ok()) return status;
      job.set_share(ShareOf(wanted));
    } else if (path == "labels") {
      *job.mutable_labels() = wanted.labels();
    } else if (path.starts_with(kOneLabel)) {
      const std::string key = path.substr(kOneLabel.size());
      const auto found = wanted.labels().find(key);
      if (found == wanted.labels().end()) {
        job.mutable_labels()->erase(key);
      } else {
        (*job.mutable_labels())[key] = found->second;
      }
    } else {
      return InvalidField("update_mask", absl::StrFormat("got %s, wanted priority, share, labels "
                                                         "or labels.KEY; all else of a job is "
                                                         "immutable",
                                                         Quoted(path)));
    }
  }
  return CheckLabels(job.labels(), "training_job.labels");
}

}  // namespace derin::server
