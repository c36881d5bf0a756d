#include "server/storage/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "absl/strings/str_format.h"
#include "derin/v1/corpus.pb.h"
#include "server/status/error.h"
#include "server/storage/schema.h"
#include "server/storage/sqlite_statement.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class DatabaseTest : public ::testing::Test {
 protected:
  std::unique_ptr<Database> Open() {
    absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(file_);
    EXPECT_TRUE(database.ok()) << database.status();
    return *std::move(database);
  }
  absl::Status OpenError() { return Database::Open(file_).status(); }

  // Makes the file whole, with some records in it, and nothing beside it.
  void MakeFile() {
    const auto database = Open();
    absl::StatusOr<Transaction> transaction = Transaction::Begin(*database, "fill");
    for (int i = 0; i < 200; ++i) {
      SqliteStatement insert(
          *database, "INSERT INTO models (id, last_version, record) VALUES (?, 0, ?)", "fill");
      insert.Bind(absl::StrFormat("model-%d", i)).Bind(v1::Corpus());
      ASSERT_TRUE(insert.Run().ok());
    }
    ASSERT_TRUE(transaction->Commit().ok());
  }

  // Runs `sql` as another program would.
  void RunBare(const std::string& sql) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &handle), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    ASSERT_EQ(sqlite3_close(handle), SQLITE_OK);
  }

  int64_t Count(Database& database, std::string_view table) {
    SqliteStatement select(database, absl::StrFormat("SELECT count(*) FROM %s", table), "count");
    EXPECT_TRUE(*select.Step());
    return select.Integer(0);
  }

  TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path() / "metadata.sqlite";
};

TEST_F(DatabaseTest, IsForItsOwnerOnlyWithTheFilesBesideIt) {
  const auto database = Open();
  ASSERT_TRUE(database->Execute("DELETE FROM models", "write").ok());
  for (const char* beside : {"", "-wal", "-shm"}) {
    EXPECT_EQ(std::filesystem::status(file_.native() + beside).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << beside;
  }
}

TEST_F(DatabaseTest, IsMadeWithTheNewestSchemaAndOpensAgain) {
  Open();
  const auto database = Open();
  SqliteStatement version(*database, "PRAGMA user_version", "test");
  ASSERT_TRUE(*version.Step());
  EXPECT_EQ(version.Integer(0), static_cast<int64_t>(kMigrations.size()));
  EXPECT_EQ(Count(*database, "corpora"), 0);
}

TEST_F(DatabaseTest, BringsAnOlderSchemaUpToDateWithWhatIsInIt) {
  for (int i = 0; i < 3; ++i) RunBare(kMigrations[i]);
  RunBare("INSERT INTO models VALUES ('m', 7, x''); PRAGMA user_version = 3");
  RunBare(absl::StrFormat("PRAGMA application_id = %d", kApplicationId));
  const auto database = Open();
  SqliteStatement select(*database, "SELECT last_version, deleted FROM models WHERE id = 'm'",
                         "test");
  ASSERT_TRUE(*select.Step());
  EXPECT_EQ(select.Integer(0), 7);
  EXPECT_EQ(select.Integer(1), 0);
  EXPECT_EQ(Count(*database, "model_aliases"), 0);
}

TEST_F(DatabaseTest, WhatAnOlderSchemaStoredIsNobodysAndCountsForNobody) {
  for (int i = 0; i < 5; ++i) RunBare(kMigrations[i]);
  RunBare(
      "INSERT INTO models VALUES ('m', 1, x'', 0);"
      "INSERT INTO model_versions VALUES ('m', 1, 'd', x'');"
      "INSERT INTO corpora VALUES ('a', 'd', x''); PRAGMA user_version = 5");
  RunBare(absl::StrFormat("PRAGMA application_id = %d", kApplicationId));
  const auto database = Open();
  for (const char* table : {"corpora", "model_versions"}) {
    SqliteStatement select(*database, absl::StrFormat("SELECT owner, bytes FROM %s", table),
                           "test");
    ASSERT_TRUE(*select.Step());
    EXPECT_EQ(select.Text(0), "");
    EXPECT_EQ(select.Integer(1), 0);
  }
  EXPECT_EQ(Count(*database, "usage"), 0);
}

TEST_F(DatabaseTest, OpenedAsItIsAnOlderSchemaStays) {
  RunBare(kMigrations[0]);
  RunBare(absl::StrFormat("PRAGMA user_version = 1; PRAGMA application_id = %d", kApplicationId));
  const auto database = Database::OpenAsItIs(file_);
  ASSERT_TRUE(database.ok()) << database.status();
  SqliteStatement version(**database, "PRAGMA user_version", "test");
  ASSERT_TRUE(*version.Step());
  EXPECT_EQ(version.Integer(0), 1);
  EXPECT_FALSE(Database::OpenAsItIs(folder_.path() / "gone").ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "gone"));
}

TEST_F(DatabaseTest, IsDurableAndKeepsReferences) {
  const auto database = Open();
  const std::pair<const char*, std::string> settings[] = {
      {"PRAGMA journal_mode", "wal"}, {"PRAGMA synchronous", "2"}, {"PRAGMA foreign_keys", "1"}};
  for (const auto& [pragma, value] : settings) {
    SqliteStatement statement(*database, pragma, "test");
    ASSERT_TRUE(*statement.Step());
    EXPECT_EQ(statement.Text(0), value) << pragma;
  }
}

TEST_F(DatabaseTest, RefusesANewerSchemaAndLeavesItUntouched) {
  MakeFile();
  RunBare("PRAGMA user_version = 99");
  const std::string before = ReadTestFile(file_);
  const absl::Status error = OpenError();
  EXPECT_EQ(error.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(error), "METADATA_TOO_NEW");
  EXPECT_THAT(std::string(error.message()),
              AllOf(HasSubstr(file_.native()), HasSubstr("99"), HasSubstr("newer derind")));
  EXPECT_EQ(ReadTestFile(file_), before);
}

TEST_F(DatabaseTest, RefusesTheFileOfAnotherProgramAndLeavesItUntouched) {
  RunBare("CREATE TABLE theirs (x)");
  const std::string before = ReadTestFile(file_);
  const absl::Status error = OpenError();
  EXPECT_EQ(error.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(error), "METADATA_OF_ANOTHER_PROGRAM");
  EXPECT_EQ(ReadTestFile(file_), before);
}

TEST_F(DatabaseTest, RefusesGarbageAndLeavesItUntouched) {
  for (const std::string& garbage :
       {std::string("not a database"), std::string(100, '\0') + "zeros first",
        std::string(10'000, 'x'), "SQLite format 3" + std::string(5'000, '\0')}) {
    WriteTestFile(file_, garbage);
    const absl::Status error = OpenError();
    EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss) << garbage.substr(0, 20) << error;
    EXPECT_EQ(ErrorReason(error), "METADATA_DAMAGED");
    EXPECT_THAT(std::string(error.message()), HasSubstr(file_.native()));
    EXPECT_EQ(ReadTestFile(file_), garbage);
  }
}

TEST_F(DatabaseTest, RefusesATruncatedFileAndLeavesItUntouched) {
  MakeFile();
  const std::string whole = ReadTestFile(file_);
  ASSERT_GT(whole.size(), 3 * 4096);
  for (const size_t size :
       {whole.size() - 4096, size_t{5'000}, size_t{4'096}, size_t{512}, size_t{50}}) {
    WriteTestFile(file_, whole.substr(0, size));
    const absl::Status error = OpenError();
    EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss) << size << error;
    EXPECT_EQ(ReadTestFile(file_), whole.substr(0, size)) << size;
  }
}

TEST_F(DatabaseTest, AFullDiskIsSaidAndLeavesNothingOfTheTransaction) {
  const auto database = Open();
  SqliteStatement limit(*database, "PRAGMA max_page_count = 1", "test");
  ASSERT_TRUE(*limit.Step());  // the least it can be is what there is
  {
    absl::StatusOr<Transaction> transaction = Transaction::Begin(*database, "fill the disk");
    ASSERT_TRUE(transaction.ok()) << transaction.status();
    absl::Status error;
    for (int i = 0; i < 10'000 && error.ok(); ++i) {
      SqliteStatement insert(*database,
                             "INSERT INTO models (id, last_version, record) VALUES (?, 0, x'00')",
                             "fill the disk");
      error = insert.Bind(absl::StrFormat("model-%d", i)).Run();
    }
    EXPECT_EQ(error.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ErrorReason(error), "DISK_FULL");
    EXPECT_THAT(std::string(error.message()), HasSubstr("cannot fill the disk"));
  }
  EXPECT_EQ(Count(*database, "models"), 0);
  EXPECT_TRUE(Transaction::Begin(*database, "go on").ok());
}

TEST_F(DatabaseTest, ATransactionIsRolledBackUnlessCommitted) {
  const auto database = Open();
  const char insert[] = "INSERT INTO server VALUES ('x')";
  {
    absl::StatusOr<Transaction> transaction = Transaction::Begin(*database, "test");
    ASSERT_TRUE(database->Execute(insert, "test").ok());
    const Transaction moved = *std::move(transaction);
    EXPECT_EQ(Count(*database, "server"), 1);
  }
  EXPECT_EQ(Count(*database, "server"), 0);
  {
    absl::StatusOr<Transaction> transaction = Transaction::Begin(*database, "test");
    ASSERT_TRUE(database->Execute(insert, "test").ok());
    ASSERT_TRUE(transaction->Commit().ok());
  }
  EXPECT_EQ(Count(*database, "server"), 1);
}

TEST_F(DatabaseTest, KeepsThePreparedStatementsOfTheTextsUsedLast) {
  const auto database = Open();
  const auto run = [&](int64_t i) {
    const std::string sql = absl::StrFormat("SELECT %d", i);
    SqliteStatement statement(*database, sql, "test");
    ASSERT_TRUE(*statement.Step());
    EXPECT_EQ(statement.Integer(0), i);
  };
  const auto prepared = [&] {
    int count = 0;
    sqlite3_stmt* statement = nullptr;
    while ((statement = sqlite3_next_stmt(database->handle(), statement)) != nullptr) ++count;
    return count;
  };
  for (int64_t i = 0; i < 100; ++i) run(i);
  const int most = prepared();
  EXPECT_LT(most, 100);
  sqlite3_stmt* const last = database->TakePrepared("SELECT 99");
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(database->TakePrepared("SELECT 99"), nullptr);
  database->KeepPrepared(last);
  EXPECT_EQ(database->TakePrepared("SELECT 0"), nullptr);
  run(99);
  run(0);
  EXPECT_EQ(prepared(), most);
}

TEST_F(DatabaseTest, OtherErrorsAreInternalWithSqlitesWords) {
  const auto database = Open();
  const absl::Status error = database->Execute("SELECT nonsense", "do this");
  EXPECT_EQ(error.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(error.message()),
              AllOf(HasSubstr("cannot do this"), HasSubstr("no such column: nonsense")));
}

TEST_F(DatabaseTest, AFolderThatIsNotThereIsSaid) {
  const absl::Status error = Database::Open(folder_.path() / "gone" / "metadata.sqlite").status();
  EXPECT_EQ(error.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(error.message()), HasSubstr("unable to open database file"));
}

}  // namespace
}  // namespace derin::server
