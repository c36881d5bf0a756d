#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "server/storage/database.h"

struct sqlite3_stmt;

namespace derin::server {

// One SQL statement with its parameters. An error in preparing or binding is kept until Step or Run
// returns it. What is bound is copied.
class SqliteStatement {
 public:
  // `doing` completes "cannot ..." in errors, and outlives the object.
  SqliteStatement(Database& database, std::string_view sql, std::string_view doing);
  ~SqliteStatement();

  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  // The next parameter, from the left.
  SqliteStatement& Bind(std::string_view text);
  SqliteStatement& Bind(int64_t integer);
  SqliteStatement& Bind(const google::protobuf::MessageLite& message);  // serialised
  SqliteStatement& BindNull();

  // True when there is a row, false after the last one.
  absl::StatusOr<bool> Step();
  // For statements that give no rows.
  absl::Status Run();

  // Of the current row, columns counting from 0.
  int64_t Integer(int column) const;
  std::string Text(int column) const;
  bool IsNull(int column) const;
  // DATA_LOSS when the column does not hold such a message.
  absl::Status Message(int column, google::protobuf::MessageLite& message) const;

 private:
  void Keep(int code);

  Database& database_;
  std::string_view doing_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  absl::Status status_;
};

// The first column of all rows, as messages of one type.
template <typename T>
absl::StatusOr<std::vector<T>> ReadMessages(SqliteStatement& statement) {
  std::vector<T> messages;
  while (true) {
    const absl::StatusOr<bool> row = statement.Step();
    if (!row.ok()) return row.status();
    if (!*row) return messages;
    if (absl::Status read = statement.Message(0, messages.emplace_back()); !read.ok()) return read;
  }
}

}  // namespace derin::server
