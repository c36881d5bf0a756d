#include "server/storage/upload_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "server/status/error.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

class UploadStoreTest : public ::testing::Test {
 protected:
  UploadStoreTest() { Restart(); }

  // As after a crash: leases of before are forgotten by then.
  void Restart() {
    uploads_.reset();
    store_.reset();
    store_ = *MetadataStore::Open(folder_.path() / "metadata.sqlite");
    std::filesystem::create_directories(files_);
    uploads_ = std::make_unique<UploadStore>(*store_, files_, [this] { return now_; });
    EXPECT_TRUE(uploads_->Recover().ok());
  }
  static v1::UploadCorpusHeader Header(const std::string& id = "u") {
    v1::UploadCorpusHeader header;
    header.set_corpus_id("book");
    header.set_upload_id(id);
    return header;
  }
  std::unique_ptr<UploadLease> Begin(const std::string& id = "u") {
    auto lease = uploads_->Begin(quota_, Header(id));
    EXPECT_TRUE(lease.ok()) << lease.status();
    return *std::move(lease);
  }
  // All that is there before `offset`.
  std::string GoOn(UploadLease& lease, int64_t offset) {
    std::string got;
    EXPECT_TRUE(lease
                    .GoOnAt(offset,
                            [&](std::string_view piece) {
                              got += piece;
                              return absl::OkStatus();
                            })
                    .ok());
    return got;
  }
  int64_t Committed(const std::string& owner = "ada") {
    const auto upload = uploads_->Describe(owner, "u");
    return upload.ok() ? upload->committed_bytes() : -1;
  }
  int Files() const {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(files_)) {
      files += entry.is_regular_file();
    }
    return files;
  }

  TemporaryFolder folder_;
  const std::filesystem::path files_ = folder_.path() / "uploads";
  ByteQuota quota_{.owner = "ada"};
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::unique_ptr<MetadataStore> store_;
  std::unique_ptr<UploadStore> uploads_;
};

TEST_F(UploadStoreTest, ABrokenUploadGoesOnWhereItWasAlsoAfterARestart) {
  ASSERT_TRUE(Begin()->Append("one ").ok());
  EXPECT_EQ(Committed(), 4);
  Restart();
  EXPECT_EQ(Committed(), 4);
  {
    const auto lease = Begin();
    EXPECT_EQ(lease->committed_bytes(), 4);
    EXPECT_EQ(GoOn(*lease, 4), "one ");
    ASSERT_TRUE(lease->Append("two").ok());
  }
  Restart();
  EXPECT_EQ(GoOn(*Begin(), 7), "one two");
}

TEST_F(UploadStoreTest, CommitsEachFourMebibytesOfARunningCall) {
  const auto lease = Begin();
  const std::string piece((1 << 20) - 1, 'a');
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(lease->Append(piece).ok());
    EXPECT_EQ(Committed(), 0);
  }
  ASSERT_TRUE(lease->Append(piece).ok());
  EXPECT_EQ(Committed(), 5 * static_cast<int64_t>(piece.size()));
}

TEST_F(UploadStoreTest, WhatIsBehindTheOffsetIsDropped) {
  ASSERT_TRUE(Begin()->Append("one wrong").ok());
  {
    const auto lease = Begin();
    EXPECT_EQ(GoOn(*lease, 4), "one ");
    ASSERT_TRUE(lease->Append("two").ok());
  }
  EXPECT_EQ(GoOn(*Begin(), 7), "one two");
  const auto lease = Begin();
  for (const int64_t offset : {-1, 8}) {
    EXPECT_EQ(ErrorReason(lease->GoOnAt(offset, nullptr)), "UPLOAD_OFFSET");
  }
}

TEST_F(UploadStoreTest, ALaterCallTakesAnUploadOver) {
  const auto first = Begin();
  ASSERT_TRUE(first->Append("one ").ok());
  const auto second = Begin();
  EXPECT_EQ(second->committed_bytes(), 4);
  EXPECT_EQ(ErrorReason(first->Append("lost")), "UPLOAD_TAKEN_OVER");
  EXPECT_EQ(ErrorReason(first->Complete(TestCorpus("book"), {}).status()), "UPLOAD_TAKEN_OVER");
  first->Remove();  // is not its to remove
  EXPECT_EQ(GoOn(*second, 4), "one ");
  ASSERT_TRUE(second->Append("two").ok());
}

TEST_F(UploadStoreTest, AnUploadIsItsCallersAlone) {
  ASSERT_TRUE(Begin()->Append("one").ok());
  EXPECT_EQ(ErrorReason(uploads_->Describe("bob", "u").status()), "UPLOAD_NOT_FOUND");
  const auto other = uploads_->Begin({.owner = "bob"}, Header());
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ((*other)->committed_bytes(), 0);
}

TEST_F(UploadStoreTest, ACompletedOneAnswersAsTheFirstTimeUntilItsCorpusIsDeleted) {
  {
    const auto lease = Begin();
    ASSERT_TRUE(lease->Append("text").ok());
    ASSERT_TRUE(lease->Complete(TestCorpus("book"), {}).ok());
  }
  EXPECT_EQ(Files(), 0);
  Restart();
  EXPECT_TRUE(Same(uploads_->Describe("ada", "u")->corpus(), TestCorpus("book")));
  ASSERT_TRUE(Begin()->corpus().has_value());
  EXPECT_TRUE(Same(*Begin()->corpus(), TestCorpus("book")));
  ASSERT_TRUE(store_->DeleteCorpus("book").ok());
  EXPECT_EQ(Committed(), -1);
  EXPECT_FALSE(Begin()->corpus().has_value());
}

TEST_F(UploadStoreTest, AnAbandonedOneGoesADayAfterItsLastCommit) {
  ASSERT_TRUE(Begin()->Append("one").ok());
  const absl::Time begun = now_;
  EXPECT_EQ(uploads_->Describe("ada", "u")->expire_time().seconds(),
            absl::ToUnixSeconds(now_ + absl::Hours(24)));
  now_ = begun + absl::Hours(23);
  ASSERT_TRUE(Begin()->Append(" two").ok());  // without GoOnAt: behind what is there
  now_ = begun + absl::Hours(24);
  EXPECT_EQ(*uploads_->RemoveAbandoned(), 0);
  {
    const auto held = Begin();
    now_ = begun + absl::Hours(100);
    EXPECT_EQ(*uploads_->RemoveAbandoned(), 0) << "a call is in it";
  }
  EXPECT_EQ(Files(), 1);
  EXPECT_EQ(*uploads_->RemoveAbandoned(), 1);
  EXPECT_EQ(Committed(), -1);
  EXPECT_EQ(Files(), 0);
}

TEST_F(UploadStoreTest, BytesOfUnfinishedUploadsCountAmongWhatACallerHasStored) {
  const ByteQuota quota{.owner = "ada", .max_bytes = TestCorpus("book").size_bytes()};
  const auto lease = Begin();
  ASSERT_TRUE(Begin("other")->Append("x").ok());
  EXPECT_EQ(*store_->StoredBytes("ada"), 1);
  ASSERT_TRUE(lease->Append("text").ok());
  EXPECT_EQ(ErrorReason(lease->Complete(TestCorpus("book"), quota).status()), "CALLER_BYTES_FULL");
  Begin("other")->Remove();
  // Its own bytes are those of the corpus.
  EXPECT_TRUE(lease->Complete(TestCorpus("book"), quota).ok());
  EXPECT_EQ(*store_->StoredBytes("ada"), TestCorpus("book").size_bytes());
}

TEST_F(UploadStoreTest, UploadsAtOnceFitTheQuotaTogether) {
  const std::string piece(1 << 20, 'a');
  constexpr int64_t kPiece = 1 << 20;
  quota_.max_bytes = 10 * kPiece;
  const auto one = Begin("one");
  auto two = Begin("two");
  const auto append = [&](UploadLease& lease) {
    absl::Status status;
    for (int i = 0; i < 8 && status.ok(); ++i) status = lease.Append(piece);
    return status;
  };
  ASSERT_TRUE(append(*one).ok());
  const absl::Status status = append(*two);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "CALLER_BYTES_FULL");
  EXPECT_EQ(*store_->StoredBytes("ada"), 8 * kPiece);
  // What has no room does not wait for another call either.
  two.reset();
  EXPECT_EQ(*store_->StoredBytes("ada"), 8 * kPiece);
  uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(files_)) bytes += entry.file_size();
  EXPECT_EQ(bytes, 8 * kPiece);
  two = Begin("two");
  ASSERT_TRUE(two->Append(piece).ok());
  two.reset();
  EXPECT_EQ(*store_->StoredBytes("ada"), 9 * kPiece);
  // A commit in place of an earlier one counts for itself.
  ASSERT_TRUE(one->Append(piece).ok());
}

TEST_F(UploadStoreTest, HeadersAtFaultAreRefused) {
  ASSERT_TRUE(Begin()->Append("one").ok());
  v1::UploadCorpusHeader other = Header();
  other.set_corpus_id("another");
  for (const v1::UploadCorpusHeader& header :
       {other, Header(""), Header("a/b"), Header(std::string(65, 'a'))}) {
    const absl::Status status = uploads_->Begin(quota_, header).status();
    EXPECT_EQ(ErrorField(status), "header.upload_id") << status;
  }
  EXPECT_EQ(ErrorField(uploads_->Describe("ada", "").status()), "upload_id");
  EXPECT_EQ(Files(), 1);
}

TEST_F(UploadStoreTest, ACallerHasSixtyFourThatHaveNotEndedAtMost) {
  for (int i = 0; i < UploadStore::kMostOfACaller; ++i) Begin("u" + std::to_string(i));
  EXPECT_EQ(ErrorReason(uploads_->Begin(quota_, Header("more")).status()), "UPLOADS_FULL");
  EXPECT_TRUE(uploads_->Begin({.owner = "bob"}, Header("more")).ok());
  EXPECT_TRUE(uploads_->Begin(quota_, Header("u0")).ok());
}

TEST_F(UploadStoreTest, AStartForgetsUploadsWithoutBytesAndBytesWithoutUploads) {
  ASSERT_TRUE(Begin()->Append("one").ok());
  ASSERT_TRUE(Begin("whole")->Append("two").ok());
  WriteTestFile(files_ / "stray", "x");
  for (const auto& entry : std::filesystem::directory_iterator(files_)) {
    if (ReadTestFile(entry.path()) == "one") WriteTestFile(entry.path(), "on");
  }
  Restart();
  EXPECT_EQ(Committed(), -1);
  EXPECT_EQ(uploads_->Describe("ada", "whole")->committed_bytes(), 3);
  EXPECT_EQ(Files(), 1);
}

TEST_F(UploadStoreTest, DamagedBytesAreFoundWhenACallGoesOn) {
  ASSERT_TRUE(Begin()->Append("one").ok());
  for (const auto& entry : std::filesystem::directory_iterator(files_)) {
    WriteTestFile(entry.path(), "oNe");
  }
  const auto lease = Begin();
  EXPECT_EQ(ErrorReason(lease->GoOnAt(3, [](std::string_view) { return absl::OkStatus(); })),
            "UPLOAD_DAMAGED");
}

}  // namespace
}  // namespace derin::server
