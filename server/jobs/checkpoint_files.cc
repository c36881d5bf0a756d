#include "server/jobs/checkpoint_files.h"

#include "absl/strings/str_format.h"
#include "server/status/error.h"

namespace derin::server {

absl::StatusOr<ModelFile> ReadModelBlob(const BlobStore& blobs, std::string_view sha256) {
  const absl::StatusOr<std::string> bytes = blobs.Read(sha256);
  if (!bytes.ok()) return bytes.status();
  return DecodeModelFile(*bytes);
}

absl::StatusOr<TrainerStateFile> ReadStateBlob(const BlobStore& blobs, std::string_view sha256) {
  const absl::StatusOr<std::string> bytes = blobs.Read(sha256);
  if (!bytes.ok()) return bytes.status();
  return DecodeTrainerStateFile(*bytes);
}

absl::Status CheckpointError(const absl::Status& status, std::string_view name) {
  if (!absl::IsDataLoss(status)) return status;
  return Refusal(absl::StatusCode::kDataLoss, "CHECKPOINT_DAMAGED",
                 absl::StrFormat("%s is damaged: %s", name, status.message()));
}

}  // namespace derin::server
