#include "server/storage/segment_copy.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <system_error>

#include "absl/strings/str_format.h"
#include "model/checkpoint/durable_file.h"
#include "server/status/error.h"
#include "server/storage/crc32.h"
#include "server/storage/file_copy.h"
#include "server/storage/segment_file.h"
#include "server/storage/segment_format.h"
#include "server/storage/segment_name.h"

namespace derin::server {
namespace {

// Why a copy that nobody locks out is a whole one. A log only grows at its end, and a segment is
// dropped only after what is needed of it was appended again, behind everything else. So:
//
// - Segments but the last one of a listing are complete: the next one is made after their last
//   append. With all of them as they are and the last one up to any of its records, the copy is all
//   that was appended up to some moment, in order: what a start finds when the process dies.
// - A segment that was dropped between the listing and its turn may have been moved into one that
//   was copied before it had grown. Then all is done again. One that is dropped after it was copied
//   is only more than is needed: its records are older than their copies, and the tombstones of
//   sessions in it stand in segments that are in the listing, or they would be missed.
// - A listing is of no one moment, but two that are equal are: a segment that the second shows was
//   there before the first one ended, and one made before that would be in both.
constexpr int kMostAttempts = 20;

// Numbers of the segments, ascending.
absl::StatusOr<std::set<uint32_t>> SteadyList(const std::filesystem::path& folder) {
  absl::StatusOr<SegmentNumbers> before = ListSegments(folder);
  for (int attempt = 0; attempt < kMostAttempts && before.ok(); ++attempt) {
    absl::StatusOr<SegmentNumbers> now = ListSegments(folder);
    if (!now.ok()) return now.status();
    if (now->segments == before->segments) return std::move(now->segments);
    before = std::move(now);
  }
  if (!before.ok()) return before.status();
  return absl::NotFoundError("its segments change with every look");
}

// Whether the record is all there. The header was checked by who found it.
bool HasItsBody(const SegmentFile& file, const RecordPlace& place) {
  const absl::StatusOr<std::string> record = file.ReadAt(place.offset, place.bytes);
  if (!record.ok()) return false;
  const std::optional<RecordFrame> frame = DecodeFrame(*record);
  return frame && frame->record_bytes() == record->size() &&
         Crc32(std::string_view(*record).substr(kFrameBytes + frame->header_bytes)) ==
             frame->body_crc;
}

// Cuts off what was being written, or taken back, when it was read. Damage further in front stays
// for the server that reads it, as it would have found it.
absl::Status CutToWholeRecords(const std::filesystem::path& path) {
  const absl::StatusOr<std::shared_ptr<SegmentFile>> file = SegmentFile::Open(path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  std::optional<RecordPlace> last;
  const SegmentContents contents = (*file)->Scan(
      1, *size, [&last](const RecordPlace& place, RecordKind, std::string_view) { last = place; });
  if (!contents.damage.empty()) return absl::OkStatus();
  uint64_t end = contents.end;
  if (last && !HasItsBody(**file, *last)) end = last->offset;
  if (end == *size) return absl::OkStatus();
  if (absl::Status cut = (*file)->Truncate(end); !cut.ok()) return cut;
  return (*file)->Sync();
}

// NOT_FOUND when it was dropped.
absl::Status CopySegment(const std::filesystem::path& from, const std::filesystem::path& to,
                         uint32_t number, bool last) {
  const std::string segment = SegmentName(number, kSegmentEnding);
  const std::string index = SegmentName(number, kIndexEnding);
  // Its index is written once no byte of the segment changes any more.
  const absl::StatusOr<std::string> indexed = ReadWholeFile(from / index);
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(from / segment, error);
  if (error == std::errc::no_such_file_or_directory) return absl::NotFoundError(segment);
  const std::optional<uint32_t> bytes = indexed.ok() ? IndexedBytes(*indexed) : std::nullopt;
  if (!error && bytes && *bytes == size) {
    const absl::Status linked = LinkOrCopy(from / segment, to / segment).status();
    return linked.ok() ? WriteDurably(to / index, *indexed) : linked;
  }
  const absl::Status copied = CopyFileTo(from / segment, to / segment).status();
  return copied.ok() && last ? CutToWholeRecords(to / segment) : copied;
}

absl::Status CopyOnce(const std::filesystem::path& from, const std::filesystem::path& to,
                      const std::function<void(std::string_view)>& before) {
  const absl::StatusOr<std::set<uint32_t>> segments = SteadyList(from);
  if (!segments.ok()) return segments.status();
  for (const uint32_t number : *segments) {
    before(SegmentName(number, kSegmentEnding));
    const absl::Status copied = CopySegment(from, to, number, number == *segments->rbegin());
    if (!copied.ok()) return copied;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CopySegmentLog(const std::filesystem::path& from, const std::filesystem::path& to,
                            const std::function<void(std::string_view)>& before) {
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    const absl::Status copied = CopyOnce(from, to, before);
    if (!absl::IsNotFound(copied)) return copied;
    for (const auto& entry : std::filesystem::directory_iterator(to)) {
      std::filesystem::remove(entry.path());
    }
  }
  return Refusal(absl::StatusCode::kAborted, "BACKUP_OVERTAKEN",
                 absl::StrFormat("the segments in %s went faster than they could be copied, %d "
                                 "times in a row; try again when there is less to do",
                                 Quoted(from.native()), kMostAttempts));
}

}  // namespace derin::server
