#include "server/storage/sqlite_statement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "derin/v1/corpus.pb.h"
#include "server/status/error.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

class SqliteStatementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Database>> database =
        Database::Open(folder_.path() / "metadata.sqlite");
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    ASSERT_TRUE(database_->Execute("CREATE TABLE t (a, b, c)", "test").ok());
  }

  TemporaryFolder folder_;
  std::unique_ptr<Database> database_;
};

TEST_F(SqliteStatementTest, GivesBackWhatWasBound) {
  const std::string text("a\0'; DROP TABLE t; --", 22);
  SqliteStatement insert(*database_, "INSERT INTO t VALUES (?, ?, ?)", "test");
  insert.Bind(text).Bind(std::numeric_limits<int64_t>::min()).Bind(TestCorpus("x"));
  ASSERT_TRUE(insert.Run().ok());

  SqliteStatement select(*database_, "SELECT a, b, c FROM t", "test");
  ASSERT_TRUE(*select.Step());
  EXPECT_EQ(select.Text(0), text);
  EXPECT_EQ(select.Integer(1), std::numeric_limits<int64_t>::min());
  v1::Corpus corpus;
  ASSERT_TRUE(select.Message(2, corpus).ok());
  EXPECT_TRUE(Same(corpus, TestCorpus("x")));
  EXPECT_FALSE(*select.Step());
}

TEST_F(SqliteStatementTest, TellsNullFromEmpty) {
  SqliteStatement insert(*database_, "INSERT INTO t VALUES (?, ?, ?)", "test");
  insert.Bind(std::string_view()).BindNull().Bind(v1::Corpus());
  ASSERT_TRUE(insert.Run().ok());
  SqliteStatement select(*database_, "SELECT a, b, c FROM t", "test");
  ASSERT_TRUE(*select.Step());
  EXPECT_FALSE(select.IsNull(0));
  EXPECT_EQ(select.Text(0), "");
  EXPECT_TRUE(select.IsNull(1));
  EXPECT_EQ(select.Text(1), "");
  EXPECT_FALSE(select.IsNull(2));
}

TEST_F(SqliteStatementTest, ReadsAllMessagesOfARow) {
  for (const char* id : {"x", "y"}) {
    SqliteStatement insert(*database_, "INSERT INTO t VALUES (?, 0, 0)", "test");
    ASSERT_TRUE(insert.Bind(TestCorpus(id)).Run().ok());
  }
  SqliteStatement select(*database_, "SELECT a FROM t", "test");
  const auto corpora = ReadMessages<v1::Corpus>(select);
  ASSERT_TRUE(corpora.ok()) << corpora.status();
  ASSERT_EQ(corpora->size(), 2);
  EXPECT_EQ((*corpora)[1].name(), "corpora/y");
}

TEST_F(SqliteStatementTest, ARecordThatIsNoMessageIsDataLoss) {
  ASSERT_TRUE(database_->Execute("INSERT INTO t VALUES (x'ffffff', 0, 0)", "test").ok());
  SqliteStatement select(*database_, "SELECT a FROM t", "read a corpus");
  const auto corpora = ReadMessages<v1::Corpus>(select);
  EXPECT_EQ(corpora.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(corpora.status().message(),
            "cannot read a corpus: a record of 3 bytes is not a derin.v1.Corpus");
}

TEST_F(SqliteStatementTest, OneThatIsUsedAgainHasNothingOfTheTimeBefore) {
  const auto insert = [&](bool with_text) {
    SqliteStatement statement(*database_, "INSERT INTO t (a) VALUES (?)", "test");
    if (with_text) statement.Bind("text");
    ASSERT_TRUE(statement.Run().ok());
  };
  insert(true);
  insert(false);
  for (int i = 0; i < 2; ++i) {  // the first leaves its rows half read
    SqliteStatement select(*database_, "SELECT a FROM t ORDER BY a DESC", "test");
    ASSERT_TRUE(*select.Step());
    EXPECT_EQ(select.Text(0), "text");
    if (i == 0) continue;
    ASSERT_TRUE(*select.Step());
    EXPECT_TRUE(select.IsNull(0));
  }
}

TEST_F(SqliteStatementTest, TwoOfTheSameTextAreApart) {
  constexpr std::string_view kSql = "INSERT INTO t (a) VALUES (?)";
  SqliteStatement first(*database_, kSql, "test"), second(*database_, kSql, "test");
  first.Bind("first");
  second.Bind("second");
  ASSERT_TRUE(second.Run().ok());
  ASSERT_TRUE(first.Run().ok());
  SqliteStatement select(*database_, "SELECT a FROM t ORDER BY rowid", "test");
  ASSERT_TRUE(*select.Step());
  EXPECT_EQ(select.Text(0), "second");
  ASSERT_TRUE(*select.Step());
  EXPECT_EQ(select.Text(0), "first");
}

TEST_F(SqliteStatementTest, KeepsTheFirstErrorUntilItIsRun) {
  SqliteStatement broken(*database_, "INSERT INTO nowhere VALUES (?)", "test");
  const absl::Status error = broken.Bind(1).Bind("x").Run();
  EXPECT_EQ(error.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(error.message()), HasSubstr("no such table: nowhere"));

  SqliteStatement few(*database_, "INSERT INTO t VALUES (?, 0, 0)", "test");
  EXPECT_THAT(std::string(few.Bind(1).Bind(2).Run().message()), HasSubstr("out of range"));
}

}  // namespace
}  // namespace derin::server
