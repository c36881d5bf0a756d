#include "client/cli/missing_name.h"

#include <string_view>
#include <vector>

#include "client/cli/command_context.h"
#include "client/cli/resource_name.h"
#include "proto/command_line/nearest_name.h"

namespace derin::cli {
namespace {

// `items` have the names there are.
template <typename Item>
absl::Status WithNearest(const absl::Status& status, std::string_view collection,
                         const std::string& name, const absl::StatusOr<std::vector<Item>>& items) {
  if (!items.ok()) return status;
  if (items->empty()) return WithSuffix(status, " (there are none yet)");
  // Of `models/ID/versions/N` and the like only the id can be near to another.
  std::string id = ResourceId(collection, name);
  id.resize(std::min(id.size(), id.find('/')));
  std::vector<std::string> ids;
  for (const Item& item : *items) {
    ids.push_back(ResourceId(collection, item.name));
    // Then it is not the id that is missing.
    if (ids.back() == id) return status;
  }
  return WithSuffix(status, DidYouMean(id, ids));
}

}  // namespace

absl::Status WithNearestCorpus(const absl::Status& status, const std::string& name,
                               client::Client& client) {
  if (!absl::IsNotFound(status)) return status;
  return WithNearest(status, "corpora", name, client.ListCorpora());
}

absl::Status WithNearestModel(const absl::Status& status, const std::string& name,
                              client::Client& client) {
  if (!absl::IsNotFound(status)) return status;
  const auto models = client.ListModels();
  if (!models.ok()) return status;
  constexpr std::string_view kAliases = "/aliases/";
  const std::string full_name = ResourceName("models", name);
  const size_t aliases = full_name.find(kAliases);
  for (const client::Model& model : *models) {
    if (aliases == std::string::npos || model.name != full_name.substr(0, aliases)) continue;
    std::vector<std::string> there;
    for (const client::ModelAlias& one : model.aliases) {
      there.push_back(one.name.substr(one.name.rfind('/') + 1));
    }
    return WithSuffix(status, DidYouMean(full_name.substr(aliases + kAliases.size()), there));
  }
  return WithNearest(status, "models", name, models);
}

absl::Status WithNearestJob(const absl::Status& status, const std::string& name,
                            client::Client& client) {
  if (!absl::IsNotFound(status)) return status;
  return WithNearest(status, "trainingJobs", name, client.ListTrainingJobs());
}

}  // namespace derin::cli
