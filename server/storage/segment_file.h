#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/storage/segment_format.h"

namespace derin::server {

// What a reading of a whole segment found.
struct SegmentContents {
  uint64_t end = 0;                 // where the reading ended, behind the last record
  uint64_t torn = 0;                // bytes behind it that begin a record and do not end it
  std::vector<std::string> damage;  // what else cannot be read, one sentence each
  std::string entries;              // frames and headers of what was read: see EncodeIndex
};

// One open file of a SegmentLog or an UploadSpool, closed with the last who holds it: a reader may
// go on beside its removal. Thread-safe as the system's calls are. Errors are SystemError's (see
// folder.h).
class SegmentFile {
 public:
  // A new file that its owner alone may read.
  static absl::StatusOr<std::shared_ptr<SegmentFile>> Create(std::filesystem::path path);
  static absl::StatusOr<std::shared_ptr<SegmentFile>> Open(std::filesystem::path path);
  ~SegmentFile();

  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  absl::StatusOr<uint64_t> Size() const;

  // Fewer bytes only where the file ends.
  absl::StatusOr<std::string> ReadAt(uint64_t offset, size_t bytes) const;
  // After an error some of the bytes may be there.
  absl::Status WriteAt(uint64_t offset, std::string_view bytes);
  absl::Status Truncate(uint64_t size);
  // What was written survives a loss of power.
  absl::Status Sync();

  // Shows `visit` the records within the first `size` bytes, behind a segment's start, of which
  // there may be less or which may be damaged. Does not read bodies.
  SegmentContents Scan(uint32_t segment, uint64_t size, const RecordVisitor& visit) const;

 private:
  SegmentFile(std::filesystem::path path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}
  static absl::StatusOr<std::shared_ptr<SegmentFile>> OpenWith(std::filesystem::path path,
                                                               int flags);

  const std::filesystem::path path_;
  const int descriptor_;
};

}  // namespace derin::server
