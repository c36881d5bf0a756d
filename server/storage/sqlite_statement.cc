#include "server/storage/sqlite_statement.h"

#include <sqlite3.h>

#include "absl/strings/str_format.h"
#include "model/check.h"
#include "server/status/error.h"

namespace derin::server {

SqliteStatement::SqliteStatement(Database& database, std::string_view sql, std::string_view doing)
    : database_(database), doing_(doing), statement_(database.TakePrepared(sql)) {
  if (statement_ != nullptr) return;
  Keep(sqlite3_prepare_v3(database_.handle(), sql.data(), static_cast<int>(sql.size()),
                          SQLITE_PREPARE_PERSISTENT, &statement_, nullptr));
}

SqliteStatement::~SqliteStatement() {
  if (statement_ != nullptr) database_.KeepPrepared(statement_);
}

// The first error says most; those after it follow from it.
void SqliteStatement::Keep(int code) {
  if (code != SQLITE_OK && status_.ok()) status_ = SqliteError(database_.handle(), code, doing_);
}

SqliteStatement& SqliteStatement::Bind(std::string_view text) {
  // SQLite takes a null pointer for NULL, which an empty view may hold.
  const char* data = text.empty() ? "" : text.data();
  Keep(sqlite3_bind_text64(statement_, ++bound_, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

SqliteStatement& SqliteStatement::Bind(int64_t integer) {
  Keep(sqlite3_bind_int64(statement_, ++bound_, integer));
  return *this;
}

SqliteStatement& SqliteStatement::Bind(const google::protobuf::MessageLite& message) {
  const std::string bytes = message.SerializeAsString();
  Keep(sqlite3_bind_blob64(statement_, ++bound_, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

SqliteStatement& SqliteStatement::BindNull() {
  Keep(sqlite3_bind_null(statement_, ++bound_));
  return *this;
}

absl::StatusOr<bool> SqliteStatement::Step() {
  if (!status_.ok()) return status_;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Keep(code);
  return status_;
}

absl::Status SqliteStatement::Run() {
  const absl::StatusOr<bool> row = Step();
  DERIN_CHECK(!row.ok() || !*row);
  return row.status();
}

int64_t SqliteStatement::Integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string SqliteStatement::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return "";
  return std::string(reinterpret_cast<const char*>(text), sqlite3_column_bytes(statement_, column));
}

bool SqliteStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

absl::Status SqliteStatement::Message(int column, google::protobuf::MessageLite& message) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (message.ParseFromArray(bytes, size)) return absl::OkStatus();
  return Refusal(absl::StatusCode::kDataLoss, "METADATA_DAMAGED",
                 absl::StrFormat("cannot %s: a record of %d bytes is not a %s", doing_, size,
                                 message.GetTypeName()));
}

}  // namespace derin::server
