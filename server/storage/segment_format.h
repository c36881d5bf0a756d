#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace derin::server {

// The bytes of a SegmentLog's files; FORMAT.md beside this file says what they are.

enum class RecordKind : uint8_t {
  kRecord = 0,
  kTombstone = 1,  // has no body; says what older records no longer mean
};

// Where a record is in a SegmentLog.
struct RecordPlace {
  uint32_t segment = 0;  // from 1
  uint32_t offset = 0;
  uint32_t bytes = 0;  // of the whole record, frame included
  bool operator==(const RecordPlace&) const = default;
};

// `header` lasts as long as the call.
using RecordVisitor =
    std::function<void(const RecordPlace& place, RecordKind kind, std::string_view header)>;

inline constexpr uint32_t kSegmentVersion = 1;
inline constexpr size_t kSegmentStartBytes = 16;
inline constexpr size_t kFrameBytes = 24;
// So that no damaged length makes a reader allocate everything.
inline constexpr size_t kLongestHeader = size_t{64} << 10;
inline constexpr size_t kLongestBody = size_t{32} << 20;
inline constexpr uint64_t kLongestSegment = 0xFFFFFFFF;  // offsets have 32 bits

// What stands in front of a record's header and body.
struct RecordFrame {
  RecordKind kind = RecordKind::kRecord;
  uint32_t header_bytes = 0;
  uint32_t body_bytes = 0;
  uint32_t header_crc = 0;
  uint32_t body_crc = 0;

  size_t record_bytes() const { return kFrameBytes + header_bytes + body_bytes; }
};

// The first bytes of a segment.
std::string SegmentStart();
// The version that a segment with these first bytes has; nullopt when they are damaged.
std::optional<uint32_t> VersionOf(std::string_view start);

// Neither part is longer than it may be.
std::string EncodeRecord(RecordKind kind, std::string_view header, std::string_view body);
// Of the first bytes of a record; nullopt when they are damaged or too few.
std::optional<RecordFrame> DecodeFrame(std::string_view record);

// The index of a segment of `segment_bytes` bytes; `entries` are the frames and headers of all its
// records, one after the other.
std::string EncodeIndex(uint32_t segment_bytes, std::string_view entries);
// The bytes of the segment that an index speaks of; nullopt when the index is damaged or of another
// version.
std::optional<uint32_t> IndexedBytes(std::string_view index);
// Shows `visit` the records of an index that has IndexedBytes and is that of `segment`.
void VisitIndex(std::string_view index, uint32_t segment, const RecordVisitor& visit);

}  // namespace derin::server
