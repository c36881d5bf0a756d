#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "derin/v1/model.pb.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

// One model file on its way into the store, written as it arrives and read as a whole at its end.
// Destroyed without Finish, it leaves nothing behind. One thread at a time.
class ModelImport {
 public:
  // At most `max_bytes` may follow. INVALID_ARGUMENT names the field of the header at fault.
  // `blobs` outlives it.
  static absl::StatusOr<ModelImport> Begin(const v1::ImportModelHeader& header, BlobStore& blobs,
                                           int64_t max_bytes);

  // INVALID_ARGUMENT for a chunk above kMaxChunkBytes (naming the field), or with reason
  // MODEL_TOO_LARGE. After an error the object is of no more use.
  absl::Status Append(std::string_view chunk);

  // The file is whole: stores it as the next version of its model. INVALID_ARGUMENT, reason
  // MODEL_FILE_INVALID, says what is wrong with it; DATA_LOSS, reason DIGEST_MISMATCH;
  // RESOURCE_EXHAUSTED beyond `quota`. Once only.
  absl::StatusOr<v1::ModelVersion> Finish(MetadataStore& store, absl::Time now,
                                          const ByteQuota& quota = {});

  int64_t size_bytes() const { return writer_.size_bytes(); }

 private:
  ModelImport(std::string model_id, std::string expected_sha256, BlobStore& blobs,
              BlobWriter writer, int64_t max_bytes);

  absl::StatusOr<v1::ModelVersion> Publish(const Blob& blob, MetadataStore& store, absl::Time now,
                                           const ByteQuota& quota);

  std::string model_id_;
  std::string expected_sha256_;
  BlobStore* blobs_;
  BlobWriter writer_;
  int64_t max_bytes_;
};

}  // namespace derin::server
