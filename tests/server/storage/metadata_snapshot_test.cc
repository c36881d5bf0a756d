#include "server/storage/metadata_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/metadata_store.h"
#include "server/storage/schema.h"
#include "server/storage/sqlite_statement.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;

class MetadataSnapshotTest : public ::testing::Test {
 protected:
  std::unique_ptr<MetadataStore> OpenStore(const std::filesystem::path& file) {
    auto store = MetadataStore::Open(file);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  void RunBare(const std::string& sql) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(from_.c_str(), &handle), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    ASSERT_EQ(sqlite3_close(handle), SQLITE_OK);
  }

  TemporaryFolder folder_;
  const std::filesystem::path from_ = folder_.path() / "metadata.sqlite";
  const std::filesystem::path to_ = folder_.path() / "copy.sqlite";
};

TEST_F(MetadataSnapshotTest, IsWhatWasCommittedWhileTheServerWorksOn) {
  const auto store = OpenStore(from_);
  ASSERT_TRUE(store->InsertCorpus(TestCorpus("a", "one")).ok());
  const auto facts = SnapshotMetadata(from_, to_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->schema_version, static_cast<int64_t>(kMigrations.size()));
  EXPECT_THAT(facts->blobs, ElementsAre(Sha256Hex("one")));
  ASSERT_TRUE(store->InsertCorpus(TestCorpus("b", "two")).ok());
  EXPECT_EQ(std::filesystem::status(to_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_FALSE(std::filesystem::exists(to_.native() + "-wal"));
  const auto copy = OpenStore(to_);
  EXPECT_EQ(copy->server_id(), store->server_id());
  EXPECT_TRUE(copy->GetCorpus("a").ok());
  EXPECT_FALSE(copy->GetCorpus("b").ok());
}

TEST_F(MetadataSnapshotTest, ATransactionThatIsUnderWayIsNoneOfIt) {
  const auto database = Database::Open(from_);
  ASSERT_TRUE(database.ok()) << database.status();
  const auto transaction = Transaction::Begin(**database, "test");
  ASSERT_TRUE((*database)->Execute("INSERT INTO server VALUES ('x')", "test").ok());
  ASSERT_TRUE(SnapshotMetadata(from_, to_).ok());
  const auto copy = *Database::OpenAsItIs(to_);
  SqliteStatement select(*copy, "SELECT * FROM server", "test");
  EXPECT_FALSE(*select.Step());
}

TEST_F(MetadataSnapshotTest, AnOlderSchemaIsCopiedAsItIs) {
  RunBare(kMigrations[0]);
  RunBare(
      absl::StrFormat("INSERT INTO corpora VALUES ('a', '1', x'');"
                      "PRAGMA user_version = 1; PRAGMA application_id = %d",
                      kApplicationId));
  const auto facts = SnapshotMetadata(from_, to_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->schema_version, 1);
  EXPECT_THAT(facts->blobs, ElementsAre("1"));
  EXPECT_EQ(ReadMetadataFacts(from_)->schema_version, 1);
}

TEST_F(MetadataSnapshotTest, WhatIsNotOursIsRefused) {
  OpenStore(from_);
  RunBare("PRAGMA user_version = 99");
  EXPECT_EQ(ErrorReason(SnapshotMetadata(from_, to_).status()), "METADATA_TOO_NEW");
  WriteTestFile(from_, "garbage");
  EXPECT_EQ(ErrorReason(SnapshotMetadata(from_, to_).status()), "METADATA_DAMAGED");
  WriteTestFile(from_, "");
  EXPECT_EQ(ErrorReason(ReadMetadataFacts(from_).status()), "METADATA_DAMAGED");
  EXPECT_THAT(NamesIn(folder_.path()), testing::Not(testing::Contains("copy.sqlite")));
}

}  // namespace
}  // namespace derin::server
