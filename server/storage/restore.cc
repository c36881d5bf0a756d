#include "server/storage/restore.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "model/checkpoint/durable_file.h"
#include "server/status/error.h"
#include "server/storage/backup_manifest.h"
#include "server/storage/data_directory.h"
#include "server/storage/folder.h"
#include "server/storage/metadata_snapshot.h"
#include "server/storage/schema.h"
#include "server/storage/staged_folder.h"

namespace derin::server {
namespace {

absl::Status Damaged(const std::filesystem::path& file, std::string_view what) {
  return Refusal(absl::StatusCode::kDataLoss, "BACKUP_DAMAGED",
                 absl::StrFormat("the backup is damaged: %s %s", Quoted(file.native()), what));
}

// A folder that is in use is not empty either, and this says why.
absl::Status CheckNotInUse(const std::filesystem::path& data) {
  const int lock = open((data / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return absl::OkStatus();
  const bool in_use = flock(lock, LOCK_SH | LOCK_NB) != 0;
  close(lock);
  if (!in_use) return absl::OkStatus();
  return Refusal(absl::StatusCode::kFailedPrecondition, "DATA_DIRECTORY_IN_USE",
                 absl::StrFormat("the data directory %s is in use by a derind; wanted a folder "
                                 "that is empty or not there yet",
                                 Quoted(data.native())));
}

absl::StatusOr<BackupManifest> ReadManifest(const std::filesystem::path& backup) {
  const absl::StatusOr<std::string> text = ReadWholeFile(backup / kManifestName);
  if (!text.ok()) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "NO_BACKUP",
                   absl::StrFormat("%s is no backup of derind: %s", Quoted(backup.native()),
                                   text.status().message()));
  }
  absl::StatusOr<BackupManifest> manifest = DecodeManifest(*text);
  if (!manifest.ok()) return manifest;
  if (manifest->schema_version > static_cast<int64_t>(kMigrations.size())) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "METADATA_TOO_NEW",
                   absl::StrFormat("a newer derind wrote the backup, with version %d of the "
                                   "schema, and this one knows up to %d",
                                   manifest->schema_version, kMigrations.size()));
  }
  if (!manifest->files.contains(kMetadataFile))
    return Damaged(backup / kMetadataFile, "is not in it");
  return manifest;
}

absl::Status Check(const std::filesystem::path& file, const std::string& sha256,
                   const absl::StatusOr<CopiedFile>& got) {
  if (absl::IsNotFound(got.status())) return Damaged(file, "is missing");
  if (!got.ok()) return got.status();
  if (got->sha256 == sha256) return absl::OkStatus();
  return Damaged(file, absl::StrFormat("has the SHA-256 %s, wanted %s", got->sha256, sha256));
}

absl::Status CheckFiles(const std::filesystem::path& backup, const BackupManifest& manifest) {
  for (const auto& [path, sha256] : manifest.files) {
    const absl::Status checked = Check(backup / path, sha256, DigestOfFile(backup / path));
    if (!checked.ok()) return checked;
  }
  return absl::OkStatus();
}

// Of a copy, since looking into a file of SQLite's writes beside it.
absl::Status CheckMetadata(const std::filesystem::path& folder, const BackupManifest& manifest) {
  const absl::StatusOr<MetadataFacts> facts = ReadMetadataFacts(folder / kMetadataFile);
  if (!facts.ok()) return facts.status();
  for (const std::string& digest : facts->blobs) {
    if (manifest.files.contains("blobs/" + digest)) continue;
    return Damaged("blobs/" + digest, "is not in it, and its metadata name it");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CopyReport> RestoreBackup(const std::filesystem::path& backup,
                                         const std::filesystem::path& data,
                                         const CopyListener& listener) {
  if (absl::Status in_use = CheckNotInUse(data); !in_use.ok()) return in_use;
  const absl::StatusOr<BackupManifest> manifest = ReadManifest(backup);
  if (!manifest.ok()) return manifest.status();
  absl::StatusOr<StagedFolder> folder = StagedFolder::Create(data);
  if (!folder.ok()) return folder.status();
  if (absl::Status checked = CheckFiles(backup, *manifest); !checked.ok()) return checked;
  for (const char* inner : {kBlobsFolder, kSessionsFolder}) {
    if (absl::Status made = MakeFolder(folder->path() / inner); !made.ok()) return made;
  }
  CopyReport report;
  for (const auto& [path, sha256] : manifest->files) {
    if (listener) listener({.next = path, .files = report.files, .bytes = report.bytes});
    const absl::StatusOr<CopiedFile> file = CopyFileTo(backup / path, folder->path() / path);
    if (absl::Status checked = Check(backup / path, sha256, file); !checked.ok()) return checked;
    ++report.files;
    report.bytes += file->size_bytes;
  }
  if (absl::Status checked = CheckMetadata(folder->path(), *manifest); !checked.ok()) {
    return checked;
  }
  if (absl::Status committed = folder->Commit(); !committed.ok()) return committed;
  return report;
}

}  // namespace derin::server
