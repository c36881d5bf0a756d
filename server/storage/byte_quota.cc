#include "server/storage/byte_quota.h"

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/sqlite_statement.h"

namespace derin::server {

absl::StatusOr<int64_t> StoredBytes(Database& database, std::string_view owner) {
  SqliteStatement select(database,
                         "SELECT (SELECT coalesce(sum(bytes), 0) FROM corpora WHERE owner = ?)"
                         " + (SELECT coalesce(sum(bytes), 0) FROM model_versions WHERE owner = ?)"
                         " + (SELECT coalesce(sum(bytes), 0) FROM corpus_uploads WHERE owner = ?)",
                         "count what a caller has stored");
  const auto row = select.Bind(owner).Bind(owner).Bind(owner).Step();
  if (!row.ok()) return row.status();
  return select.Integer(0);
}

absl::Status CheckRoom(const ByteQuota& quota, int64_t stored, int64_t more) {
  if (!quota.max_bytes.has_value() || stored + more <= *quota.max_bytes) return absl::OkStatus();
  return Refusal(absl::StatusCode::kResourceExhausted, kCallerBytesFull,
                 absl::StrFormat("%s has %d bytes of corpora and models stored; got at least %d "
                                 "more, wanted at most the %d in all that its token allows as "
                                 "max_bytes_stored: delete some",
                                 quota.owner, stored, more, *quota.max_bytes));
}

absl::Status CheckRoom(Database& database, const ByteQuota& quota, int64_t more) {
  if (!quota.max_bytes.has_value()) return absl::OkStatus();
  const absl::StatusOr<int64_t> stored = StoredBytes(database, quota.owner);
  if (!stored.ok()) return stored.status();
  return CheckRoom(quota, *stored, more);
}

}  // namespace derin::server
