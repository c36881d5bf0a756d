#include "server/storage/segment_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "server/storage/crc32.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;

std::string Bytes(const char* hex) { return absl::HexStringToBytes(hex); }

// As Python's struct and zlib.crc32 make them from what FORMAT.md says.
const char kStart[] = "6472696e2e73656701000000a5e777b5";
const char kRecord[] = "000000000300000007000000a9ab908aa930c5febc4c9bbc6b6579636f6e74656e74";
const char kTombstone[] = "010000000300000000000000a9ab908a000000007ad1e4556b6579";
const char kIndex[] =
    "6472696e2e6964780100000032000000000000000300000007000000a9ab908aa930c5febc4c9bbc6b657945be1e9"
    "5";

TEST(SegmentFormat, BytesAreAsDescribed) {
  EXPECT_EQ(SegmentStart(), Bytes(kStart));
  EXPECT_EQ(EncodeRecord(RecordKind::kRecord, "key", "content"), Bytes(kRecord));
  EXPECT_EQ(EncodeRecord(RecordKind::kTombstone, "key", ""), Bytes(kTombstone));
  EXPECT_EQ(EncodeIndex(50, Bytes(kRecord).substr(0, kFrameBytes + 3)), Bytes(kIndex));
}

TEST(SegmentFormat, ASegmentsStartGivesItsVersionUnlessItIsDamaged) {
  const std::string start = SegmentStart();
  EXPECT_EQ(VersionOf(start), kSegmentVersion);
  for (size_t bit = 0; bit < 8 * start.size(); ++bit) {
    std::string damaged = start;
    damaged[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_EQ(VersionOf(damaged), std::nullopt) << bit;
  }
  EXPECT_EQ(VersionOf(start.substr(0, 15)), std::nullopt);
  EXPECT_EQ(VersionOf(""), std::nullopt);
}

TEST(SegmentFormat, AFrameComesBack) {
  const std::string record = EncodeRecord(RecordKind::kRecord, "key", "content");
  ASSERT_TRUE(DecodeFrame(record));
  const RecordFrame frame = DecodeFrame(record).value();
  EXPECT_EQ(frame.kind, RecordKind::kRecord);
  EXPECT_EQ(frame.header_bytes, 3);
  EXPECT_EQ(frame.body_bytes, 7);
  EXPECT_EQ(frame.header_crc, Crc32("key"));
  EXPECT_EQ(frame.body_crc, Crc32("content"));
  EXPECT_EQ(frame.record_bytes(), record.size());
  EXPECT_EQ(DecodeFrame(Bytes(kTombstone)).value().kind, RecordKind::kTombstone);
}

TEST(SegmentFormat, EveryDamageToAFrameIsSeen) {
  const std::string frame = Bytes(kRecord).substr(0, kFrameBytes);
  ASSERT_TRUE(DecodeFrame(frame));
  for (size_t bit = 0; bit < 8 * kFrameBytes; ++bit) {
    std::string damaged = frame;
    damaged[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_FALSE(DecodeFrame(damaged)) << bit;
  }
  EXPECT_FALSE(DecodeFrame(frame.substr(0, kFrameBytes - 1)));
  EXPECT_FALSE(DecodeFrame(std::string(kFrameBytes, '\0')));
}

// A frame of these numbers whose checksum is right.
std::string Frame(const std::vector<uint32_t>& numbers) {
  std::string frame;
  for (const uint32_t number : numbers) {
    for (int byte = 0; byte < 4; ++byte) frame += static_cast<char>(number >> 8 * byte);
  }
  const uint32_t crc = Crc32(frame);
  for (int byte = 0; byte < 4; ++byte) frame += static_cast<char>(crc >> 8 * byte);
  return frame;
}

TEST(SegmentFormat, NoFrameSpeaksOfMoreThanARecordMayHave) {
  EXPECT_TRUE(DecodeFrame(Frame({0, kLongestHeader, kLongestBody, 0, 0})));
  EXPECT_FALSE(DecodeFrame(Frame({0, kLongestHeader + 1, 0, 0, 0})));
  EXPECT_FALSE(DecodeFrame(Frame({0, 0, kLongestBody + 1, 0, 0})));
  EXPECT_FALSE(DecodeFrame(Frame({2, 0, 0, 0, 0})));
  EXPECT_TRUE(DecodeFrame(Frame({1, 3, 0, 0, 0})));
  EXPECT_FALSE(DecodeFrame(Frame({1, 3, 1, 0, 0})));
}

// What an index shows: `place.offset`+`place.bytes` and header of each record, and its end.
std::vector<std::string> Shown(std::string_view index) {
  const std::optional<uint32_t> bytes = IndexedBytes(index);
  if (!bytes) return {"refused"};
  std::vector<std::string> shown;
  VisitIndex(index, 7, [&](const RecordPlace& place, RecordKind kind, std::string_view header) {
    EXPECT_EQ(place.segment, 7);
    shown.push_back(std::to_string(place.offset) + "+" + std::to_string(place.bytes) +
                    (kind == RecordKind::kTombstone ? " dead " : " ") + std::string(header));
  });
  shown.push_back(std::to_string(*bytes));
  return shown;
}

TEST(SegmentFormat, AnIndexShowsThePlacesOfItsRecords) {
  std::string entries = Bytes(kRecord).substr(0, kFrameBytes + 3);
  entries += Bytes(kTombstone);
  entries += EncodeRecord(RecordKind::kRecord, "", "");
  const std::string index = EncodeIndex(16 + 34 + 27 + 24, entries);
  EXPECT_THAT(Shown(index), ElementsAre("16+34 key", "50+27 dead key", "77+24 ", "101"));
  EXPECT_THAT(Shown(EncodeIndex(16, "")), ElementsAre("16"));
}

TEST(SegmentFormat, ADamagedIndexShowsNothing) {
  const std::string index = Bytes(kIndex);
  ASSERT_THAT(Shown(index), ElementsAre("16+34 key", "50"));
  for (size_t bit = 0; bit < 8 * index.size(); ++bit) {
    std::string damaged = index;
    damaged[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_THAT(Shown(damaged), ElementsAre("refused")) << bit;
  }
  for (size_t size = 0; size < index.size(); ++size) {
    EXPECT_THAT(Shown(index.substr(0, size)), ElementsAre("refused")) << size;
  }
}

TEST(SegmentFormat, AnIndexWhoseRecordsDoNotAddUpShowsNothing) {
  const std::string entry = Bytes(kRecord).substr(0, kFrameBytes + 3);
  EXPECT_THAT(Shown(EncodeIndex(50, entry)), ElementsAre("16+34 key", "50"));
  EXPECT_THAT(Shown(EncodeIndex(51, entry)), ElementsAre("refused"));
  EXPECT_THAT(Shown(EncodeIndex(50, entry.substr(0, 26))), ElementsAre("refused"));
}

}  // namespace
}  // namespace derin::server
