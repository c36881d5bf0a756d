#include "server/rpc/model_import.h"

#include <spdlog/spdlog.h>

#include <cmath>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/checkpoint/model_file.h"
#include "server/registry/model_registry.h"
#include "server/rpc/upload_check.h"
#include "server/status/error.h"
#include "server/storage/proto_time.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

absl::Status Invalid(absl::string_view what) {
  return Refusal(absl::StatusCode::kInvalidArgument, "MODEL_FILE_INVALID",
                 absl::StrCat("got a file that is no model of ours: ", what));
}

// What the file of `blob` is, or what is wrong with it.
absl::StatusOr<v1::ModelVersion> Examine(const BlobStore& blobs, const Blob& blob) {
  const absl::StatusOr<std::string> bytes = blobs.Read(blob.sha256);
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<ModelFile> file = DecodeModelFile(*bytes);
  if (!file.ok()) return Invalid(file.status().message());
  for (const Slice& slice : file->parameters.layout.slices()) {
    const auto values =
        absl::MakeConstSpan(file->parameters.values).subspan(slice.offset, slice.count);
    if (!absl::c_all_of(values, [](float value) { return std::isfinite(value); })) {
      return Invalid(absl::StrFormat("tensor %s has a value that is not finite", slice.name));
    }
  }
  v1::ModelVersion version;
  if (absl::Status status = Describe(*file, version); !status.ok()) {
    return Invalid(status.message());
  }
  version.set_size_bytes(blob.size_bytes);
  version.set_sha256(blob.sha256);
  return version;
}

}  // namespace

absl::StatusOr<ModelImport> ModelImport::Begin(const v1::ImportModelHeader& header,
                                               BlobStore& blobs, int64_t max_bytes) {
  absl::StatusOr<std::string> id = ParseResourceName(kModels, header.model(), "header.model");
  if (!id.ok()) return id.status();
  absl::StatusOr<std::string> expected = AnnouncedSha256(header.sha256());
  if (!expected.ok()) return expected.status();
  absl::StatusOr<BlobWriter> writer = blobs.NewWriter();
  if (!writer.ok()) return writer.status();
  return ModelImport(*std::move(id), *std::move(expected), blobs, *std::move(writer), max_bytes);
}

ModelImport::ModelImport(std::string model_id, std::string expected_sha256, BlobStore& blobs,
                         BlobWriter writer, int64_t max_bytes)
    : model_id_(std::move(model_id)),
      expected_sha256_(std::move(expected_sha256)),
      blobs_(&blobs),
      writer_(std::move(writer)),
      max_bytes_(max_bytes) {}

absl::Status ModelImport::Append(std::string_view chunk) {
  if (absl::Status status = CheckChunk(chunk); !status.ok()) return status;
  const int64_t bytes = writer_.size_bytes() + static_cast<int64_t>(chunk.size());
  if (bytes > max_bytes_) {
    return Refusal(
        absl::StatusCode::kInvalidArgument, "MODEL_TOO_LARGE",
        absl::StrFormat("got at least %d bytes, wanted at most the %d that this server takes of a "
                        "model; the operator may raise --max-model-bytes",
                        bytes, max_bytes_));
  }
  return writer_.Append(chunk);
}

absl::StatusOr<v1::ModelVersion> ModelImport::Finish(MetadataStore& store, absl::Time now,
                                                     const ByteQuota& quota) {
  absl::StatusOr<v1::ModelVersion> version;
  {
    const absl::StatusOr<Blob> blob = writer_.Commit();
    if (!blob.ok()) return blob.status();
    version = Publish(*blob, store, now, quota);
  }
  if (version.ok()) return version;
  // Without its hold the file goes.
  const absl::StatusOr<int64_t> swept = blobs_->Sweep([&store] { return store.DigestsInUse(); });
  if (!swept.ok()) spdlog::warn("Cannot sweep a refused import: {}", swept.status().ToString());
  return version;
}

absl::StatusOr<v1::ModelVersion> ModelImport::Publish(const Blob& blob, MetadataStore& store,
                                                      absl::Time now, const ByteQuota& quota) {
  if (absl::Status status = CheckArrived(expected_sha256_, blob.sha256, blob.size_bytes);
      !status.ok()) {
    return status;
  }
  absl::StatusOr<v1::ModelVersion> version = Examine(*blobs_, blob);
  if (!version.ok()) return version.status();
  *version->mutable_create_time() = ToTimestamp(now);
  return store.InsertModelVersion(model_id_, *std::move(version), quota);
}

}  // namespace derin::server
