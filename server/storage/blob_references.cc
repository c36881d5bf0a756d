#include "server/storage/blob_references.h"

#include "absl/strings/str_format.h"
#include "server/storage/sqlite_statement.h"

namespace derin::server {
namespace {

constexpr char kDoing[] = "list the blobs in use";

struct Column {
  const char* table;
  const char* name;
};
constexpr Column kColumns[] = {{"corpora", "sha256"},
                               {"model_versions", "sha256"},
                               {"training_checkpoints", "model_sha256"},
                               {"training_checkpoints", "state_sha256"},
                               {"training_starts", "model_sha256"},
                               {"training_starts", "state_sha256"}};

absl::StatusOr<bool> HasTable(Database& database, std::string_view table) {
  SqliteStatement select(database, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?",
                         kDoing);
  return select.Bind(table).Step();
}

}  // namespace

absl::StatusOr<absl::flat_hash_set<std::string>> BlobReferences(Database& database) {
  absl::flat_hash_set<std::string> digests;
  for (const Column& column : kColumns) {
    const absl::StatusOr<bool> there = HasTable(database, column.table);
    if (!there.ok()) return there.status();
    if (!*there) continue;
    SqliteStatement select(database,
                           absl::StrFormat("SELECT DISTINCT %s FROM %s WHERE %s IS NOT NULL",
                                           column.name, column.table, column.name),
                           kDoing);
    while (true) {
      const absl::StatusOr<bool> row = select.Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      digests.insert(select.Text(0));
    }
  }
  return digests;
}

}  // namespace derin::server
