#include "server/storage/segment_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "server/status/error.h"
#include "tests/server/storage/full_disk.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SegmentFileTest : public ::testing::Test {
 protected:
  // The file with this content, open.
  std::shared_ptr<SegmentFile> With(std::string_view content) {
    WriteTestFile(path_, content);
    absl::StatusOr<std::shared_ptr<SegmentFile>> file = SegmentFile::Open(path_);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }

  // The headers that a scan of a file with this content shows.
  std::vector<std::string> Scan(std::string_view content) {
    headers_.clear();
    contents_ = With(content)->Scan(
        1, content.size(), [&](const RecordPlace& place, RecordKind, std::string_view header) {
          EXPECT_EQ(place.segment, 1);
          headers_.push_back(std::to_string(place.offset) + " " + std::string(header));
        });
    return headers_;
  }

  const TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "segment";
  std::vector<std::string> headers_;
  SegmentContents contents_;
};

std::string Record(std::string_view header, std::string_view body) {
  return EncodeRecord(RecordKind::kRecord, header, body);
}

TEST_F(SegmentFileTest, IsMadeOnceAndForItsOwnerOnly) {
  ASSERT_TRUE(SegmentFile::Create(path_).ok());
  EXPECT_EQ(std::filesystem::status(path_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_THAT(std::string(SegmentFile::Create(path_).status().message()), HasSubstr("File exists"));
}

TEST_F(SegmentFileTest, ThatIsNotThereIsAnErrorWithTheSystemsWords) {
  const absl::Status status = SegmentFile::Open(path_).status();
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(path_.native()), HasSubstr("No such file or directory")));
}

TEST_F(SegmentFileTest, GivesBackWhatWasWrittenAsFarAsItGoes) {
  const std::shared_ptr<SegmentFile> file = With("0123456789");
  EXPECT_TRUE(file->WriteAt(8, "abcd").ok());
  EXPECT_TRUE(file->WriteAt(3, "").ok());
  EXPECT_EQ(*file->Size(), 12);
  EXPECT_EQ(*file->ReadAt(6, 4), "67ab");
  EXPECT_EQ(*file->ReadAt(10, 100), "cd");
  EXPECT_EQ(*file->ReadAt(12, 1), "");
  EXPECT_TRUE(file->Truncate(7).ok());
  EXPECT_EQ(*file->ReadAt(0, 100), "0123456");
  EXPECT_TRUE(file->Sync().ok());
}

TEST_F(SegmentFileTest, CanBeReadAfterItWasRemoved) {
  const std::shared_ptr<SegmentFile> file = With("text");
  std::filesystem::remove(path_);
  EXPECT_EQ(*file->ReadAt(0, 4), "text");
}

TEST_F(SegmentFileTest, SaysThatTheDiskIsFull) {
  const std::shared_ptr<SegmentFile> file = With("");
  const FullDisk full(10);
  const absl::Status status = file->WriteAt(0, "twelve bytes");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "DISK_FULL");
  EXPECT_EQ(*file->ReadAt(0, 100), "twelve byt");
}

TEST_F(SegmentFileTest, SaysWhatADeviceCannotDo) {
  const auto file = SegmentFile::Open("/dev/full");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(ErrorReason((*file)->WriteAt(0, "x")), "DISK_FULL");
  EXPECT_THAT(std::string((*file)->Truncate(0).message()), HasSubstr("cut \"/dev/full\""));
  EXPECT_THAT(std::string((*file)->Sync().message()), HasSubstr("sync \"/dev/full\""));
}

TEST_F(SegmentFileTest, ShowsRecordsOfAllSizes) {
  // Around the bytes that a scan reads at once, and past them.
  std::string content = SegmentStart();
  std::vector<std::string> wanted;
  for (const size_t body : {size_t{0}, size_t{1}, size_t{1} << 17, (size_t{1} << 18) - 50,
                            size_t{1} << 20, size_t{3}}) {
    const std::string header(body == 3 ? kLongestHeader : body % 7, 'h');
    wanted.push_back(std::to_string(content.size()) + " " + header);
    content += Record(header, std::string(body, 'b'));
  }
  EXPECT_EQ(Scan(content), wanted);
  EXPECT_EQ(contents_.end, content.size());
  EXPECT_EQ(contents_.torn, 0);
  EXPECT_THAT(contents_.damage, IsEmpty());
}

TEST_F(SegmentFileTest, GivesTheEntriesOfAnIndex) {
  const std::string one = Record("one", "body");
  const std::string two = Record("two", "");
  EXPECT_THAT(Scan(SegmentStart() + one + two), ElementsAre("16 one", "47 two"));
  EXPECT_EQ(contents_.entries, one.substr(0, kFrameBytes + 3) + two);
}

TEST_F(SegmentFileTest, ARecordThatGoesPastTheEndIsTorn) {
  const std::string whole = SegmentStart() + Record("one", "body");
  const std::string torn = Record("two", "body");
  for (size_t bytes = 1; bytes < torn.size(); ++bytes) {
    EXPECT_THAT(Scan(whole + torn.substr(0, bytes)), ElementsAre("16 one")) << bytes;
    EXPECT_EQ(contents_.end, whole.size());
    EXPECT_EQ(contents_.torn, bytes);
    EXPECT_THAT(contents_.damage, IsEmpty()) << bytes;
  }
}

TEST_F(SegmentFileTest, ADamagedFrameEndsTheReading) {
  std::string content = SegmentStart() + Record("one", "") + Record("two", "") + Record("six", "");
  content[16 + 27 + 4] ^= 1;
  EXPECT_THAT(Scan(content), ElementsAre("16 one"));
  EXPECT_EQ(contents_.end, 43);
  EXPECT_EQ(contents_.torn, 0);
  EXPECT_THAT(contents_.damage,
              ElementsAre("segment: the record at byte 43 has a damaged frame; the 54 bytes from "
                          "there on are lost"));
}

TEST_F(SegmentFileTest, ADamagedHeaderCostsItsRecord) {
  std::string content =
      SegmentStart() + Record("one", "") + Record("two", "12") + Record("six", "");
  content[16 + 27 + 25] ^= 1;
  EXPECT_THAT(Scan(content), ElementsAre("16 one", "72 six"));
  EXPECT_EQ(contents_.end, content.size());
  EXPECT_THAT(
      contents_.damage,
      ElementsAre("segment: the record at byte 43 has a damaged header; its 29 bytes are lost"));
}

TEST_F(SegmentFileTest, WhatCannotBeReadIsDamage) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);  // has no place to read at
  const auto file = SegmentFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  const SegmentContents contents =
      (*file)->Scan(1, 100, [](const RecordPlace&, RecordKind, std::string_view) { FAIL(); });
  EXPECT_THAT(contents.damage,
              ElementsAre(AllOf(HasSubstr("Illegal seek"), HasSubstr("the 84 bytes"))));
}

}  // namespace
}  // namespace derin::server
