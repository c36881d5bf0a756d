#include "server/storage/upload_spool.h"

#include <gtest/gtest.h>

#include <string>

#include "server/status/error.h"
#include "server/storage/crc32.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

class UploadSpoolTest : public ::testing::Test {
 protected:
  void Write(std::string_view bytes) {
    absl::StatusOr<UploadSpool> spool = UploadSpool::Create(path_);
    ASSERT_TRUE(spool.ok()) << spool.status();
    ASSERT_TRUE(spool->Append(bytes).ok());
    ASSERT_TRUE(spool->Sync().ok());
  }
  // What Replay hands on of a file that should have `bytes` with the CRC of `written`.
  absl::StatusOr<std::string> ReadBack(std::string_view written, int64_t keep) {
    const absl::StatusOr<UploadSpool> spool =
        UploadSpool::Open(path_, static_cast<int64_t>(written.size()), Crc32(written));
    if (!spool.ok()) return spool.status();
    std::string got;
    uint32_t crc32 = 0;
    absl::Status replayed = spool->Replay(keep, crc32, [&](std::string_view piece) {
      got += piece;
      return absl::OkStatus();
    });
    if (!replayed.ok()) return replayed;
    EXPECT_EQ(crc32, Crc32(got));
    return got;
  }

  TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "upload";
};

TEST_F(UploadSpoolTest, ReplaysWhatWasAppendedUpToAnyByte) {
  std::string text(3 << 20, 'a');
  text += "the end";
  Write(text);
  for (const size_t keep : {size_t{0}, size_t{1}, size_t{1} << 20, (size_t{1} << 20) + 1,
                            text.size() - 1, text.size()}) {
    const auto got = ReadBack(text, static_cast<int64_t>(keep));
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, text.substr(0, keep));
  }
}

TEST_F(UploadSpoolTest, WhatWasNotSyncedGoesWhenItIsOpened) {
  Write("synced, not synced");
  EXPECT_EQ(*ReadBack("synced", 6), "synced");
  EXPECT_EQ(ReadTestFile(path_), "synced");
}

TEST_F(UploadSpoolTest, GoesOnBehindACut) {
  Write("one two");
  absl::StatusOr<UploadSpool> spool = UploadSpool::Open(path_, 7, Crc32("one two"));
  ASSERT_TRUE(spool.ok()) << spool.status();
  ASSERT_TRUE(spool->CutTo(3, Crc32("one")).ok());
  ASSERT_TRUE(spool->Append(" three").ok());
  EXPECT_EQ(spool->bytes(), 9);
  EXPECT_EQ(spool->crc32(), Crc32("one three"));
  EXPECT_EQ(ReadTestFile(path_), "one three");
}

TEST_F(UploadSpoolTest, EveryTruncatedFileAndEveryFlippedBitIsFound) {
  const std::string text = "some bytes of a text";
  for (size_t length = 0; length < text.size(); ++length) {
    WriteTestFile(path_, text.substr(0, length));
    EXPECT_EQ(ErrorReason(ReadBack(text, 5).status()), "UPLOAD_DAMAGED") << length;
  }
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    WriteTestFile(path_, flipped);
    EXPECT_EQ(ErrorReason(ReadBack(text, 5).status()), "UPLOAD_DAMAGED") << bit;
  }
  std::filesystem::remove(path_);
  EXPECT_EQ(ErrorReason(ReadBack(text, 5).status()), "UPLOAD_DAMAGED");
}

TEST_F(UploadSpoolTest, ReplayEndsWithTheErrorOfItsSink) {
  Write("text");
  const absl::StatusOr<UploadSpool> spool = UploadSpool::Open(path_, 4, Crc32("text"));
  uint32_t crc32 = 0;
  EXPECT_EQ(spool->Replay(4, crc32, [](std::string_view) { return absl::AbortedError("no"); }),
            absl::AbortedError("no"));
}

}  // namespace
}  // namespace derin::server
