#include "server/storage/segment_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/status/error.h"
#include "server/storage/crc32.h"
#include "tests/server/storage/disk_syncs.h"
#include "tests/server/storage/full_disk.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr int64_t kLarge = int64_t{1} << 20;

class SegmentLogTest : public ::testing::Test {
 protected:
  // Closes the log and opens it again; `shown_` has what it showed.
  absl::Status TryOpen(int64_t segment_bytes) {
    log_.reset();
    shown_.clear();
    places_.clear();
    auto log = SegmentLog::Open(path_, {.segment_bytes = segment_bytes}, Show());
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
    return absl::OkStatus();
  }
  void Open(int64_t segment_bytes = kLarge) {
    const absl::Status opened = TryOpen(segment_bytes);
    ASSERT_TRUE(opened.ok()) << opened;
  }

  // Headers, those of tombstones with a dagger in front.
  SegmentLog::Visitor Show() {
    return [this](const RecordPlace& place, SegmentLog::Kind kind, std::string_view header) {
      shown_.push_back(
          absl::StrCat(kind == SegmentLog::Kind::kTombstone ? "+" : "", std::string(header)));
      places_.push_back(place);
    };
  }

  RecordPlace Append(std::string_view header, std::string_view body) {
    const absl::StatusOr<RecordPlace> place = log_->Append(header, body);
    EXPECT_TRUE(place.ok()) << place.status();
    return place.ok() ? *place : RecordPlace();
  }
  // Records h0, h1, ... with the bodies b0, b1, ..., 28 bytes each.
  std::vector<RecordPlace> AppendSome(int count) {
    std::vector<RecordPlace> places(count);
    for (int i = 0; i < count; ++i) {
      places[i] = Append(absl::StrCat("h", i), absl::StrCat("b", i));
    }
    return places;
  }
  void AppendTombstone(std::string_view header) {
    const absl::Status appended = log_->AppendTombstone(header);
    EXPECT_TRUE(appended.ok()) << appended;
  }

  // The body, or what is wrong with it.
  std::string Read(const RecordPlace& place) {
    const absl::StatusOr<SegmentLog::Record> record = log_->Read(place);
    if (record.ok()) return record->body;
    EXPECT_EQ(record.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(ErrorReason(record.status()), "RECORD_DAMAGED");
    return absl::StrCat(record.status().message());
  }

  std::filesystem::path File(std::string_view name) const { return path_ / name; }
  std::string Content(std::string_view name) const { return ReadTestFile(File(name)); }

  const TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "log";
  std::unique_ptr<SegmentLog> log_;
  std::vector<std::string> shown_;
  std::vector<RecordPlace> places_;
};

const char kFirst[] = "0000000001.segment";
const char kFirstIndex[] = "0000000001.index";
const char kSecond[] = "0000000002.segment";
const char kSecondIndex[] = "0000000002.index";

TEST_F(SegmentLogTest, GivesBackWhatWasAppended) {
  Open();
  const RecordPlace first = Append("header", "body");
  const RecordPlace empty = Append("", "");
  const std::string bytes("\0\xFF\n", 3);
  const RecordPlace binary = Append(bytes, bytes + bytes);
  EXPECT_EQ(first, (RecordPlace{.segment = 1, .offset = 16, .bytes = 34}));
  EXPECT_EQ(empty, (RecordPlace{.segment = 1, .offset = 50, .bytes = 24}));
  EXPECT_EQ(log_->Read(first)->header, "header");
  EXPECT_EQ(log_->Read(first)->body, "body");
  EXPECT_EQ(log_->Read(empty)->header, "");
  EXPECT_EQ(log_->Read(empty)->body, "");
  EXPECT_EQ(log_->Read(binary)->header, bytes);
  EXPECT_EQ(log_->Read(binary)->body, bytes + bytes);
}

TEST_F(SegmentLogTest, ShowsAllRecordsAtTheNextStartOldestFirst) {
  Open(100);
  EXPECT_THAT(shown_, IsEmpty());
  const std::vector<RecordPlace> places = AppendSome(9);
  AppendTombstone("h3");
  Open(100);
  EXPECT_THAT(shown_, ElementsAre("h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "+h3"));
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(places_[i], places[i]);
    EXPECT_EQ(Read(places[i]), absl::StrCat("b", i));
  }
  EXPECT_THAT(log_->damage(), IsEmpty());
}

TEST_F(SegmentLogTest, NothingIsThereBeforeSomethingIsAppended) {
  Open();
  EXPECT_THAT(NamesIn(path_), IsEmpty());
  EXPECT_EQ(log_->file_bytes(), 0);
  EXPECT_EQ(log_->NextToCopy(0.01), 0);
  EXPECT_FALSE(log_->IsOldest(1));
  EXPECT_TRUE(log_->Sync().ok());
}

TEST_F(SegmentLogTest, ItsFilesAreForTheirOwnerOnly) {
  Open(1);
  Append("h", "b");
  log_->IndexSealed();
  EXPECT_THAT(NamesIn(path_), UnorderedElementsAre(kFirst, kFirstIndex));
  for (const char* name : {kFirst, kFirstIndex}) {
    EXPECT_EQ(std::filesystem::status(File(name)).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
}

TEST_F(SegmentLogTest, GoesOnInTheLastSegmentAfterAStart) {
  Open();
  Append("h0", "b0");
  Open();
  EXPECT_EQ(Append("h1", "b1").offset, 16 + 28);
  Open();
  EXPECT_THAT(shown_, ElementsAre("h0", "h1"));
  EXPECT_THAT(NamesIn(path_), ElementsAre(kFirst));
}

TEST_F(SegmentLogTest, SealsASegmentThatHasReachedItsSize) {
  Open(16 + 2 * 28);
  EXPECT_EQ(Append("h0", "b0").segment, 1);
  log_->IndexSealed();
  EXPECT_THAT(NamesIn(path_), UnorderedElementsAre(kFirst));
  EXPECT_EQ(Append("h1", "b1").segment, 1);
  log_->IndexSealed();
  EXPECT_THAT(NamesIn(path_), UnorderedElementsAre(kFirst, kFirstIndex));
  EXPECT_EQ(Append("h2", "b2").segment, 2);
  // The last record may go beyond the size, never into the next segment.
  EXPECT_EQ(Append("h3", std::string(1000, 'b')).segment, 2);
  EXPECT_EQ(Append("h4", "b4").segment, 3);
  EXPECT_EQ(std::filesystem::file_size(File(kSecond)), 16 + 28 + 26 + 1000);
}

TEST_F(SegmentLogTest, AStartReadsSealedSegmentsThatHaveNoIndexYet) {
  Open(16 + 2 * 28);
  AppendSome(7);
  // As a process leaves them that is killed.
  const std::filesystem::path left = folder_.path() / "left";
  std::filesystem::copy(path_, left);
  EXPECT_THAT(NamesIn(left), SizeIs(4));
  const auto log = SegmentLog::Open(left, {.segment_bytes = 16 + 2 * 28}, Show());
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_THAT(shown_, ElementsAre("h0", "h1", "h2", "h3", "h4", "h5", "h6"));
  EXPECT_THAT((*log)->damage(), IsEmpty());
  EXPECT_THAT(NamesIn(left), SizeIs(7)) << "the last one is appended to";
}

TEST_F(SegmentLogTest, ASealedSegmentIsNotAppendedToAfterAStartWithALargerSize) {
  Open(1);
  Append("h0", "b0");
  Open(kLarge);
  EXPECT_EQ(Append("h1", "b1").segment, 2);
  Open(kLarge);
  EXPECT_THAT(shown_, ElementsAre("h0", "h1"));
}

TEST_F(SegmentLogTest, ALastSegmentThatIsFullByThenIsSealedAtAStart) {
  Open(kLarge);
  Append("h0", "b0");
  Open(1);
  EXPECT_THAT(NamesIn(path_), UnorderedElementsAre(kFirst, kFirstIndex));
  EXPECT_EQ(Append("h1", "b1").segment, 2);
  Open(1);
  EXPECT_THAT(shown_, ElementsAre("h0", "h1"));
}

TEST_F(SegmentLogTest, CutsOffWhatWasBeingWrittenWhenTheProcessDied) {
  Open();
  Append("h0", "b0");
  Append("header", "body");
  log_.reset();
  const std::string content = Content(kFirst);
  constexpr size_t kWhole = 16 + 28;
  for (size_t bytes = kWhole; bytes < content.size(); ++bytes) {
    WriteTestFile(File(kFirst), content.substr(0, bytes));
    Open();
    EXPECT_THAT(shown_, ElementsAre("h0")) << bytes;
    EXPECT_THAT(log_->damage(), IsEmpty()) << bytes;
    EXPECT_EQ(std::filesystem::file_size(File(kFirst)), kWhole) << bytes;
    EXPECT_EQ(log_->file_bytes(), kWhole);
    EXPECT_EQ(Read(Append("h1", "b1")), "b1");
    Open();
    EXPECT_THAT(shown_, ElementsAre("h0", "h1")) << bytes;
    EXPECT_EQ(Read(places_[0]), "b0");
  }
}

TEST_F(SegmentLogTest, CutsOffTheFirstRecordThatWasBeingWritten) {
  Open();
  Append("header", "body");
  log_.reset();
  const std::string content = Content(kFirst);
  for (size_t bytes = 0; bytes < content.size(); ++bytes) {
    WriteTestFile(File(kFirst), content.substr(0, bytes));
    Open();
    EXPECT_THAT(shown_, IsEmpty()) << bytes;
    EXPECT_THAT(log_->damage(), IsEmpty()) << bytes;
    EXPECT_EQ(Append("h1", "b1").segment, 1);
    Open();
    EXPECT_THAT(shown_, ElementsAre("h1")) << bytes;
    EXPECT_EQ(Read(places_[0]), "b1");
  }
}

// Three records of 28 bytes behind the start: each a frame of 24, a header of 2 and a body of 2.
class DamagedSegmentTest : public SegmentLogTest {
 protected:
  // The first segment then is the last one, or is followed by another.
  void Prepare(bool last) {
    Open(last ? kLarge : kBytes);
    AppendSome(3);
    if (!last) Append("next", "");
    log_.reset();
    content_ = Content(kFirst);
    ASSERT_EQ(content_.size(), kBytes);
    index_ = Content(kFirstIndex);
  }
  // Opens the log with the first segment's byte `at` changed.
  void OpenDamaged(size_t at) {
    log_.reset();
    damaged_ = content_;
    damaged_[at] ^= 0x10;
    WriteTestFile(File(kFirst), damaged_);
    Open();
    std::erase(shown_, "next");
  }

  static constexpr size_t kBytes = 16 + 3 * 28;
  std::string content_, index_, damaged_;
};

// What a start shows and says with byte `at` of the segment changed, and no index.
void ExpectCostsOnlyWhatItTouches(size_t at, const std::vector<std::string>& shown,
                                  const std::vector<std::string>& damage) {
  if (at < 16) {
    EXPECT_THAT(shown, ElementsAre("h0", "h1", "h2"));
    EXPECT_THAT(damage, ElementsAre("0000000001.segment: the first 16 bytes are damaged"));
    return;
  }
  const size_t record = (at - 16) / 28;
  const size_t in_record = (at - 16) % 28;
  std::vector<std::string> wanted = {"h0", "h1", "h2"};
  if (in_record < 24) {
    wanted.resize(record);
    EXPECT_THAT(damage,
                ElementsAre(absl::StrCat("0000000001.segment: the record at byte ",
                                         16 + 28 * record, " has a damaged frame; the ",
                                         28 * (3 - record), " bytes from there on are lost")));
  } else if (in_record < 26) {
    wanted.erase(wanted.begin() + static_cast<int64_t>(record));
    EXPECT_THAT(damage, ElementsAre(absl::StrCat("0000000001.segment: the record at byte ",
                                                 16 + 28 * record,
                                                 " has a damaged header; its 28 bytes are lost")));
  } else {
    EXPECT_THAT(damage, IsEmpty());
  }
  EXPECT_EQ(shown, wanted);
}

TEST_F(DamagedSegmentTest, CostsOnlyWhatItTouchesInASealedSegmentWithoutItsIndex) {
  Prepare(/*last=*/false);
  for (size_t at = 0; at < kBytes; ++at) {
    SCOPED_TRACE(at);
    std::filesystem::remove(File(kFirstIndex));
    OpenDamaged(at);
    ExpectCostsOnlyWhatItTouches(at, shown_, log_->damage());
    EXPECT_EQ(Content(kFirst), damaged_);
    // An index would hide the damage from the next start.
    EXPECT_EQ(std::filesystem::exists(File(kFirstIndex)), log_->damage().empty());
  }
}

TEST_F(DamagedSegmentTest, CostsOnlyWhatItTouchesInTheLastSegment) {
  Prepare(/*last=*/true);
  for (size_t at = 0; at < kBytes; ++at) {
    SCOPED_TRACE(at);
    std::filesystem::remove(File(kSecond));
    OpenDamaged(at);
    ExpectCostsOnlyWhatItTouches(at, shown_, log_->damage());
    // Nothing is written behind damage.
    const std::vector<std::string> damage = log_->damage();
    const RecordPlace next = Append("next", "body");
    EXPECT_EQ(next.segment, damage.empty() ? 1 : 2);
    EXPECT_EQ(Content(kFirst).substr(0, kBytes), damaged_);
    Open();
    EXPECT_EQ(Read(next), "body");
    EXPECT_EQ(log_->damage(), damage);
  }
}

TEST_F(DamagedSegmentTest, CostsOneRecordWhereThereIsAnIndex) {
  Prepare(/*last=*/false);
  for (size_t at = 0; at < kBytes; ++at) {
    SCOPED_TRACE(at);
    OpenDamaged(at);
    EXPECT_THAT(shown_, ElementsAre("h0", "h1", "h2"));
    EXPECT_EQ(log_->damage().size(), at < 16 ? 1 : 0);
    for (size_t i = 0; i < 3; ++i) {
      const bool touched = at >= 16 && (at - 16) / 28 == i;
      const std::string read = Read(places_[i]);
      if (touched) {
        EXPECT_THAT(read, AllOf(HasSubstr(absl::StrCat("the record at byte ", 16 + 28 * i, " of ")),
                                HasSubstr(kFirst), HasSubstr("has a damaged ")));
      } else {
        EXPECT_EQ(read, absl::StrCat("b", i));
      }
    }
  }
}

TEST_F(DamagedSegmentTest, ADamagedOrMissingIndexIsWrittenAnew) {
  Prepare(/*last=*/false);
  for (size_t at = 0; at < index_.size() + 7; at += 7) {
    SCOPED_TRACE(at);
    log_.reset();
    if (at < index_.size()) {
      std::string damaged = index_;
      damaged[at] ^= 0x10;
      WriteTestFile(File(kFirstIndex), damaged);
    } else {
      std::filesystem::remove(File(kFirstIndex));
    }
    Open();
    EXPECT_THAT(shown_, ElementsAre("h0", "h1", "h2", "next"));
    EXPECT_THAT(log_->damage(), IsEmpty());
    EXPECT_EQ(Content(kFirstIndex), index_);
  }
}

TEST_F(DamagedSegmentTest, SaysWhatASealedSegmentLostAtItsEnd) {
  for (const bool indexed : {true, false}) {
    Prepare(/*last=*/false);
    for (size_t bytes = 0; bytes < kBytes; ++bytes) {
      SCOPED_TRACE(absl::StrCat(indexed ? "indexed " : "", bytes));
      log_.reset();
      WriteTestFile(File(kFirst), content_.substr(0, bytes));
      std::filesystem::remove(File(kFirstIndex));
      if (indexed) WriteTestFile(File(kFirstIndex), index_);
      Open();
      std::erase(shown_, "next");
      const size_t records = bytes < 16 ? 0 : (bytes - 16) / 28;
      EXPECT_EQ(shown_.size(), records);
      EXPECT_EQ(std::filesystem::file_size(File(kFirst)), bytes);
      std::vector<std::string> damage;
      if (indexed || bytes < 16) {
        damage.push_back(absl::StrCat("0000000001.segment: has ", bytes, " bytes left and had ",
                                      indexed ? "100" : "16 or more"));
      }
      if (bytes > 16 && (bytes - 16) % 28 != 0) {
        damage.push_back(absl::StrCat("0000000001.segment: the record at byte ", 16 + 28 * records,
                                      " is cut off; its ", (bytes - 16) % 28, " bytes are lost"));
      }
      EXPECT_EQ(log_->damage(), damage);
      for (size_t i = 0; i < 3; ++i) {
        const std::string read = Read({1, static_cast<uint32_t>(16 + 28 * i), 28});
        if (i < records) {
          EXPECT_EQ(read, absl::StrCat("b", i));
        } else {
          EXPECT_THAT(read, HasSubstr("is cut off"));
        }
      }
    }
    std::filesystem::remove_all(path_);
  }
}

TEST_F(SegmentLogTest, ALastSegmentThatLostWhatItsIndexSpeaksOfIsNotAppendedTo) {
  Open(16 + 2 * 28);
  Append("h0", "b0");
  Append("h1", "b1");
  log_.reset();
  std::filesystem::resize_file(File(kFirst), 16 + 28);
  Open();
  EXPECT_THAT(log_->damage(), ElementsAre("0000000001.segment: has 44 bytes left and had 72"));
  EXPECT_EQ(Append("h2", "b2").segment, 2);
  EXPECT_EQ(std::filesystem::file_size(File(kFirst)), 16 + 28);
  Open();
  EXPECT_THAT(shown_, ElementsAre("h0", "h2"));
}

TEST_F(SegmentLogTest, NoIndexIsLeftBesideASegmentThatIsAppendedTo) {
  Open(1);
  Append("h0", "b0");
  log_.reset();
  WriteTestFile(File(kFirstIndex), "of another version");
  Open();
  EXPECT_THAT(NamesIn(path_), ElementsAre(kFirst));
  EXPECT_EQ(Append("h1", "b1").segment, 1);
}

TEST_F(SegmentLogTest, AnIndexWithoutItsSegmentIsRemoved) {
  Open(1);
  Append("h0", "b0");
  log_.reset();
  std::filesystem::remove(File(kFirst));
  Open(1);
  EXPECT_THAT(NamesIn(path_), IsEmpty());
}

TEST_F(SegmentLogTest, RefusesAnUnknownVersionAndLeavesEverythingAsItWas) {
  Open(1);
  Append("h0", "b0");
  Append("h1", "b1");
  Open(kLarge);
  Append("h2", "b2");
  log_.reset();
  std::filesystem::remove(File(kFirstIndex));
  const std::string torn = Content("0000000003.segment").substr(0, 30);
  WriteTestFile(File("0000000003.segment"), torn);
  std::string start = SegmentStart().substr(0, 12);
  start[8] = 2;
  const uint32_t crc = Crc32(start);
  for (int byte = 0; byte < 4; ++byte) start += static_cast<char>(crc >> 8 * byte);
  WriteTestFile(File(kSecond), start + "who knows");

  const absl::Status status = TryOpen(1);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), "SEGMENT_TOO_NEW");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(kSecond), HasSubstr("version 2")));
  EXPECT_THAT(shown_, IsEmpty());
  EXPECT_THAT(NamesIn(path_),
              UnorderedElementsAre(kFirst, kSecond, kSecondIndex, "0000000003.segment"));
  EXPECT_EQ(Content("0000000003.segment"), torn);
  EXPECT_EQ(Content(kSecond), start + "who knows");
}

TEST_F(SegmentLogTest, LeavesAloneWhatIsNotItsOwn) {
  Open();
  log_.reset();
  const std::vector<std::string> names = {"1.segment",           "0000000000.segment",
                                          "00000000001.segment", "9999999999.segment",
                                          "+000000001.segment",  "x.index"};
  for (const std::string& name : names) WriteTestFile(File(name), "x");
  Open();
  EXPECT_THAT(NamesIn(path_), ::testing::UnorderedElementsAreArray(names));
  EXPECT_THAT(log_->damage(), IsEmpty());
  EXPECT_EQ(log_->file_bytes(), 0);
}

TEST_F(SegmentLogTest, AFolderUnderARegularFileIsAnError) {
  WriteTestFile(folder_.path() / "file", "x");
  const auto log = SegmentLog::Open(folder_.path() / "file" / "log", {}, Show());
  EXPECT_EQ(log.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(log.status().message()), HasSubstr("Not a directory"));
}

TEST_F(SegmentLogTest, ASegmentThatCannotBeOpenedIsAnErrorAndNoLoss) {
  Open();
  std::filesystem::create_directory(File(kFirst));
  const absl::Status status = TryOpen(kLarge);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(kFirst), HasSubstr("Is a directory")));
}

TEST_F(SegmentLogTest, RefusesARecordThatIsTooLong) {
  Open();
  EXPECT_TRUE(log_->Append(std::string(kLongestHeader, 'h'), "").ok());
  for (const absl::Status& status :
       {log_->Append(std::string(kLongestHeader + 1, 'h'), "").status(),
        log_->Append("", std::string(kLongestBody + 1, 'b')).status(),
        log_->AppendTombstone(std::string(kLongestHeader + 1, 'h'))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorReason(status), "RECORD_TOO_LONG");
  }
  const std::string body(kLongestBody, 'b');
  EXPECT_EQ(Read(Append("h", body)), body);
}

TEST_F(SegmentLogTest, KnowsHowMuchIsNeeded) {
  Open(16 + 3 * 28);
  const RecordPlace h0 = Append("h0", "b0");
  const RecordPlace h1 = Append("h1", "b1");
  EXPECT_EQ(log_->needed_bytes(), 56);
  EXPECT_EQ(log_->file_bytes(), 72);
  log_->Release(h0);
  EXPECT_EQ(log_->needed_bytes(), 28);
  AppendTombstone("h0");
  EXPECT_EQ(log_->needed_bytes(), 28);  // tombstones are not counted
  EXPECT_EQ(log_->file_bytes(), 98);
  Open(16 + 3 * 28);
  EXPECT_EQ(log_->needed_bytes(), 56);  // its owner releases anew what it is shown
  EXPECT_EQ(log_->file_bytes(), 98);
  log_->Release(h0);
  log_->Release(h1);
  EXPECT_EQ(log_->needed_bytes(), 0);
}

TEST_F(SegmentLogTest, FindsTheSealedSegmentWithTheNextToCopy) {
  Open(16 + 4 * 28);
  const std::vector<RecordPlace> places = AppendSome(10);
  EXPECT_EQ(log_->NextToCopy(0.01), 0);
  // All of the last segment, which is not sealed.
  for (const int i : {8, 9}) log_->Release(places[i]);
  EXPECT_EQ(log_->NextToCopy(0.01), 0);
  log_->Release(places[0]);
  EXPECT_EQ(log_->NextToCopy(0.25), 1);
  EXPECT_EQ(log_->NextToCopy(0.26), 0);
  for (const int i : {4, 5}) log_->Release(places[i]);
  EXPECT_EQ(log_->NextToCopy(0.25), 2);
  for (const int i : {6, 7}) log_->Release(places[i]);
  EXPECT_EQ(log_->NextToCopy(1), 2);
}

TEST_F(SegmentLogTest, TombstonesAreGarbageInTheOldestSegmentOnly) {
  Open(16 + 2 * 26);
  const auto fill = [&] {
    AppendTombstone("h0");
    AppendTombstone("h1");
  };
  Append("h0", std::string(100, 'b'));
  fill();
  EXPECT_TRUE(log_->IsOldest(1));
  EXPECT_FALSE(log_->IsOldest(2));
  EXPECT_EQ(log_->NextToCopy(0.01), 0);
  ASSERT_TRUE(log_->Drop(1).ok());
  EXPECT_TRUE(log_->IsOldest(2));
  EXPECT_EQ(log_->NextToCopy(1), 2);
  Open(16 + 2 * 26);
  fill();
  EXPECT_EQ(log_->NextToCopy(1), 2);  // the third has as much, and is not the oldest
  ASSERT_TRUE(log_->Drop(2).ok());
  EXPECT_EQ(log_->NextToCopy(1), 3);
}

TEST_F(SegmentLogTest, LostBytesAreGarbage) {
  Open(16 + 2 * 28);
  Append("h0", "b0");
  Append("h1", "b1");
  Append("h2", "b2");
  log_.reset();
  std::string content = Content(kFirst);
  content[16 + 28] ^= 1;
  WriteTestFile(File(kFirst), content);
  std::filesystem::remove(File(kFirstIndex));
  Open(16 + 2 * 28);
  EXPECT_EQ(log_->needed_bytes(), 56);
  EXPECT_EQ(log_->NextToCopy(0.5), 1);
}

TEST_F(SegmentLogTest, ADroppedSegmentIsGone) {
  Open(1);
  const RecordPlace gone = Append("h0", "b0");
  const RecordPlace kept = Append("h1", "b1");
  log_->IndexSealed();
  ASSERT_TRUE(log_->Drop(1).ok());
  EXPECT_THAT(NamesIn(path_), UnorderedElementsAre(kSecond, kSecondIndex));
  EXPECT_THAT(Read(gone), AllOf(HasSubstr(kFirst), HasSubstr("gone")));
  EXPECT_EQ(Read(kept), "b1");
  EXPECT_EQ(log_->needed_bytes(), 28);
  EXPECT_EQ(log_->file_bytes(), 44);
  log_->Release(gone);  // a late one does nothing
  EXPECT_EQ(log_->needed_bytes(), 28);
  EXPECT_EQ(ErrorReason(log_->Drop(1)), "SEGMENT_NOT_SEALED");
  EXPECT_EQ(Append("h2", "b2").segment, 3);
  Open(1);
  EXPECT_THAT(shown_, ElementsAre("h1", "h2"));
}

TEST_F(SegmentLogTest, TheNumberOfADroppedSegmentIsNotGivenAgain) {
  Open(1);
  Append("h0", "b0");
  ASSERT_TRUE(log_->Drop(1).ok());
  EXPECT_EQ(Append("h1", "b1").segment, 2);
}

TEST_F(SegmentLogTest, ASegmentThatIsAppendedToIsNeitherVisitedNorDropped) {
  Open();
  Append("h0", "b0");
  for (const uint32_t segment : {0, 1, 2}) {
    for (const absl::Status& status : {log_->Visit(segment, Show()), log_->Drop(segment)}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_EQ(ErrorReason(status), "SEGMENT_NOT_SEALED");
    }
  }
  EXPECT_THAT(shown_, IsEmpty());
  EXPECT_THAT(NamesIn(path_), ElementsAre(kFirst));
}

TEST_F(SegmentLogTest, IsCompactedRecordByRecord) {
  Open(16 + 4 * 28);
  const std::vector<RecordPlace> places = AppendSome(3);
  AppendTombstone("h9");
  AppendTombstone("h8");  // fills the first
  log_->IndexSealed();
  log_->Release(places[0]);
  log_->Release(places[2]);
  const uint32_t segment = log_->NextToCopy(0.5);
  ASSERT_EQ(segment, 1);
  RecordPlace copy;
  // Appends while it is shown what to copy.
  const absl::Status visited = log_->Visit(
      segment, [&](const RecordPlace& place, SegmentLog::Kind kind, std::string_view header) {
        shown_.push_back(std::string(header));
        if (kind == SegmentLog::Kind::kTombstone || header != "h1") return;
        const absl::StatusOr<SegmentLog::Record> record = log_->Read(place);
        ASSERT_TRUE(record.ok()) << record.status();
        copy = Append(record->header, record->body);
        log_->Release(place);
      });
  ASSERT_TRUE(visited.ok()) << visited;
  EXPECT_THAT(shown_, ElementsAre("h0", "h1", "h2", "h9", "h8"));
  ASSERT_TRUE(log_->Sync().ok());
  ASSERT_TRUE(log_->Drop(segment).ok());
  EXPECT_EQ(Read(copy), "b1");
  EXPECT_EQ(log_->needed_bytes(), 28);
  Open(16 + 4 * 28);
  EXPECT_THAT(shown_, ElementsAre("h1"));
  EXPECT_EQ(places_[0], copy);
}

TEST_F(SegmentLogTest, VisitReadsTheSegmentWhereItHasNoIndexAndSaysWhenRecordsAreMissing) {
  Open(16 + 2 * 28);
  const RecordPlace first = Append("h0", "b0");
  log_->Release(Append("h1", "b1"));
  EXPECT_EQ(log_->NextToCopy(0.1), first.segment);
  EXPECT_TRUE(log_->Visit(1, Show()).ok());
  EXPECT_THAT(shown_, ElementsAre("h0", "h1"));
  std::string content = Content(kFirst);
  content[16 + 28] ^= 1;
  WriteTestFile(File(kFirst), content);
  const absl::Status status = log_->Visit(1, Show());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ErrorReason(status), "SEGMENT_DAMAGED");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("28 bytes"), HasSubstr("had 56")));
  EXPECT_THAT(shown_, ElementsAre("h0", "h1", "h0"));
  EXPECT_EQ(log_->NextToCopy(0.1), 0) << "it would be tried again for ever";
  // What was missing already when it was opened is not expected again.
  Open(16 + 2 * 28);
  EXPECT_TRUE(log_->Visit(1, Show()).ok());
}

TEST_F(SegmentLogTest, AFullDiskLeavesTheLogAsItWas) {
  Open();
  const RecordPlace first = Append("h0", "b0");
  for (const rlim_t room : {44, 45, 60, 68, 70, 71}) {
    SCOPED_TRACE(room);
    {
      const FullDisk full(room);
      const absl::Status status = log_->Append("h1", "b1").status();
      EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
      EXPECT_EQ(ErrorReason(status), "DISK_FULL");
      EXPECT_EQ(ErrorReason(log_->AppendTombstone("some header")), "DISK_FULL");
      EXPECT_EQ(Read(first), "b0");
    }
    EXPECT_EQ(std::filesystem::file_size(File(kFirst)), 44);
    EXPECT_EQ(log_->file_bytes(), 44);
    EXPECT_EQ(log_->needed_bytes(), 28);
  }
  EXPECT_EQ(Append("h2", "b2").offset, 44);
  Open();
  EXPECT_THAT(shown_, ElementsAre("h0", "h2"));
}

TEST_F(SegmentLogTest, AFullDiskLeavesNoHalfOfANewSegment) {
  Open();
  for (const rlim_t room : {0, 1, 15, 16, 20, 43}) {
    const FullDisk full(room);
    EXPECT_EQ(ErrorReason(log_->Append("h0", "b0").status()), "DISK_FULL");
    EXPECT_EQ(std::filesystem::file_size(File(kFirst)), 0);
  }
  // A start finds nothing wrong with it.
  Open();
  EXPECT_THAT(log_->damage(), IsEmpty());
  EXPECT_EQ(Append("h0", "b0").segment, 1);
  Open();
  EXPECT_THAT(shown_, ElementsAre("h0"));
}

TEST_F(SegmentLogTest, WithoutRoomForAnIndexTheNextStartWritesIt) {
  Open(100);
  {
    // An index has four bytes more than a segment of records without bodies.
    const FullDisk full(16 + 124);
    Append(std::string(100, 'h'), "");
    log_->IndexSealed();
  }
  EXPECT_THAT(NamesIn(path_), ElementsAre(kFirst));
  EXPECT_EQ(Append("h1", "").segment, 2);
  Open(100);
  EXPECT_EQ(shown_.size(), 2);
  EXPECT_THAT(NamesIn(path_), UnorderedElementsAre(kFirst, kFirstIndex, kSecond));
}

// Devices stand for disks that fail in ways which files do not.
TEST_F(SegmentLogTest, ASegmentThatCannotBeCutBackIsLeftForANewOne) {
  Open();
  std::filesystem::create_symlink("/dev/full", File(kFirst));
  Open();
  EXPECT_EQ(ErrorReason(log_->Append("h0", "b0").status()), "DISK_FULL");
  const RecordPlace place = Append("h1", "b1");
  EXPECT_EQ(place, (RecordPlace{.segment = 2, .offset = 16, .bytes = 28}));
  EXPECT_EQ(Read(place), "b1");
  EXPECT_TRUE(log_->Sync().ok());
  // There is nothing in it that is needed.
  EXPECT_EQ(log_->NextToCopy(1), 1);
  EXPECT_TRUE(log_->Drop(1).ok());
  EXPECT_THAT(NamesIn(path_), ElementsAre(kSecond));
}

TEST_F(SegmentLogTest, ASegmentThatCannotBeSyncedFailsEverySyncUntilItIsDropped) {
  Open();
  std::filesystem::create_symlink("/dev/null", File(kFirst));
  Open();
  EXPECT_EQ(Append("h0", "b0").segment, 1);
  const absl::Status first = log_->Sync();
  EXPECT_THAT(std::string(first.message()), AllOf(HasSubstr("cannot sync"), HasSubstr(kFirst)));
  // What comes later is kept apart from it.
  EXPECT_EQ(Append("h1", "b1").segment, 2);
  EXPECT_EQ(log_->Sync(), first);
  EXPECT_EQ(log_->NextToCopy(1), 1) << "its records want another place";
  EXPECT_TRUE(log_->Drop(1).ok());
  EXPECT_TRUE(log_->Sync().ok());
  Open();
  EXPECT_THAT(shown_, ElementsAre("h1"));
}

TEST_F(SegmentLogTest, ASealedSegmentIsSyncedLikeTheLastOne) {
  for (const bool sealed : {true, false}) {
    Open(sealed ? 1 : kLarge);
    Append("h", "b");
    const FailingSyncs failing;
    EXPECT_THAT(std::string(log_->Sync().message()), HasSubstr("cannot sync"));
  }
}

TEST_F(SegmentLogTest, ASealedSegmentThatCannotBeSyncedGetsNoIndexAndIsToBeCopied) {
  Open(1);
  Append("h0", "b0");
  Append("h1", "b1");
  {
    const FailingSyncs failing;
    log_->IndexSealed();
  }
  EXPECT_THAT(std::string(log_->Sync().message()), AllOf(HasSubstr("sync"), HasSubstr(kFirst)));
  EXPECT_EQ(log_->NextToCopy(1), 1);
  log_->IndexSealed();
  EXPECT_THAT(NamesIn(path_), UnorderedElementsAre(kFirst, kSecond, kSecondIndex));
  EXPECT_TRUE(log_->Drop(1).ok());
  EXPECT_TRUE(log_->Sync().ok());
}

TEST_F(SegmentLogTest, WhatWasDroppedStaysUntilItsCopiesAreSynced) {
  Open(1);
  log_->Release(Append("h0", "b0"));
  Append("h1", "b1");
  Open();
  log_->Release(places_[0]);
  Append("h2", "b2");  // a copy, say
  ASSERT_EQ(log_->NextToCopy(1), 1);
  {
    const FailingSyncs failing;
    EXPECT_THAT(std::string(log_->Drop(1).message()), HasSubstr("cannot sync"));
  }
  EXPECT_EQ(log_->NextToCopy(1), 3) << "the copy wants another place";
  EXPECT_FALSE(*log_->RemoveDropped());
  Append("h2", "b2");
  EXPECT_THAT(NamesIn(path_), AllOf(Contains(kFirst), Contains("0000000003.segment")));
  EXPECT_TRUE(log_->Drop(3).ok());
  EXPECT_THAT(NamesIn(path_), UnorderedElementsAre(kSecond, kSecondIndex, "0000000004.segment"));
  EXPECT_FALSE(*log_->RemoveDropped());
  Open();
  EXPECT_THAT(shown_, ElementsAre("h1", "h2"));
}

TEST_F(SegmentLogTest, WhatWasDroppedButCouldNotBeRemovedGoesLater) {
  Open(1);
  log_->Release(Append("h0", "b0"));
  log_->Release(Append("h1", "b1"));
  log_->IndexSealed();
  std::filesystem::remove(File(kFirstIndex));
  std::filesystem::create_directories(File(kFirstIndex) / "in the way");
  EXPECT_FALSE(log_->Drop(1).ok());
  EXPECT_EQ(log_->NextToCopy(1), 0) << "a copy of the second would have to wait, too";
  std::filesystem::remove(File(kFirstIndex) / "in the way");
  EXPECT_TRUE(*log_->RemoveDropped());
  EXPECT_FALSE(*log_->RemoveDropped());
  EXPECT_THAT(NamesIn(path_), UnorderedElementsAre(kSecond, kSecondIndex));
  EXPECT_EQ(log_->NextToCopy(1), 2);
}

TEST_F(SegmentLogTest, ThreadsAppendReadSyncAndDropAtOnce) {
  Open(1000);
  constexpr int kRecords = 300;
  const auto work = [&](const std::string& name) {
    std::vector<std::pair<RecordPlace, std::string>> kept;
    for (int i = 0; i < kRecords; ++i) {
      const std::string body = absl::StrCat("body ", name, i);
      const absl::StatusOr<RecordPlace> place = log_->Append(absl::StrCat(name, i), body);
      ASSERT_TRUE(place.ok()) << place.status();
      EXPECT_EQ(log_->Read(*place)->body, body);
      if (i % 10 == 0) {
        kept.emplace_back(*place, body);
      } else {
        log_->Release(*place);
      }
      if (i % 50 == 0) {
        EXPECT_TRUE(log_->Sync().ok());
      }
    }
    for (const auto& [place, body] : kept) EXPECT_EQ(log_->Read(place)->body, body);
  };
  std::thread one(work, "one");
  std::thread two(work, "two");
  // Drops what has no record that is kept; there may be none yet.
  for (int i = 0; i < 200; ++i) {
    if (const uint32_t segment = log_->NextToCopy(1); segment != 0) {
      EXPECT_TRUE(log_->Drop(segment).ok());
    }
  }
  one.join();
  two.join();
  const int64_t needed = log_->needed_bytes();
  Open(1000);
  EXPECT_THAT(log_->damage(), IsEmpty());
  int kept = 0;
  for (size_t i = 0; i < shown_.size(); ++i) {
    EXPECT_EQ(Read(places_[i]), absl::StrCat("body ", shown_[i]));
    if (shown_[i].ends_with("0")) {
      ++kept;
    } else {
      log_->Release(places_[i]);
    }
  }
  EXPECT_EQ(kept, 2 * kRecords / 10);
  EXPECT_EQ(log_->needed_bytes(), needed);
}

}  // namespace
}  // namespace derin::server
