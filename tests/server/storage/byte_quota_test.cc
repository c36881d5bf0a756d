#include "server/storage/byte_quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/status/error.h"
#include "server/storage/metadata_store.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ByteQuotaTest : public ::testing::Test {
 protected:
  absl::Status Upload(const std::string& id, const ByteQuota& quota) {
    return store_->InsertCorpus(TestCorpus(id, "ten bytes!"), quota).status();
  }
  absl::Status Import(const std::string& model, int64_t bytes, const ByteQuota& quota) {
    v1::ModelVersion version;
    version.set_size_bytes(bytes);
    version.set_sha256(Sha256Hex(model));
    return store_->InsertModelVersion(model, version, quota).status();
  }

  TemporaryFolder folder_;
  const std::unique_ptr<MetadataStore> store_ = *MetadataStore::Open(folder_.path() / "file");
};

TEST_F(ByteQuotaTest, CountsWhatACallerUploadedAndIsThere) {
  ASSERT_TRUE(Upload("a", {.owner = "ada"}).ok());
  ASSERT_TRUE(Upload("b", {.owner = "bob"}).ok());
  ASSERT_TRUE(Import("m", 100, {.owner = "ada"}).ok());
  ASSERT_TRUE(Import("published", 1000, {}).ok());
  EXPECT_EQ(*store_->StoredBytes("ada"), 110);
  EXPECT_EQ(*store_->StoredBytes("bob"), 10);
  EXPECT_EQ(*store_->StoredBytes(""), 0);
  ASSERT_TRUE(store_->DeleteCorpus("a").ok());
  EXPECT_EQ(*store_->StoredBytes("ada"), 100);
  ASSERT_TRUE(store_->DeleteModel("m", {"models/m/versions/1"}, false).ok());
  EXPECT_EQ(*store_->StoredBytes("ada"), 0);
}

TEST_F(ByteQuotaTest, WhatIsTooMuchIsRefusedAndNotStored) {
  const ByteQuota quota{.owner = "ada", .max_bytes = 25};
  ASSERT_TRUE(Upload("a", quota).ok());
  ASSERT_TRUE(Import("m", 15, quota).ok());
  const absl::Status status = Import("m", 1, quota);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "CALLER_BYTES_FULL");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("ada has 25 bytes"), HasSubstr("got at least 1 more"),
                    HasSubstr("the 25 in all"), HasSubstr("max_bytes_stored")));
  EXPECT_EQ(ErrorReason(Upload("b", quota)), "CALLER_BYTES_FULL");
  EXPECT_FALSE(store_->GetCorpus("b").ok());
  EXPECT_EQ(store_->ListModelVersions("m", "", 10)->items.size(), 1u);
  EXPECT_TRUE(Upload("a", quota).ok()) << "it is there already";
  ASSERT_TRUE(store_->DeleteCorpus("a").ok());
  EXPECT_TRUE(Upload("b", quota).ok());
}

TEST_F(ByteQuotaTest, WithoutALimitThereIsRoomForAnything) {
  EXPECT_TRUE(CheckRoom({.owner = "ada"}, int64_t{1} << 60, 1).ok());
}

}  // namespace
}  // namespace derin::server
