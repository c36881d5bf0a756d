#pragma once

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "server/storage/database.h"

namespace derin::server {

// Digests of all blobs that a record names. Also of a file with an older schema, which has not all
// of the tables yet.
absl::StatusOr<absl::flat_hash_set<std::string>> BlobReferences(Database& database);

}  // namespace derin::server
