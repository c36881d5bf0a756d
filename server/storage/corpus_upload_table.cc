#include "server/storage/corpus_upload_table.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/sqlite_statement.h"

namespace derin::server::corpus_upload_table {
namespace {

constexpr char kDoingList[] = "list uploads";

// Of `SELECT owner, id, file, bytes, crc32, update_microseconds, record`.
absl::StatusOr<StoredUpload> FromRow(const SqliteStatement& row) {
  StoredUpload upload{.owner = row.Text(0),
                      .id = row.Text(1),
                      .file = row.Text(2),
                      .bytes = row.Integer(3),
                      .crc32 = static_cast<uint32_t>(row.Integer(4)),
                      .update_time = absl::FromUnixMicros(row.Integer(5))};
  if (absl::Status read = row.Message(6, upload.record); !read.ok()) return read;
  return upload;
}

}  // namespace

absl::Status Put(Database& database, const StoredUpload& upload) {
  SqliteStatement insert(
      database,
      "INSERT INTO corpus_uploads"
      " (owner, id, file, bytes, crc32, update_microseconds, ended, record)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner, id) DO UPDATE SET file = excluded.file,"
      " bytes = excluded.bytes, crc32 = excluded.crc32,"
      " update_microseconds = excluded.update_microseconds, ended = excluded.ended,"
      " record = excluded.record",
      "store an upload");
  insert.Bind(upload.owner).Bind(upload.id).Bind(upload.file).Bind(upload.bytes);
  insert.Bind(int64_t{upload.crc32}).Bind(absl::ToUnixMicros(upload.update_time));
  return insert.Bind(int64_t{upload.record.has_corpus()}).Bind(upload.record).Run();
}

absl::StatusOr<StoredUpload> Get(Database& database, std::string_view owner, std::string_view id) {
  SqliteStatement select(database,
                         "SELECT owner, id, file, bytes, crc32, update_microseconds, record"
                         " FROM corpus_uploads WHERE owner = ? AND id = ?",
                         "read an upload");
  const absl::StatusOr<bool> row = select.Bind(owner).Bind(id).Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    return Refusal(absl::StatusCode::kNotFound, "UPLOAD_NOT_FOUND",
                   absl::StrFormat("there is no upload %s", Quoted(id)));
  }
  return FromRow(select);
}

absl::StatusOr<std::vector<StoredUpload>> List(Database& database) {
  SqliteStatement select(database,
                         "SELECT owner, id, file, bytes, crc32, update_microseconds, record"
                         " FROM corpus_uploads ORDER BY update_microseconds",
                         kDoingList);
  std::vector<StoredUpload> uploads;
  while (true) {
    const absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return uploads;
    absl::StatusOr<StoredUpload> upload = FromRow(select);
    if (!upload.ok()) return upload.status();
    uploads.push_back(*std::move(upload));
  }
}

absl::StatusOr<int64_t> CountOf(Database& database, std::string_view owner) {
  SqliteStatement select(
      database, "SELECT count(*) FROM corpus_uploads WHERE owner = ? AND NOT ended", kDoingList);
  if (const auto row = select.Bind(owner).Step(); !row.ok()) return row.status();
  return select.Integer(0);
}

absl::Status Delete(Database& database, std::string_view owner, std::string_view id) {
  SqliteStatement statement(database, "DELETE FROM corpus_uploads WHERE owner = ? AND id = ?",
                            "delete an upload");
  return statement.Bind(owner).Bind(id).Run();
}

}  // namespace derin::server::corpus_upload_table
