#include "server/storage/backup_manifest.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "server/status/error.h"
#include "server/storage/data_directory.h"
#include "server/storage/sha256.h"

namespace derin::server {
namespace {

constexpr std::string_view kVersion = "# derin backup ";
constexpr std::string_view kTime = "# time ";
constexpr std::string_view kSchema = "# schema ";
constexpr std::string_view kEnd = "# of the lines above ";
constexpr int kFormatVersion = 1;
constexpr std::string_view kGap = "  ";  // between a digest and a path
constexpr size_t kDigestDigits = 64;

absl::Status Damaged(std::string_view what) {
  return Refusal(absl::StatusCode::kDataLoss, "BACKUP_DAMAGED",
                 absl::StrFormat("the backup's %s %s", kManifestName, what));
}

// Files only, below the folder.
bool IsPlain(std::string_view path) {
  return path == kMetadataFile || ((path.starts_with("blobs/") || path.starts_with("sessions/")) &&
                                   path.find("..") == std::string_view::npos &&
                                   path.rfind('/') == path.find('/') && !path.ends_with('/'));
}

absl::Status ReadLine(std::string_view line, BackupManifest& manifest) {
  if (line.starts_with(kTime)) {
    manifest.time = line.substr(kTime.size());
    return absl::OkStatus();
  }
  if (line.starts_with(kSchema)) {
    const std::string number(line.substr(kSchema.size()));
    if (absl::SimpleAtoi(number, &manifest.schema_version)) return absl::OkStatus();
  } else if (line.size() > kDigestDigits + kGap.size() &&
             line.substr(kDigestDigits, kGap.size()) == kGap) {
    const std::string_view digest = line.substr(0, kDigestDigits);
    const std::string_view path = line.substr(kDigestDigits + kGap.size());
    if (IsSha256Hex(digest) && IsPlain(path)) {
      manifest.files[std::string(path)] = digest;
      return absl::OkStatus();
    }
  }
  return Damaged(absl::StrFormat("has the line %s", Quoted(line)));
}

}  // namespace

std::string EncodeManifest(const BackupManifest& manifest) {
  std::string text = absl::StrFormat("%s%d\n%s%s\n%s%d\n", kVersion, kFormatVersion, kTime,
                                     manifest.time, kSchema, manifest.schema_version);
  for (const auto& [path, digest] : manifest.files) {
    absl::StrAppend(&text, digest, absl::string_view(kGap.data(), kGap.size()), path, "\n");
  }
  return absl::StrFormat("%s%s%s\n", text, kEnd, Sha256Hex(text));
}

absl::StatusOr<BackupManifest> DecodeManifest(std::string_view text) {
  int version = 0;
  const std::string first(text.substr(0, text.find('\n')));
  if (!first.starts_with(kVersion) || !absl::SimpleAtoi(first.substr(kVersion.size()), &version)) {
    return Damaged(absl::StrFormat("begins with %s", Quoted(first)));
  }
  if (version > kFormatVersion) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "BACKUP_TOO_NEW",
                   absl::StrFormat("a newer derind wrote the backup, in version %d of its format, "
                                   "and this one knows version %d",
                                   version, kFormatVersion));
  }
  const size_t end = text.rfind(kEnd);
  if (end == std::string_view::npos || end == 0 ||
      text.substr(end) != absl::StrFormat("%s%s\n", kEnd, Sha256Hex(text.substr(0, end)))) {
    return Damaged("is not as it was written");
  }
  BackupManifest manifest;
  std::string_view lines = text.substr(first.size() + 1, end - first.size() - 1);
  while (!lines.empty()) {
    const size_t length = lines.find('\n');
    if (absl::Status read = ReadLine(lines.substr(0, length), manifest); !read.ok()) return read;
    lines.remove_prefix(length + 1);
  }
  return manifest;
}

}  // namespace derin::server
