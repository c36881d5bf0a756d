#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/storage/segment_file.h"

namespace derin::server {

// The file where the bytes of an upload wait for the rest. Appended to; what was synced survives a
// loss of power. Closed, it stays as it is. One thread at a time.
class UploadSpool {
 public:
  // Makes an empty file. RESOURCE_EXHAUSTED when the disk is full, as in all that writes here.
  static absl::StatusOr<UploadSpool> Create(const std::filesystem::path& path);
  // One that has at least `bytes`; what is behind them goes. DATA_LOSS, reason UPLOAD_DAMAGED, when
  // it is shorter or not there. Replay compares the `crc32`.
  static absl::StatusOr<UploadSpool> Open(const std::filesystem::path& path, int64_t bytes,
                                          uint32_t crc32);

  using Sink = std::function<absl::Status(std::string_view piece)>;
  // Hands the first `keep` bytes to `sink` in order and sets `crc32` to theirs; an error of its
  // ends this. DATA_LOSS, reason UPLOAD_DAMAGED, unless all of the file is as it was written.
  // Changes nothing.
  absl::Status Replay(int64_t keep, uint32_t& crc32, const Sink& sink) const;

  // Drops what is behind the first `bytes`, which have this `crc32`.
  absl::Status CutTo(int64_t bytes, uint32_t crc32);
  absl::Status Append(std::string_view bytes);
  absl::Status Sync() { return file_->Sync(); }

  int64_t bytes() const { return bytes_; }
  uint32_t crc32() const { return crc32_; }

 private:
  UploadSpool(std::shared_ptr<SegmentFile> file, int64_t bytes, uint32_t crc32)
      : file_(std::move(file)), bytes_(bytes), crc32_(crc32) {}

  std::shared_ptr<SegmentFile> file_;
  int64_t bytes_ = 0;
  uint32_t crc32_ = 0;
};

}  // namespace derin::server
