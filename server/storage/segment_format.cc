#include "server/storage/segment_format.h"

#include <bit>
#include <cstring>

#include "model/check.h"
#include "server/storage/crc32.h"

namespace derin::server {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::string_view kSegmentMagic = "drin.seg";
constexpr std::string_view kIndexMagic = "drin.idx";
constexpr uint32_t kIndexVersion = 1;
constexpr size_t kIndexStartBytes = 16;

void AppendInteger(uint32_t value, std::string& bytes) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes.append(raw, sizeof value);
}

// `offset` + 4 is at most the size.
uint32_t IntegerAt(std::string_view bytes, size_t offset) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// Appends the checksum of all bytes so far.
void Seal(std::string& bytes) { AppendInteger(Crc32(bytes), bytes); }

// Whether `bytes` end with the checksum of those before.
bool Sealed(std::string_view bytes) {
  if (bytes.size() < sizeof(uint32_t)) return false;
  const size_t covered = bytes.size() - sizeof(uint32_t);
  return Crc32(bytes.substr(0, covered)) == IntegerAt(bytes, covered);
}

// Of an index that is long enough to have some.
std::string_view EntriesOf(std::string_view index) {
  return index.substr(kIndexStartBytes, index.size() - kIndexStartBytes - sizeof(uint32_t));
}

// Calls `show(frame, header, offset)` for each of an index's entries. Where the last record ends;
// nullopt when an entry is no frame and header.
template <typename Show>
std::optional<uint64_t> WalkEntries(std::string_view entries, Show show) {
  uint64_t offset = kSegmentStartBytes;
  while (!entries.empty()) {
    const std::optional<RecordFrame> frame = DecodeFrame(entries);
    if (!frame || entries.size() - kFrameBytes < frame->header_bytes) return std::nullopt;
    show(*frame, entries.substr(kFrameBytes, frame->header_bytes), offset);
    entries.remove_prefix(kFrameBytes + frame->header_bytes);
    offset += frame->record_bytes();
  }
  return offset;
}

}  // namespace

std::string SegmentStart() {
  std::string start(kSegmentMagic);
  AppendInteger(kSegmentVersion, start);
  Seal(start);
  return start;
}

std::optional<uint32_t> VersionOf(std::string_view start) {
  if (start.size() != kSegmentStartBytes || !start.starts_with(kSegmentMagic) || !Sealed(start)) {
    return std::nullopt;
  }
  return IntegerAt(start, kSegmentMagic.size());
}

std::string EncodeRecord(RecordKind kind, std::string_view header, std::string_view body) {
  DERIN_CHECK(header.size() <= kLongestHeader && body.size() <= kLongestBody);
  std::string record;
  record.reserve(kFrameBytes + header.size() + body.size());
  AppendInteger(static_cast<uint32_t>(kind), record);
  AppendInteger(static_cast<uint32_t>(header.size()), record);
  AppendInteger(static_cast<uint32_t>(body.size()), record);
  AppendInteger(Crc32(header), record);
  AppendInteger(Crc32(body), record);
  Seal(record);
  record.append(header);
  record.append(body);
  return record;
}

std::optional<RecordFrame> DecodeFrame(std::string_view record) {
  if (record.size() < kFrameBytes || !Sealed(record.substr(0, kFrameBytes))) return std::nullopt;
  const uint32_t kind = IntegerAt(record, 0);
  const RecordFrame frame = {.kind = static_cast<RecordKind>(kind),
                             .header_bytes = IntegerAt(record, 4),
                             .body_bytes = IntegerAt(record, 8),
                             .header_crc = IntegerAt(record, 12),
                             .body_crc = IntegerAt(record, 16)};
  const bool known = kind == static_cast<uint32_t>(RecordKind::kRecord) ||
                     (kind == static_cast<uint32_t>(RecordKind::kTombstone) && !frame.body_bytes);
  if (!known || frame.header_bytes > kLongestHeader || frame.body_bytes > kLongestBody) {
    return std::nullopt;
  }
  return frame;
}

std::string EncodeIndex(uint32_t segment_bytes, std::string_view entries) {
  std::string index(kIndexMagic);
  index.reserve(kIndexStartBytes + entries.size() + sizeof(uint32_t));
  AppendInteger(kIndexVersion, index);
  AppendInteger(segment_bytes, index);
  index.append(entries);
  Seal(index);
  return index;
}

std::optional<uint32_t> IndexedBytes(std::string_view index) {
  if (index.size() < kIndexStartBytes + sizeof(uint32_t) || !index.starts_with(kIndexMagic) ||
      !Sealed(index) || IntegerAt(index, kIndexMagic.size()) != kIndexVersion) {
    return std::nullopt;
  }
  const uint32_t bytes = IntegerAt(index, kIndexMagic.size() + sizeof(uint32_t));
  const auto nothing = [](const RecordFrame&, std::string_view, uint64_t) {};
  if (WalkEntries(EntriesOf(index), nothing) != bytes) return std::nullopt;
  return bytes;
}

void VisitIndex(std::string_view index, uint32_t segment, const RecordVisitor& visit) {
  const auto show = [&](const RecordFrame& frame, std::string_view header, uint64_t offset) {
    visit({.segment = segment,
           .offset = static_cast<uint32_t>(offset),
           .bytes = static_cast<uint32_t>(frame.record_bytes())},
          frame.kind, header);
  };
  WalkEntries(EntriesOf(index), show);
}

}  // namespace derin::server
