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

// Which checkpoints of a job stay: so many of the newest, and so many of those with the lowest
// measured_perplexity, of two alike the older one.
struct CheckpointsToKeep {
  int newest = 1;
  int best = 0;
};

// Rows of the table `training_checkpoints`; MetadataStore says what the operations mean. All are
// called within a transaction or a lock of its.
namespace training_checkpoint_table {

absl::Status Insert(Database& database, std::string_view job_id, const StoredCheckpoint& stored,
                    const CheckpointsToKeep& keep);
absl::Status RemoveOthers(Database& database, std::string_view job_id,
                          const CheckpointsToKeep& keep);
absl::StatusOr<StoredCheckpoint> Get(Database& database, std::string_view job_id, int64_t step);
absl::Status Delete(Database& database, std::string_view job_id, int64_t step);
absl::StatusOr<std::vector<StoredCheckpoint>> List(Database& database, std::string_view job_id);

}  // namespace training_checkpoint_table
}  // namespace derin::server
