#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/storage/database.h"
#include "server/storage/resource_name.h"

// What is deleted of models, unless it is in use; MetadataStore's DeleteModelVersion and
// DeleteModel say what the operations mean. Both are called within a transaction, which takes back
// what a refusal has changed.
namespace derin::server::model_removal {

absl::Status RemoveVersion(Database& database, const ModelReference& version, bool force);
absl::Status RemoveModel(Database& database, std::string_view id,
                         absl::Span<const std::string> versions, bool force);

}  // namespace derin::server::model_removal
