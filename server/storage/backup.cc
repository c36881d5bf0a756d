#include "server/storage/backup.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/checkpoint/durable_file.h"
#include "server/status/error.h"
#include "server/storage/backup_manifest.h"
#include "server/storage/data_directory.h"
#include "server/storage/folder.h"
#include "server/storage/metadata_snapshot.h"
#include "server/storage/segment_copy.h"
#include "server/storage/staged_folder.h"

namespace derin::server {
namespace {

// The order in which things are copied, and why nothing is missing that the copy names:
//
// 1. Sessions. They name versions of models, whose records were there before the first session
//    was. Copied before the metadata, they can name no version that the metadata do not have yet;
//    one that was deleted in between ended its sessions, as it does in the copy.
// 2. The metadata, of one moment.
// 3. The blobs that these metadata name. Each was whole before its record was, and never changes.
//    It may go again, when its record did after step 2. Then steps 2 and 3 are done again; blobs
//    that were copied stay, so each time there is less to do.
//
// Blobs that the last metadata do not name any more are removed at the end.
constexpr int kMostAttempts = 20;

class BackupWriter {
 public:
  BackupWriter(std::filesystem::path data, std::filesystem::path folder,
               const CopyListener& listener)
      : data_(std::move(data)), folder_(std::move(folder)), listener_(listener) {}

  absl::Status CopySessions() {
    if (absl::Status made = MakeFolder(folder_ / kSessionsFolder); !made.ok()) return made;
    const auto before = [this](std::string_view name) {
      Tell(absl::StrCat("sessions/", absl::string_view(name.data(), name.size())));
    };
    const absl::Status copied =
        CopySegmentLog(data_ / kSessionsFolder, folder_ / kSessionsFolder, before);
    if (!copied.ok()) return copied;
    std::error_code error;
    std::filesystem::directory_iterator entry(folder_ / kSessionsFolder, error);
    while (!error && entry != std::filesystem::directory_iterator()) {
      absl::StatusOr<CopiedFile> file = DigestOfFile(entry->path());
      if (!file.ok()) return file.status();
      file->linked = entry->hard_link_count() > 1;
      Add(absl::StrCat("sessions/", entry->path().filename().native()), *std::move(file));
      entry.increment(error);
    }
    return error ? SystemError(error.value(), "list the copied sessions") : absl::OkStatus();
  }

  absl::Status CopyMetadataAndBlobs() {
    if (absl::Status made = MakeFolder(folder_ / kBlobsFolder); !made.ok()) return made;
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
      if (absl::Status copied = CopyMetadata(); !copied.ok()) return copied;
      const absl::StatusOr<bool> all = CopyBlobs();
      if (!all.ok()) return all.status();
      if (*all) return RemoveUnnamed();
    }
    return Refusal(absl::StatusCode::kAborted, "BACKUP_OVERTAKEN",
                   absl::StrFormat("blobs of %s were deleted before they could be copied, %d times "
                                   "in a row; try again when there is less to do",
                                   Quoted(data_.native()), kMostAttempts));
  }

  absl::Status WriteManifest(absl::Time now) const {
    BackupManifest manifest{.schema_version = facts_.schema_version,
                            .time = absl::FormatTime(absl::RFC3339_sec, now, absl::UTCTimeZone()),
                            .files = {}};
    for (const auto& [path, file] : files_) manifest.files[path] = file.sha256;
    return WriteDurably(folder_ / kManifestName, EncodeManifest(manifest));
  }

  const CopyReport& report() const { return report_; }

 private:
  void Tell(std::string_view next) const {
    if (listener_) listener_({.next = next, .files = report_.files, .bytes = report_.bytes});
  }

  void Count(const CopiedFile& file, int times) {
    report_.files += times;
    report_.bytes += times * file.size_bytes;
    if (file.linked) report_.linked_bytes += times * file.size_bytes;
  }

  // In place of an earlier copy, where there is one.
  void Add(const std::string& path, CopiedFile file) {
    if (const auto earlier = files_.find(path); earlier != files_.end()) Count(earlier->second, -1);
    Count(file, 1);
    files_[path] = std::move(file);
  }

  absl::Status CopyMetadata() {
    Tell(kMetadataFile);
    std::error_code error;
    std::filesystem::remove(folder_ / kMetadataFile, error);
    absl::StatusOr<MetadataFacts> facts =
        SnapshotMetadata(data_ / kMetadataFile, folder_ / kMetadataFile);
    if (!facts.ok()) return facts.status();
    facts_ = *std::move(facts);
    absl::StatusOr<CopiedFile> file = DigestOfFile(folder_ / kMetadataFile);
    if (file.ok()) Add(kMetadataFile, *std::move(file));
    return file.status();
  }

  // Whether none was gone.
  absl::StatusOr<bool> CopyBlobs() {
    bool all = true;
    std::vector<std::string> digests(facts_.blobs.begin(), facts_.blobs.end());
    std::sort(digests.begin(), digests.end());
    for (const std::string& digest : digests) {
      const std::string path = absl::StrCat("blobs/", digest);
      if (files_.contains(path)) continue;
      Tell(path);
      absl::StatusOr<CopiedFile> file = LinkOrCopy(data_ / path, folder_ / path);
      if (absl::IsNotFound(file.status())) {
        all = false;
        continue;
      }
      if (!file.ok()) return file.status();
      if (file->sha256 != digest) {
        return Refusal(
            absl::StatusCode::kDataLoss, "BLOB_DAMAGED",
            absl::StrFormat("the blob %s is damaged: its %d bytes have the SHA-256 %s",
                            Quoted((data_ / path).native()), file->size_bytes, file->sha256));
      }
      Add(path, *std::move(file));
    }
    return all;
  }

  absl::Status RemoveUnnamed() {
    std::error_code error;
    for (auto file = files_.begin(); file != files_.end() && !error;) {
      const std::string& path = file->first;
      const bool blob = path.starts_with("blobs/");
      const bool stays = !blob || facts_.blobs.contains(path.substr(path.find('/') + 1));
      if (!stays) {
        std::filesystem::remove(folder_ / path, error);
        Count(file->second, -1);
      }
      file = stays ? std::next(file) : files_.erase(file);
    }
    return error ? SystemError(error.value(), "remove what was deleted meanwhile")
                 : absl::OkStatus();
  }

  const std::filesystem::path data_, folder_;
  const CopyListener& listener_;
  MetadataFacts facts_;
  std::map<std::string, CopiedFile> files_;  // by path in the folder
  CopyReport report_;                        // of these
};

absl::Status CheckSource(const std::filesystem::path& data, const std::filesystem::path& target) {
  std::error_code error;
  if (!std::filesystem::exists(data / kMetadataFile, error)) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "NO_DATA_DIRECTORY",
                   absl::StrFormat("%s is no data directory of derind: it has no metadata.sqlite",
                                   Quoted(data.native())));
  }
  const std::string inside = std::filesystem::weakly_canonical(data, error).native() + "/";
  if (std::filesystem::weakly_canonical(target, error).native().starts_with(inside)) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "INSIDE_DATA_DIRECTORY",
                   absl::StrFormat("%s is inside the data directory, wanted a folder elsewhere",
                                   Quoted(target.native())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CopyReport> WriteBackup(const std::filesystem::path& data,
                                       const std::filesystem::path& target, absl::Time now,
                                       const CopyListener& listener) {
  const absl::StatusOr<std::filesystem::path> source = PlainPath(data);
  if (!source.ok()) return source.status();
  if (absl::Status checked = CheckSource(*source, target); !checked.ok()) return checked;
  absl::StatusOr<StagedFolder> folder = StagedFolder::Create(target);
  if (!folder.ok()) return folder.status();
  BackupWriter writer(*source, folder->path(), listener);
  absl::Status status = writer.CopySessions();
  if (status.ok()) status = writer.CopyMetadataAndBlobs();
  if (status.ok()) status = writer.WriteManifest(now);
  if (status.ok()) status = folder->Commit();
  if (!status.ok()) return status;
  return writer.report();
}

}  // namespace derin::server
