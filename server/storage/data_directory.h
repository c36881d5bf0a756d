#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace derin::server {

// What is in a data directory, and in a copy of one.
inline constexpr char kMetadataFile[] = "metadata.sqlite";
inline constexpr char kBlobsFolder[] = "blobs";
inline constexpr char kSessionsFolder[] = "sessions";
inline constexpr char kUploadsFolder[] = "uploads";

// The folder where one server keeps what must survive it. FORMAT.md beside this file says what is
// in it. As long as the object lives the folder is locked, so that no second server works in it.
class DataDirectory {
 public:
  // Makes the folder (mode 0700) when it is not there, takes its lock, and removes what an earlier
  // server left unfinished. FAILED_PRECONDITION, reason DATA_DIRECTORY_IN_USE, when another server
  // has it; PERMISSION_DENIED or FAILED_PRECONDITION with the system's words when it cannot be
  // made or written.
  static absl::StatusOr<DataDirectory> Open(const std::filesystem::path& path);
  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&& other) noexcept;
  ~DataDirectory();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path metadata_file() const { return path_ / kMetadataFile; }
  std::filesystem::path blobs() const { return path_ / kBlobsFolder; }
  std::filesystem::path sessions() const { return path_ / kSessionsFolder; }
  // Not in a copy: it is of this machine, and can be measured again.
  std::filesystem::path gpu_measurements() const { return path_ / "gpu_algorithms"; }
  std::filesystem::path uploads() const { return path_ / kUploadsFolder; }

 private:
  DataDirectory(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_ = -1;  // descriptor that holds the lock; -1 once moved from
};

}  // namespace derin::server
