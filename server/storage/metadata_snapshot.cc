#include "server/storage/metadata_snapshot.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/blob_references.h"
#include "server/storage/database.h"
#include "server/storage/folder.h"
#include "server/storage/sqlite_statement.h"

namespace derin::server {
namespace {

// SQLite's online backup in one step: a reader's snapshot, which in WAL mode keeps no writer out.
absl::Status CopyPages(Database& from, const std::filesystem::path& to) {
  const std::string doing = absl::StrFormat("copy the metadata to %s", Quoted(to.native()));
  // SQLite would let everybody read it.
  const int made = ::open(to.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (made < 0) return SystemError(errno, doing);
  ::close(made);
  sqlite3* handle = nullptr;
  const int opened =
      sqlite3_open_v2(to.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, nullptr);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> copy(handle, &sqlite3_close_v2);
  if (opened != SQLITE_OK) return SqliteError(handle, opened, doing);
  sqlite3_backup* backup = sqlite3_backup_init(handle, "main", from.handle(), "main");
  if (backup == nullptr) return SqliteError(handle, sqlite3_errcode(handle), doing);
  const int stepped = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (stepped == SQLITE_DONE && finished == SQLITE_OK) return absl::OkStatus();
  return SqliteError(handle, stepped == SQLITE_DONE ? finished : stepped, doing);
}

}  // namespace

absl::StatusOr<MetadataFacts> ReadMetadataFacts(const std::filesystem::path& file) {
  const auto database = Database::OpenAsItIs(file);
  if (!database.ok()) return database.status();
  SqliteStatement version(**database, "PRAGMA user_version", "read the version of the schema");
  if (const absl::StatusOr<bool> row = version.Step(); !row.ok()) return row.status();
  MetadataFacts facts{.schema_version = version.Integer(0), .blobs = {}};
  if (facts.schema_version == 0) {
    return Refusal(absl::StatusCode::kDataLoss, "METADATA_DAMAGED",
                   absl::StrFormat("the metadata %s are empty", Quoted(file.native())));
  }
  auto blobs = BlobReferences(**database);
  if (!blobs.ok()) return blobs.status();
  facts.blobs = *std::move(blobs);
  return facts;
}

absl::StatusOr<MetadataFacts> SnapshotMetadata(const std::filesystem::path& from,
                                               const std::filesystem::path& to) {
  {
    const auto database = Database::OpenAsItIs(from);
    if (!database.ok()) return database.status();
    if (absl::Status copied = CopyPages(**database, to); !copied.ok()) return copied;
  }
  return ReadMetadataFacts(to);
}

}  // namespace derin::server
