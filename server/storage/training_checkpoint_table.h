#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/v1/training.pb.h"
#include "server/storage/database.h"

namespace derin::server {

// A checkpoint with the digests of its blobs.
struct StoredCheckpoint {
  v1::TrainingCheckpoint checkpoint;
  std::string model_sha256;  // weights: a model file
  std::string state_sha256;  // all else that the next step depends on: a trainer state file
};

// Rows of the table `training_checkpoints`; MetadataStore says what the operations mean. All are
// called within a transaction or a lock of its.
namespace training_checkpoint_table {

absl::Status Insert(Database& database, std::string_view job_id, const StoredCheckpoint& stored,
                    int keep);
// Removes all but the newest `keep`.
absl::Status KeepNewest(Database& database, std::string_view job_id, int keep);
absl::StatusOr<StoredCheckpoint> Get(Database& database, std::string_view job_id, int64_t step);
absl::Status Delete(Database& database, std::string_view job_id, int64_t step);
absl::StatusOr<std::vector<StoredCheckpoint>> List(Database& database, std::string_view job_id);

}  // namespace training_checkpoint_table
}  // namespace derin::server
