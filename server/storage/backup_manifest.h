#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace derin::server {

// The name of the file that makes a folder a backup. It is written last.
inline constexpr char kManifestName[] = "SHA256SUMS";

// What a backup has in it. FORMAT.md beside this file gives the text, which `sha256sum -c` reads.
struct BackupManifest {
  int64_t schema_version = 0;                // of its metadata
  std::string time;                          // RFC 3339: when it was begun
  std::map<std::string, std::string> files;  // SHA-256 by path in the folder
};

std::string EncodeManifest(const BackupManifest& manifest);

// DATA_LOSS, reason BACKUP_DAMAGED, saying what is wrong; FAILED_PRECONDITION, reason
// BACKUP_TOO_NEW, for a later version of the format.
absl::StatusOr<BackupManifest> DecodeManifest(std::string_view text);

}  // namespace derin::server
