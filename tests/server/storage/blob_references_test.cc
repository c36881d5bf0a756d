#include "server/storage/blob_references.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/storage/database.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class BlobReferencesTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::unique_ptr<Database> database_ = *Database::Open(folder_.path() / "file");
};

TEST_F(BlobReferencesTest, EveryTableThatNamesABlobCounts) {
  EXPECT_THAT(*BlobReferences(*database_), IsEmpty());
  const char rows[] =
      "PRAGMA foreign_keys = OFF;"
      "INSERT INTO corpora (id, sha256, record) VALUES ('a', '1', x''), ('b', '1', x'');"
      "INSERT INTO model_versions (model_id, version, sha256, record) VALUES ('m', 1, '2', x'');"
      "INSERT INTO training_checkpoints VALUES (1, 1, '3', '4', x'');"
      "INSERT INTO training_starts VALUES (1, '5', '6'), (2, '5', NULL)";
  ASSERT_TRUE(database_->Execute(rows, "test").ok());
  EXPECT_THAT(*BlobReferences(*database_), UnorderedElementsAre("1", "2", "3", "4", "5", "6"));
}

TEST_F(BlobReferencesTest, ATableThatAnOlderSchemaHasNotIsEmpty) {
  ASSERT_TRUE(database_->Execute("DROP TABLE training_starts", "test").ok());
  EXPECT_THAT(*BlobReferences(*database_), IsEmpty());
}

}  // namespace
}  // namespace derin::server
