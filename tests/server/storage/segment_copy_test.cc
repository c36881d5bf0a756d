#include "server/storage/segment_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/status/error.h"
#include "server/storage/segment_log.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::UnorderedElementsAre;

constexpr char kFirst[] = "0000000001.segment";
constexpr char kSecond[] = "0000000002.segment";

class SegmentCopyTest : public ::testing::Test {
 protected:
  SegmentCopyTest() {
    std::filesystem::create_directory(to_);
    log_ = Open(from_, 100, nullptr);
  }

  static std::unique_ptr<SegmentLog> Open(const std::filesystem::path& folder, int64_t bytes,
                                          std::vector<std::string>* shown) {
    auto log = SegmentLog::Open(
        folder, {.segment_bytes = bytes},
        [shown](const RecordPlace&, RecordKind kind, std::string_view header) {
          if (shown == nullptr) return;
          shown->push_back((kind == RecordKind::kTombstone ? "+" : "") + std::string(header));
        });
    EXPECT_TRUE(log.ok()) << log.status();
    return *std::move(log);
  }

  // Records of 64 bytes: two fill a segment.
  RecordPlace Append(const std::string& header) {
    const absl::StatusOr<RecordPlace> place =
        log_->Append(header, std::string(40 - header.size(), 'b'));
    EXPECT_TRUE(place.ok()) << place.status();
    return *place;
  }
  // As an owner does who needs `header` and nothing else of the segment.
  void Move(uint32_t segment, const std::string& header) {
    Append(header);
    ASSERT_TRUE(log_->Drop(segment).ok());
  }

  absl::Status Copy(const std::function<void(std::string_view)>& before) {
    return CopySegmentLog(from_, to_, before);
  }
  void Copy() {
    const absl::Status copied = Copy([](std::string_view) {});
    ASSERT_TRUE(copied.ok()) << copied;
  }
  // What a start on the copy finds; it is whole.
  std::vector<std::string> Found() {
    std::vector<std::string> shown;
    const auto log = Open(to_, 100, &shown);
    EXPECT_THAT(log->damage(), IsEmpty());
    return shown;
  }

  TemporaryFolder folder_;
  const std::filesystem::path from_ = folder_.path() / "from", to_ = folder_.path() / "to";
  std::unique_ptr<SegmentLog> log_;
};

TEST_F(SegmentCopyTest, SealedSegmentsAreLinkedAndTheNewestIsCopied) {
  for (const char* header : {"a", "b", "c"}) Append(header);
  log_->IndexSealed();
  Copy();
  EXPECT_THAT(NamesIn(to_), UnorderedElementsAre(kFirst, "0000000001.index", kSecond));
  EXPECT_EQ(std::filesystem::hard_link_count(to_ / kFirst), 2u);
  EXPECT_EQ(std::filesystem::hard_link_count(to_ / kSecond), 1u);
  Append("later");
  EXPECT_THAT(Found(), ElementsAre("a", "b", "c"));
}

TEST_F(SegmentCopyTest, OfTheNewestSegmentOnlyWholeRecordsAreTaken) {
  Append("a");
  const RecordPlace place = Append("b");
  log_.reset();
  const std::string whole = ReadTestFile(from_ / kFirst);
  std::filesystem::remove(from_ / "0000000001.index");
  // As if the second record was being written, to every byte of it.
  for (size_t size = place.offset + 1; size < whole.size(); ++size) {
    WriteTestFile(from_ / kFirst, whole.substr(0, size));
    Copy();
    EXPECT_EQ(std::filesystem::file_size(to_ / kFirst), place.offset) << size;
  }
  EXPECT_THAT(Found(), ElementsAre("a"));
}

TEST_F(SegmentCopyTest, ARecordThatIsBeingTakenBackIsNotTaken) {
  Append("a");
  const RecordPlace place = Append("b");
  log_.reset();
  std::filesystem::remove(from_ / "0000000001.index");
  std::string torn = ReadTestFile(from_ / kFirst);
  torn.back() = 'x';  // the last byte of its body was not there yet
  WriteTestFile(from_ / kFirst, torn);
  Copy();
  EXPECT_EQ(std::filesystem::file_size(to_ / kFirst), place.offset);
}

TEST_F(SegmentCopyTest, AnIndexThatSpeaksOfMoreThanWasCopiedIsLeft) {
  Append("a");
  bool sealed = false;
  const absl::Status copied = Copy([&](std::string_view) {
    if (!std::exchange(sealed, true)) Append("b");  // fills the segment and writes its index
  });
  ASSERT_TRUE(copied.ok()) << copied;
  EXPECT_THAT(Found(), IsSupersetOf({"a"}));
}

TEST_F(SegmentCopyTest, WhatAppendsMeanwhileGoOnWithIsNoneOfTheCopy) {
  Append("a");
  int calls = 0;
  // While the first is copied, it is filled and two more follow.
  const absl::Status copied = Copy([&](std::string_view) {
    if (++calls > 1) return;
    for (const char* header : {"b", "c", "d", "e"}) Append(header);
  });
  ASSERT_TRUE(copied.ok()) << copied;
  EXPECT_THAT(Found(), ElementsAre("a", "b"));
}

TEST_F(SegmentCopyTest, ASegmentThatIsDroppedBeforeItsTurnIsFoundWhereItWent) {
  for (const char* header : {"a", "b", "c", "d", "e"}) Append(header);
  int drops = 0;
  // The second segment goes once the first is copied, and what it had is behind the rest.
  const absl::Status copied = Copy([&](std::string_view name) {
    if (name == kSecond && drops++ == 0) Move(2, "c");
  });
  ASSERT_TRUE(copied.ok()) << copied;
  EXPECT_EQ(drops, 1);
  EXPECT_THAT(Found(), UnorderedElementsAre("a", "b", "e", "c"));
}

TEST_F(SegmentCopyTest, ASessionThatHadEndedDoesNotComeBack) {
  Append("a");
  Append("b");
  ASSERT_TRUE(log_->AppendTombstone("a" + std::string(39, ' ')).ok());
  for (const char* header : {"c", "d"}) Append(header);
  bool dropped = false;
  // The oldest segment goes once it is copied, and with it, since it is the oldest then, the one
  // with the tombstone.
  const absl::Status copied = Copy([&](std::string_view name) {
    if (name != kSecond || std::exchange(dropped, true)) return;
    Move(1, "b");
    Move(2, "c");
  });
  ASSERT_TRUE(copied.ok()) << copied;
  EXPECT_THAT(Found(), UnorderedElementsAre("d", "b", "c"));
}

TEST_F(SegmentCopyTest, ALogThatIsAlwaysFasterIsAnError) {
  for (const char* header : {"a", "b", "c"}) Append(header);
  uint32_t oldest = 1;
  const absl::Status copied = Copy([&](std::string_view) {
    while (!log_->IsOldest(oldest)) ++oldest;
    Append("x");
    Append("y");
    Move(oldest, "z");
  });
  EXPECT_EQ(copied.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ErrorReason(copied), "BACKUP_OVERTAKEN");
}

TEST_F(SegmentCopyTest, ALogWithNothingInItIsCopied) {
  Copy();
  EXPECT_THAT(NamesIn(to_), IsEmpty());
  EXPECT_TRUE(CopySegmentLog(folder_.path() / "gone", to_, [](std::string_view) {}).ok());
}

TEST_F(SegmentCopyTest, DamageIsCopiedAsItIs) {
  for (const char* header : {"a", "b", "c"}) Append(header);
  log_.reset();
  std::string content = ReadTestFile(from_ / kSecond);
  content[20] ^= 1;  // in the frame of its only record
  WriteTestFile(from_ / kSecond, content);
  Copy();
  EXPECT_EQ(ReadTestFile(to_ / kSecond), content);
}

}  // namespace
}  // namespace derin::server
