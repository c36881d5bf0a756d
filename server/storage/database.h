#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace derin::server {

// One connection to the SQLite file of the metadata, with its schema brought up to date. One thread
// at a time.
class Database {
 public:
  // See MetadataStore::Open.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::filesystem::path& file);
  // The same of a file that is there, which keeps the schema that it has. A server may work with it
  // meanwhile.
  static absl::StatusOr<std::unique_ptr<Database>> OpenAsItIs(const std::filesystem::path& file);
  ~Database();

  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs statements that give no rows. `doing` completes "cannot ..." in errors.
  absl::Status Execute(const char* sql, std::string_view doing);

  sqlite3* handle() const { return handle_; }

  // A statement of exactly this text that nobody uses, reset and with nothing bound; null when
  // there is none. Preparing one takes longer than most of what it does.
  sqlite3_stmt* TakePrepared(std::string_view sql);
  // Takes it over for the next who wants its text.
  void KeepPrepared(sqlite3_stmt* statement);

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}

  static absl::StatusOr<std::unique_ptr<Database>> OpenChecked(const std::filesystem::path& file,
                                                               int flags, std::string_view doing);
  // Whether the file is whole and ours; changes nothing.
  absl::Status Check(std::string_view doing);
  absl::Status Configure(std::string_view doing);
  absl::Status Migrate(std::string_view doing);

  sqlite3* handle_;
  std::vector<sqlite3_stmt*> prepared_;  // those kept last at the end
};

// All or nothing: rolled back unless Commit was called and went well.
class Transaction {
 public:
  // `doing` completes "cannot ..." in errors, and outlives the object.
  static absl::StatusOr<Transaction> Begin(Database& database, std::string_view doing);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  absl::Status Commit();

 private:
  Transaction(Database& database, std::string_view doing) : database_(&database), doing_(doing) {}

  Database* database_;  // null once committed or moved from
  std::string_view doing_;
};

// What the last call on `database` that gave `code` means to callers: RESOURCE_EXHAUSTED for a full
// disk, DATA_LOSS for a damaged file, INTERNAL otherwise; with SQLite's words.
absl::Status SqliteError(sqlite3* database, int code, std::string_view doing);

}  // namespace derin::server
