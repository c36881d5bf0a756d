#include "server/storage/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/schema.h"
#include "server/storage/sqlite_statement.h"

namespace derin::server {
namespace {

// For readers from outside, such as a backup; two servers never meet in one file.
constexpr int kBusyMilliseconds = 5000;

absl::StatusOr<int64_t> ReadInteger(Database& database, std::string_view sql,
                                    std::string_view doing) {
  SqliteStatement statement(database, sql, doing);
  if (const absl::StatusOr<bool> row = statement.Step(); !row.ok()) return row.status();
  return statement.Integer(0);
}

absl::Status Expect(Database& database, std::string_view sql, std::string_view wanted,
                    absl::StatusCode code, std::string_view doing) {
  SqliteStatement statement(database, sql, doing);
  if (const absl::StatusOr<bool> row = statement.Step(); !row.ok()) return row.status();
  const std::string got = statement.Text(0);
  if (got == wanted) return absl::OkStatus();
  return Refusal(code, code == absl::StatusCode::kDataLoss ? "METADATA_DAMAGED" : "SQLITE_ERROR",
                 absl::StrFormat("cannot %s: SQLite says %s to `%s`, wanted %s", doing, Quoted(got),
                                 sql, Quoted(wanted)));
}

}  // namespace

absl::Status SqliteError(sqlite3* database, int code, std::string_view doing) {
  const char* words = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  const std::string message =
      absl::StrFormat("cannot %s: SQLite says \"%s\" (code %d)", doing, words, code);
  switch (code & 0xFF) {  // the primary code of an extended one
    case SQLITE_FULL:
      return Refusal(absl::StatusCode::kResourceExhausted, "DISK_FULL", message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Refusal(absl::StatusCode::kDataLoss, "METADATA_DAMAGED", message);
    default:
      return Refusal(absl::StatusCode::kInternal, "SQLITE_ERROR", message);
  }
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::filesystem::path& file) {
  const std::string doing = absl::StrFormat("open the metadata %s", Quoted(file.native()));
  // SQLite would let everybody read it. Its files beside this one get the same mode.
  const int made = ::open(file.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (made >= 0) ::close(made);
  auto database = OpenChecked(file, SQLITE_OPEN_CREATE, doing);
  if (!database.ok()) return database;
  if (absl::Status configured = (*database)->Configure(doing); !configured.ok()) return configured;
  if (absl::Status migrated = (*database)->Migrate(doing); !migrated.ok()) return migrated;
  return database;
}

absl::StatusOr<std::unique_ptr<Database>> Database::OpenAsItIs(const std::filesystem::path& file) {
  return OpenChecked(file, 0, absl::StrFormat("read the metadata %s", Quoted(file.native())));
}

absl::StatusOr<std::unique_ptr<Database>> Database::OpenChecked(const std::filesystem::path& file,
                                                                int flags, std::string_view doing) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(
      file.c_str(), &handle,
      flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  // Even a failed open gives a handle to close.
  std::unique_ptr<Database> database(new Database(handle));
  if (code != SQLITE_OK) return SqliteError(handle, code, doing);
  sqlite3_busy_timeout(handle, kBusyMilliseconds);
  // A file that is refused is left as it is, even where closing it would tidy it up.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  if (absl::Status checked = database->Check(doing); !checked.ok()) return checked;
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  return database;
}

Database::~Database() {
  for (sqlite3_stmt* statement : prepared_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

sqlite3_stmt* Database::TakePrepared(std::string_view sql) {
  // From the end, where those stand that are in use again and again.
  const auto found =
      std::find_if(prepared_.rbegin(), prepared_.rend(),
                   [sql](sqlite3_stmt* statement) { return sqlite3_sql(statement) == sql; });
  if (found == prepared_.rend()) return nullptr;
  sqlite3_stmt* statement = *found;
  prepared_.erase(std::next(found).base());
  return statement;
}

void Database::KeepPrepared(sqlite3_stmt* statement) {
  constexpr size_t kMostPrepared = 32;
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (prepared_.size() == kMostPrepared) {
    sqlite3_finalize(prepared_.front());
    prepared_.erase(prepared_.begin());
  }
  prepared_.push_back(statement);
}

absl::Status Database::Check(std::string_view doing) {
  const auto tables = ReadInteger(*this, "SELECT count(*) FROM sqlite_schema", doing);
  if (!tables.ok()) return tables.status();
  if (*tables == 0) return absl::OkStatus();
  const auto application = ReadInteger(*this, "PRAGMA application_id", doing);
  if (!application.ok()) return application.status();
  if (*application != kApplicationId) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "METADATA_OF_ANOTHER_PROGRAM",
                   absl::StrFormat("cannot %s: it was written by another program, its application "
                                   "id is %d, wanted %d",
                                   doing, *application, kApplicationId));
  }
  const auto version = ReadInteger(*this, "PRAGMA user_version", doing);
  if (!version.ok()) return version.status();
  if (*version > static_cast<int64_t>(kMigrations.size())) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "METADATA_TOO_NEW",
                   absl::StrFormat("cannot %s: a newer derind wrote it, with version %d of the "
                                   "schema, and this one knows up to %d",
                                   doing, *version, kMigrations.size()));
  }
  return Expect(*this, "PRAGMA integrity_check(1)", "ok", absl::StatusCode::kDataLoss, doing);
}

absl::Status Database::Configure(std::string_view doing) {
  if (absl::Status set =
          Expect(*this, "PRAGMA journal_mode = WAL", "wal", absl::StatusCode::kInternal, doing);
      !set.ok()) {
    return set;
  }
  // FULL: what was committed survives a loss of power.
  return Execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", doing);
}

absl::Status Database::Migrate(std::string_view doing) {
  const auto version = ReadInteger(*this, "PRAGMA user_version", doing);
  if (!version.ok()) return version.status();
  for (size_t next = *version; next < kMigrations.size(); ++next) {
    absl::StatusOr<Transaction> transaction = Transaction::Begin(*this, doing);
    if (!transaction.ok()) return transaction.status();
    const std::string sql =
        absl::StrFormat("%s; PRAGMA user_version = %d; PRAGMA application_id = %d",
                        kMigrations[next], next + 1, kApplicationId);
    if (absl::Status migrated = Execute(sql.c_str(), doing); !migrated.ok()) return migrated;
    if (absl::Status committed = transaction->Commit(); !committed.ok()) return committed;
  }
  return absl::OkStatus();
}

absl::Status Database::Execute(const char* sql, std::string_view doing) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(handle_, code, doing);
}

absl::StatusOr<Transaction> Transaction::Begin(Database& database, std::string_view doing) {
  if (absl::Status begun = database.Execute("BEGIN IMMEDIATE", doing); !begun.ok()) return begun;
  return Transaction(database, doing);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), doing_(other.doing_) {}

Transaction::~Transaction() {
  // Some errors, such as a full disk, have rolled back already; there is nothing to do about
  // others.
  if (database_ != nullptr && sqlite3_get_autocommit(database_->handle()) == 0) {
    database_->Execute("ROLLBACK", doing_).IgnoreError();
  }
}

absl::Status Transaction::Commit() {
  absl::Status committed = database_->Execute("COMMIT", doing_);
  if (committed.ok()) database_ = nullptr;
  return committed;
}

}  // namespace derin::server
