#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "model/checkpoint/model_file.h"
#include "model/checkpoint/trainer_state_file.h"
#include "server/storage/blob_store.h"
#include "server/storage/training_checkpoint_table.h"

namespace derin::server {

// A checkpoint's two files, read back. DATA_LOSS when one is missing or damaged.

// The weights with all that is needed to use them.
absl::StatusOr<ModelFile> ReadModelBlob(const BlobStore& blobs, std::string_view sha256);
// All else that the next step depends on; its snapshot has no parameters.
absl::StatusOr<TrainerStateFile> ReadStateBlob(const BlobStore& blobs, std::string_view sha256);

// `status` of reading the checkpoint `name` as callers see it: DATA_LOSS gets the reason
// CHECKPOINT_DAMAGED and names it.
absl::Status CheckpointError(const absl::Status& status, std::string_view name);

}  // namespace derin::server
