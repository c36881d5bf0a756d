#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/v1/model.pb.h"
#include "server/storage/database.h"

// Rows of the table `model_aliases`; MetadataStore says what the operations mean. All are called
// within a transaction or a lock of its.
namespace derin::server::model_alias_table {

// By alias, ascending.
absl::StatusOr<std::vector<v1::ModelAlias>> List(Database& database, std::string_view model_id);
// NOT_FOUND names those that the model has.
absl::StatusOr<v1::ModelAlias> Get(Database& database, std::string_view model_id,
                                   std::string_view alias);
// In place of the one that has its name, if there is one.
absl::Status Put(Database& database, const v1::ModelAlias& alias);
absl::Status Delete(Database& database, std::string_view model_id, std::string_view alias);

}  // namespace derin::server::model_alias_table
