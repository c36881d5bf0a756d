#include "server/rpc/model_deletion.h"

#include <spdlog/spdlog.h>

#include <vector>

#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

absl::StatusOr<std::vector<std::string>> VersionNames(MetadataStore& store, std::string_view id) {
  constexpr int kAtOnce = 1000;
  std::vector<std::string> names;
  std::string after;
  do {
    const auto listing = store.ListModelVersions(id, after, kAtOnce);
    if (!listing.ok()) return listing.status();
    for (const v1::ModelVersion& version : listing->items) names.push_back(version.name());
    after = listing->next;
  } while (!after.empty());
  return names;
}

}  // namespace

absl::Status ModelDeletion::Delete(const v1::DeleteModelRequest& request) {
  const absl::StatusOr<std::string> id = ParseResourceName(kModels, request.name(), "name");
  if (!id.ok()) return id.status();
  const auto versions = VersionNames(store_, *id);
  if (!versions.ok()) return versions.status();
  return DeleteFrom(*versions, request.force(),
                    [&] { return store_.DeleteModel(*id, *versions, request.force()); });
}

absl::Status ModelDeletion::DeleteVersion(const v1::DeleteModelVersionRequest& request) {
  const auto reference = ParseModelVersionName(request.name(), "name");
  if (!reference.ok()) return reference.status();
  if (const auto version = store_.GetModelVersion(*reference); !version.ok()) {
    return version.status();
  }
  return DeleteFrom({request.name()}, request.force(),
                    [&] { return store_.DeleteModelVersion(*reference, request.force()); });
}

template <typename Remove>
absl::Status ModelDeletion::DeleteFrom(absl::Span<const std::string> versions, bool force,
                                       Remove remove) {
  if (absl::Status retired = sessions_.Retire(versions, force); !retired.ok()) return retired;
  if (absl::Status removed = remove(); !removed.ok()) {
    sessions_.Unretire(versions);
    return removed;
  }
  sessions_.EndSessionsOf(versions);
  engine_.Wake();
  // The record is gone; a file that stays behind is swept at the next chance.
  const absl::StatusOr<int64_t> swept = blobs_.Sweep([this] { return store_.DigestsInUse(); });
  if (!swept.ok()) spdlog::warn("Cannot sweep unused models: {}", swept.status().ToString());
  return absl::OkStatus();
}

}  // namespace derin::server
