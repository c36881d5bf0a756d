#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace derin::server {

// A file of a backup or of what is restored from one, as it was read back.
struct CopiedFile {
  std::string sha256;
  int64_t size_bytes = 0;
  bool linked = false;  // shares its bytes with what it is a copy of
};

// How far a copy of many files is, before its next one.
struct CopyProgress {
  std::string_view next;  // its path in the folder
  int64_t files = 0;
  int64_t bytes = 0;
};
using CopyListener = std::function<void(const CopyProgress&)>;

// What a backup or a restore has done.
struct CopyReport {
  int64_t files = 0;
  int64_t bytes = 0;
  int64_t linked_bytes = 0;  // of them, those that take no room of their own
};

// Reads a whole file. NOT_FOUND when there is none.
absl::StatusOr<CopiedFile> DigestOfFile(const std::filesystem::path& path);

// Copies what a file has now to `to`, durably; others may append to it meanwhile. NOT_FOUND when
// there is none.
absl::StatusOr<CopiedFile> CopyFileTo(const std::filesystem::path& from,
                                      const std::filesystem::path& to);

// The same of a file that never changes: `to` is a second name of it where the system allows that,
// so not on another file system.
absl::StatusOr<CopiedFile> LinkOrCopy(const std::filesystem::path& from,
                                      const std::filesystem::path& to);

}  // namespace derin::server
