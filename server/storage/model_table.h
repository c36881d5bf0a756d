#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/v1/model.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "server/storage/byte_quota.h"
#include "server/storage/database.h"
#include "server/storage/listing.h"
#include "server/storage/resource_name.h"

// Rows of the tables `models` and `model_versions`; MetadataStore says what the operations mean.
// All are called within a transaction or a lock of its.
namespace derin::server::model_table {

absl::Status EnsureExists(Database& database, std::string_view id,
                          const google::protobuf::Timestamp& create_time);
absl::StatusOr<v1::Model> Get(Database& database, std::string_view id);
absl::StatusOr<Listing<v1::Model>> List(Database& database, std::string_view after, int limit);

// With its versions; which have no aliases any more. What is left keeps their numbers from coming
// again.
absl::Status Delete(Database& database, std::string_view id);

// Stores `version` with the next number of the model, and names it. With an owner its bytes count.
absl::StatusOr<v1::ModelVersion> InsertVersion(Database& database, std::string_view model_id,
                                               v1::ModelVersion version,
                                               const ByteQuota& quota = {});
// The version that was made of the checkpoint, named as in the version, with those weights.
absl::StatusOr<std::optional<v1::ModelVersion>> FindVersionOfCheckpoint(Database& database,
                                                                        std::string_view model_id,
                                                                        std::string_view checkpoint,
                                                                        std::string_view sha256);
absl::StatusOr<v1::ModelVersion> GetVersion(Database& database, const ModelReference& reference);
// Nothing happens when it is not there.
absl::Status DeleteVersion(Database& database, std::string_view model_id, int64_t version);
absl::StatusOr<Listing<v1::ModelVersion>> ListVersions(Database& database,
                                                       std::string_view model_id,
                                                       std::string_view after, int limit);

}  // namespace derin::server::model_table
