// What a released server has stored, under each version of the schema that one had.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "server/status/error.h"
#include "server/storage/metadata_store.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

class StoredSchemaTest : public ::testing::Test {
 protected:
  void MakeFile(const std::string& sql) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &handle), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(handle);
    ASSERT_EQ(sqlite3_close(handle), SQLITE_OK);
  }

  TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path() / "metadata.sqlite";
};

TEST_F(StoredSchemaTest, Version5IsMigratedForwardWithAllThatIsInIt) {
  MakeFile(ReadTestFile(STORED_SCHEMAS "/schema_5.sql"));
  for (int start = 0; start < 2; ++start) {  // the second finds the newest schema
    const auto store = MetadataStore::Open(file_);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->server_id(), "b0e2773bc7a892ec");
    EXPECT_EQ((*store)->GetCorpus("sea")->character_count(), 1111);
    const auto version = (*store)->GetModelVersion({.model_id = "sea", .alias = "stable"});
    ASSERT_TRUE(version.ok()) << version.status();
    EXPECT_EQ(version->name(), "models/sea/versions/1");
    EXPECT_EQ(version->training_job(), "trainingJobs/first");
    EXPECT_EQ((*store)->GetTrainingJob("first")->state(), v1::TrainingJob::STATE_SUCCEEDED);
    EXPECT_EQ((*store)->GetTrainingJob("second")->state(), v1::TrainingJob::STATE_PAUSED);
    EXPECT_EQ((*store)->ListTrainingCheckpoints("second")->size(), 1u);
    EXPECT_GT((*store)->GetTrainingCurve("first")->training_metrics_size(), 0);
    EXPECT_EQ((*store)->ListTrainingEvents("first", 0)->size(), 4u);
    EXPECT_EQ((*store)->DigestsInUse()->size(), 5u);
    EXPECT_EQ(*(*store)->StoredBytes("local"), 0);
    EXPECT_TRUE((*store)->ListUsage()->empty());
  }
}

TEST_F(StoredSchemaTest, Version6IsMigratedForwardWithAllThatIsInIt) {
  MakeFile(ReadTestFile(STORED_SCHEMAS "/schema_6.sql"));
  for (int start = 0; start < 2; ++start) {
    const auto store = MetadataStore::Open(file_);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->server_id(), "daddf903dc1b1f86");
    EXPECT_EQ((*store)->GetCorpus("sea")->character_count(), 1110);
    EXPECT_EQ((*store)->GetTrainingJob("second")->state(), v1::TrainingJob::STATE_PAUSED);
    EXPECT_EQ((*store)->DigestsInUse()->size(), 5u);
    EXPECT_EQ(*(*store)->StoredBytes("local"), 1110);
    EXPECT_EQ((*store)->ListUsage()->size(), 1u);
    EXPECT_TRUE((*store)->ListUploads()->empty());
  }
}

TEST_F(StoredSchemaTest, ANewerOneIsRefusedAndLeftAsItIs) {
  MakeFile(ReadTestFile(STORED_SCHEMAS "/schema_5.sql") + "PRAGMA user_version = 1000");
  const std::string before = ReadTestFile(file_);
  EXPECT_EQ(ErrorReason(MetadataStore::Open(file_).status()), "METADATA_TOO_NEW");
  EXPECT_EQ(ReadTestFile(file_), before);
}

}  // namespace
}  // namespace derin::server
