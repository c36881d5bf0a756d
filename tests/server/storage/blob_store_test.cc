#include "server/storage/blob_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "server/status/error.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class BlobStoreTest : public ::testing::Test {
 protected:
  // Stores `content` and lets go of it.
  std::string Store(std::string_view content) {
    const absl::StatusOr<Blob> blob = blobs_.Write(content);
    EXPECT_TRUE(blob.ok()) << blob.status();
    return blob->sha256;
  }

  int64_t Sweep(BlobStore::DigestSet in_use) {
    const absl::StatusOr<int64_t> removed = blobs_.Sweep([&] { return in_use; });
    EXPECT_TRUE(removed.ok()) << removed.status();
    return *removed;
  }

  TemporaryFolder folder_;
  BlobStore blobs_{folder_.path()};
};

TEST_F(BlobStoreTest, GivesBackWhatWasWrittenPieceByPiece) {
  absl::StatusOr<BlobWriter> writer = blobs_.NewWriter();
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE(writer->Append("some ").ok());
  ASSERT_TRUE(writer->Append("").ok());
  ASSERT_TRUE(writer->Append(std::string("text\0!", 6)).ok());
  const absl::StatusOr<Blob> blob = writer->Commit();
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_EQ(blob->sha256, Sha256Hex(std::string("some text\0!", 11)));
  EXPECT_EQ(blob->size_bytes, 11);
  EXPECT_EQ(*blobs_.Read(blob->sha256), std::string("some text\0!", 11));
  EXPECT_THAT(NamesIn(folder_.path()), ElementsAre(blob->sha256));
}

TEST_F(BlobStoreTest, AWriterThatIsNotCommittedLeavesNothing) {
  {
    absl::StatusOr<BlobWriter> writer = blobs_.NewWriter();
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(writer->Append("half").ok());
    const BlobWriter moved = *std::move(writer);
  }
  EXPECT_THAT(NamesIn(folder_.path()), IsEmpty());
}

TEST_F(BlobStoreTest, TheSameContentIsStoredOnce) {
  EXPECT_EQ(Store("text"), Store("text"));
  EXPECT_THAT(NamesIn(folder_.path()), ElementsAre(Sha256Hex("text")));
}

TEST_F(BlobStoreTest, DamagedContentIsNotGivenOut) {
  const std::string digest = Store("some text");
  WriteTestFile(folder_.path() / digest, "some tezt");
  const absl::StatusOr<std::string> content = blobs_.Read(digest);
  EXPECT_EQ(content.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ErrorReason(content.status()), "BLOB_DAMAGED");
  EXPECT_THAT(std::string(content.status().message()),
              AllOf(HasSubstr(digest), HasSubstr(Sha256Hex("some tezt"))));
}

TEST_F(BlobStoreTest, StoringDamagedContentAgainHealsIt) {
  const std::string digest = Store("some text");
  WriteTestFile(folder_.path() / digest, "some tezt");
  Store("some text");
  EXPECT_EQ(*blobs_.Read(digest), "some text");
}

TEST_F(BlobStoreTest, MissingContentIsNamed) {
  const std::string digest = Sha256Hex("never stored");
  const absl::StatusOr<std::string> content = blobs_.Read(digest);
  EXPECT_EQ(content.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(content.status().message()),
              AllOf(HasSubstr(digest), HasSubstr("missing")));
}

TEST_F(BlobStoreTest, ReadsNothingThatIsNotABlob) {
  WriteTestFile(folder_.path() / "file", "x");
  for (const char* name : {"file", "", "../file", "."}) {
    EXPECT_EQ(blobs_.Read(name).status().code(), absl::StatusCode::kDataLoss) << name;
  }
}

TEST_F(BlobStoreTest, SweepRemovesWhatNothingNames) {
  const std::string used = Store("used");
  Store("orphan 1");
  Store("orphan 2");
  WriteTestFile(folder_.path() / "note", "not a blob");
  EXPECT_EQ(Sweep({used}), 2);
  EXPECT_THAT(NamesIn(folder_.path()), UnorderedElementsAre(used, "note"));
  EXPECT_EQ(Sweep({used}), 0);
}

TEST_F(BlobStoreTest, SweepLeavesWhatIsHeldUntilTheLastHoldIsGone) {
  absl::StatusOr<Blob> first = blobs_.Write("text");
  std::optional<Blob> second = *blobs_.Write("text");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(Sweep({}), 0);
  *first = Blob();
  EXPECT_EQ(Sweep({}), 0);
  second.reset();
  EXPECT_EQ(Sweep({}), 1);
}

TEST_F(BlobStoreTest, SweepLeavesWhatIsBeingWritten) {
  absl::StatusOr<BlobWriter> writer = blobs_.NewWriter();
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE(writer->Append("text").ok());
  EXPECT_EQ(Sweep({}), 0);
  EXPECT_TRUE(writer->Commit().ok());
}

TEST_F(BlobStoreTest, SweepRemovesNothingWhenItCannotLearnWhatIsInUse) {
  const std::string digest = Store("text");
  const absl::StatusOr<int64_t> removed = blobs_.Sweep(
      []() -> absl::StatusOr<BlobStore::DigestSet> { return absl::InternalError("no answer"); });
  EXPECT_EQ(removed.status().message(), "no answer");
  EXPECT_EQ(*blobs_.Read(digest), "text");
}

TEST_F(BlobStoreTest, ContentIsNeverLostBetweenItsCommitAndItsRecord) {
  // Writers store and record the same content again and again while another thread sweeps.
  absl::Mutex mutex;
  BlobStore::DigestSet records;
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&] {
      for (int n = 0; n < 25; ++n) {
        const absl::StatusOr<Blob> blob = blobs_.Write("text");
        ASSERT_TRUE(blob.ok()) << blob.status();
        EXPECT_TRUE(blobs_.Read(blob->sha256).ok());
        absl::MutexLock lock(&mutex);
        records.insert(blob->sha256);
      }
    });
  }
  for (int n = 0; n < 50; ++n) {
    {
      absl::MutexLock lock(&mutex);
      records.clear();
    }
    ASSERT_TRUE(blobs_
                    .Sweep([&]() -> absl::StatusOr<BlobStore::DigestSet> {
                      absl::MutexLock lock(&mutex);
                      return records;
                    })
                    .ok());
  }
  for (std::thread& writer : writers) writer.join();
  Store("text");
  records.insert(Sha256Hex("text"));
  Sweep(records);
  EXPECT_TRUE(blobs_.Read(Sha256Hex("text")).ok());
}

TEST_F(BlobStoreTest, AFolderThatIsGoneIsAnErrorWithTheSystemsWords) {
  BlobStore elsewhere(folder_.path() / "gone");
  EXPECT_THAT(std::string(elsewhere.NewWriter().status().message()),
              HasSubstr("No such file or directory"));
  EXPECT_FALSE(elsewhere.Sweep([] { return BlobStore::DigestSet(); }).ok());
}

TEST_F(BlobStoreTest, IsReadPieceByPieceAlsoWhenItIsRemovedMeanwhile) {
  const std::string sha256 = Store("some text");
  auto reader = blobs_.NewReader(sha256);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(*reader->Next(4), "some");
  EXPECT_EQ(Sweep({}), 1);
  EXPECT_EQ(*reader->Next(4), " tex");
  EXPECT_EQ(*reader->Next(4), "t");
  EXPECT_EQ(*reader->Next(4), "");
  EXPECT_EQ(*reader->Next(4), "");
  EXPECT_EQ(ErrorReason(blobs_.NewReader(sha256).status()), "BLOB_DAMAGED");
  EXPECT_EQ(ErrorReason(blobs_.NewReader("../x").status()), "BLOB_DAMAGED");
}

TEST_F(BlobStoreTest, ADamagedOnesLastPieceIsNotGiven) {
  const std::string sha256 = Store("some text");
  std::ofstream(folder_.path() / sha256) << "some tent";
  auto reader = blobs_.NewReader(sha256);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE(reader->Next(5).ok());
  const absl::Status damaged = reader->Next(5).status();
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ErrorReason(damaged), "BLOB_DAMAGED");
}

}  // namespace
}  // namespace derin::server
