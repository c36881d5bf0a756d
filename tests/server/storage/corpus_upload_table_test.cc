#include "server/storage/corpus_upload_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/status/error.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

StoredUpload Upload(const std::string& owner, const std::string& id, int64_t second) {
  StoredUpload upload{.owner = owner,
                      .id = id,
                      .file = owner + id,
                      .bytes = 7,
                      .crc32 = 0xFFFFFFFE,
                      .update_time = absl::FromUnixSeconds(second) + absl::Microseconds(3)};
  upload.record.mutable_header()->set_corpus_id("book");
  return upload;
}

class CorpusUploadTableTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::unique_ptr<Database> database_ = *Database::Open(folder_.path() / "metadata.sqlite");
};

TEST_F(CorpusUploadTableTest, GivesBackWhatWasStored) {
  ASSERT_TRUE(corpus_upload_table::Put(*database_, Upload("ada", "u", 5)).ok());
  const auto upload = corpus_upload_table::Get(*database_, "ada", "u");
  ASSERT_TRUE(upload.ok()) << upload.status();
  EXPECT_EQ(upload->owner, "ada");
  EXPECT_EQ(upload->id, "u");
  EXPECT_EQ(upload->file, "adau");
  EXPECT_EQ(upload->bytes, 7);
  EXPECT_EQ(upload->crc32, 0xFFFFFFFEu);
  EXPECT_EQ(upload->update_time, Upload("ada", "u", 5).update_time);
  EXPECT_EQ(upload->record.header().corpus_id(), "book");
}

TEST_F(CorpusUploadTableTest, TheIdIsTheOwnersOwn) {
  ASSERT_TRUE(corpus_upload_table::Put(*database_, Upload("ada", "u", 5)).ok());
  ASSERT_TRUE(corpus_upload_table::Put(*database_, Upload("bob", "u", 5)).ok());
  ASSERT_TRUE(corpus_upload_table::Delete(*database_, "ada", "u").ok());
  EXPECT_EQ(ErrorReason(corpus_upload_table::Get(*database_, "ada", "u").status()),
            "UPLOAD_NOT_FOUND");
  EXPECT_TRUE(corpus_upload_table::Get(*database_, "bob", "u").ok());
}

TEST_F(CorpusUploadTableTest, ListsTheLongestUntouchedFirstAndCountsThoseThatHaveNotEnded) {
  StoredUpload ended = Upload("ada", "ended", 1);
  ended.record.mutable_corpus()->set_name("corpora/book");
  for (const StoredUpload& one : {Upload("ada", "new", 9), ended, Upload("bob", "old", 4)}) {
    ASSERT_TRUE(corpus_upload_table::Put(*database_, one).ok());
  }
  const auto uploads = corpus_upload_table::List(*database_);
  ASSERT_TRUE(uploads.ok()) << uploads.status();
  ASSERT_EQ(uploads->size(), 3u);
  EXPECT_EQ((*uploads)[0].id, "ended");
  EXPECT_EQ((*uploads)[1].id, "old");
  EXPECT_EQ((*uploads)[2].id, "new");
  EXPECT_EQ(*corpus_upload_table::CountOf(*database_, "ada"), 1);
}

}  // namespace
}  // namespace derin::server
