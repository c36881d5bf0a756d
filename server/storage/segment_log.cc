#include "server/storage/segment_log.h"

#include <algorithm>
#include <optional>
#include <system_error>

#include "absl/strings/str_format.h"
#include "model/check.h"
#include "model/checkpoint/durable_file.h"
#include "server/status/error.h"
#include "server/storage/crc32.h"
#include "server/storage/folder.h"
#include "server/storage/segment_name.h"

namespace derin::server {
namespace {

constexpr int64_t kMostSegmentBytes = int64_t{2} << 30;

// Removes what may be there.
absl::Status RemoveFile(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove(path, error);
  if (!error) return absl::OkStatus();
  return SystemError(error.value(), absl::StrFormat("remove %s", Quoted(path.native())));
}

}  // namespace

std::filesystem::path SegmentLog::SegmentPath(uint32_t segment) const {
  return folder_ / SegmentName(segment, kSegmentEnding);
}

std::filesystem::path SegmentLog::IndexPath(uint32_t segment) const {
  return folder_ / SegmentName(segment, kIndexEnding);
}

absl::StatusOr<std::unique_ptr<SegmentLog>> SegmentLog::Open(std::filesystem::path folder,
                                                             const SegmentLogOptions& options,
                                                             const Visitor& visit) {
  DERIN_CHECK(options.segment_bytes > 0 && options.segment_bytes <= kMostSegmentBytes);
  if (absl::Status made = MakeFolder(folder); !made.ok()) return made;
  std::unique_ptr<SegmentLog> log(new SegmentLog(std::move(folder), options));
  absl::MutexLock lock(&log->mutex_);
  if (absl::Status opened = log->OpenFiles(); !opened.ok()) return opened;
  for (const auto& [number, segment] : log->segments_) {
    if (absl::Status loaded = log->Load(number, visit); !loaded.ok()) return loaded;
  }
  return log;
}

SegmentLog::~SegmentLog() { IndexSealed(); }

absl::Status SegmentLog::OpenFiles() {
  const absl::StatusOr<SegmentNumbers> there = ListSegments(folder_);
  if (!there.ok()) return there.status();
  for (const uint32_t number : there->segments) {
    if (absl::Status opened = OpenFile(number); !opened.ok()) return opened;
  }
  if (!segments_.empty()) newest_ = segments_.rbegin()->first;
  // Or a later segment of that number would have it.
  for (const uint32_t number : there->indexes) {
    if (segments_.contains(number)) continue;
    if (absl::Status removed = RemoveFile(IndexPath(number)); !removed.ok()) return removed;
  }
  return absl::OkStatus();
}

absl::Status SegmentLog::OpenFile(uint32_t number) {
  absl::StatusOr<std::shared_ptr<SegmentFile>> file = SegmentFile::Open(SegmentPath(number));
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> bytes = (*file)->Size();
  if (!bytes.ok()) return bytes.status();
  Segment segment = {.file = *std::move(file), .bytes = *bytes, .ever_synced = true};
  if (segment.bytes >= kSegmentStartBytes) {
    const absl::StatusOr<std::string> start = segment.file->ReadAt(0, kSegmentStartBytes);
    const std::optional<uint32_t> version = start.ok() ? VersionOf(*start) : std::nullopt;
    if (version && *version != kSegmentVersion) {
      return Refusal(
          absl::StatusCode::kFailedPrecondition, "SEGMENT_TOO_NEW",
          absl::StrFormat("cannot read %s: a newer derind wrote it, in version %d of its "
                          "format, and this one knows version %d",
                          Quoted(segment.file->path().native()), *version, kSegmentVersion));
    }
    // Its records have checksums of their own and may be read all the same.
    segment.whole = version.has_value();
  }
  segments_[number] = std::move(segment);
  return absl::OkStatus();
}

absl::Status SegmentLog::Load(uint32_t number, const Visitor& visit) {
  Segment& segment = segments_.at(number);
  if (!segment.whole) {
    damage_.push_back(absl::StrFormat("%s: the first %d bytes are damaged",
                                      SegmentName(number, kSegmentEnding), kSegmentStartBytes));
  }
  const Visitor count = [&](const RecordPlace& place, Kind kind, std::string_view header) {
    Count(segment, place, kind);
    visit(place, kind, header);
  };
  const std::string index = ReadIndex(number);
  const std::optional<uint32_t> indexed = IndexedBytes(index);
  if (indexed && *indexed <= segment.bytes) {
    segment.synced = true;  // or it would have no index
    VisitIndex(index, number, count);
    return absl::OkStatus();
  }
  const bool newest = number == newest_;
  // All of it was there when its index was written.
  if (indexed || (segment.bytes < kSegmentStartBytes && !newest)) {
    segment.whole = false;
    damage_.push_back(absl::StrFormat(
        "%s: has %d bytes left and had %d%s", SegmentName(number, kSegmentEnding), segment.bytes,
        indexed.value_or(kSegmentStartBytes), indexed ? "" : " or more"));
  }
  return LoadWithoutIndex(number, segment, count);
}

absl::Status SegmentLog::LoadWithoutIndex(uint32_t number, Segment& segment, const Visitor& visit) {
  SegmentContents contents = segment.file->Scan(number, segment.bytes, visit);
  const bool newest = number == newest_;
  const bool was_written_to = newest && segment.whole && contents.damage.empty();
  if (contents.torn > 0 && !was_written_to) {
    contents.damage.push_back(
        absl::StrFormat("%s: the record at byte %d is cut off; its %d bytes are lost",
                        SegmentName(number, kSegmentEnding), contents.end, contents.torn));
  }
  damage_.insert(damage_.end(), contents.damage.begin(), contents.damage.end());
  segment.whole = segment.whole && contents.damage.empty();
  // An index would hide the damage from the next start.
  if (!segment.whole) return absl::OkStatus();
  if (absl::Status cut = Cut(segment, contents.end); !cut.ok()) return cut;
  if (newest && segment.bytes < segment_bytes_) return GoOnIn(number, std::move(contents.entries));
  segment.sync_failed = segment.file->Sync();
  if (segment.sync_failed.ok()) {
    segment.synced = true;
    StoreIndex(number, segment.bytes, contents.entries);
  }
  return absl::OkStatus();
}

absl::Status SegmentLog::Cut(Segment& segment, uint64_t bytes) {
  if (segment.bytes == bytes) return absl::OkStatus();
  if (absl::Status cut = segment.file->Truncate(bytes); !cut.ok()) return cut;
  segment.bytes = bytes;
  return absl::OkStatus();
}

absl::Status SegmentLog::GoOnIn(uint32_t number, std::string entries) {
  last_ = number;
  entries_ = std::move(entries);
  segments_.at(number).synced = segments_.at(number).bytes == 0;
  // One that cannot be used now could seem to be that of a later state.
  return RemoveFile(IndexPath(number));
}

void SegmentLog::Count(Segment& segment, const RecordPlace& place, Kind kind) {
  segment.shown += place.bytes;
  (kind == Kind::kTombstone ? segment.tombstones : segment.needed) += place.bytes;
}

absl::StatusOr<RecordPlace> SegmentLog::Append(std::string_view header, std::string_view body) {
  return Write(Kind::kRecord, header, body);
}

absl::Status SegmentLog::AppendTombstone(std::string_view header) {
  return Write(Kind::kTombstone, header, "").status();
}

absl::StatusOr<RecordPlace> SegmentLog::Write(Kind kind, std::string_view header,
                                              std::string_view body) {
  if (header.size() > kLongestHeader || body.size() > kLongestBody) {
    return Refusal(absl::StatusCode::kInvalidArgument, "RECORD_TOO_LONG",
                   absl::StrFormat("the record has a header of %d bytes and a body of %d, wanted "
                                   "%d and %d at most",
                                   header.size(), body.size(), kLongestHeader, kLongestBody));
  }
  const std::string record = EncodeRecord(kind, header, body);
  absl::MutexLock lock(&mutex_);
  if (absl::Status begun = BeginSegment(); !begun.ok()) return begun;
  Segment& segment = segments_.at(last_);
  absl::StatusOr<RecordPlace> place = WriteToLast(segment, record);
  if (place.ok()) {
    Count(segment, *place, kind);
    entries_.append(record, 0, kFrameBytes + header.size());
  }
  if (segment.bytes >= segment_bytes_ || !segment.whole) {
    sealed_entries_[std::exchange(last_, 0)] = std::exchange(entries_, {});
  }
  return place;
}

absl::Status SegmentLog::BeginSegment() {
  if (last_ != 0) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<SegmentFile>> file = SegmentFile::Create(SegmentPath(newest_ + 1));
  if (!file.ok()) return file.status();
  last_ = ++newest_;
  segments_[last_] = {.file = *std::move(file), .synced = true};
  folder_synced_ = false;
  return absl::OkStatus();
}

absl::StatusOr<RecordPlace> SegmentLog::WriteToLast(Segment& segment, std::string_view record) {
  // The start comes with the first record, so that a full disk leaves nothing.
  const std::string start = segment.bytes == 0 ? SegmentStart() : "";
  const uint64_t offset = segment.bytes + start.size();
  const absl::Status written = start.empty()
                                   ? segment.file->WriteAt(offset, record)
                                   : segment.file->WriteAt(0, start + std::string(record));
  if (!written.ok()) {
    segment.whole = segment.file->Truncate(segment.bytes).ok();
    return written;
  }
  segment.bytes = offset + record.size();
  segment.synced = false;
  return RecordPlace{.segment = last_,
                     .offset = static_cast<uint32_t>(offset),
                     .bytes = static_cast<uint32_t>(record.size())};
}

void SegmentLog::IndexSealed() {
  absl::Status written;
  while (written.ok()) {
    // Once for each, so that others may sync in between.
    absl::MutexLock syncing(&syncing_);
    std::pair<uint32_t, std::string> sealed;
    {
      absl::MutexLock lock(&mutex_);
      if (sealed_entries_.empty()) return;
      const auto first = sealed_entries_.begin();
      sealed = {first->first, std::move(first->second)};
      sealed_entries_.erase(first);
    }
    written = WriteIndex(sealed.first, sealed.second);
  }
}

absl::Status SegmentLog::WriteIndex(uint32_t number, std::string_view entries) {
  // Synced first: an index never speaks of what a loss of power can take.
  if (absl::Status synced = SyncSegment(number); !synced.ok()) return synced;
  uint64_t bytes = 0;
  {
    absl::MutexLock lock(&mutex_);
    const auto segment = segments_.find(number);
    if (segment == segments_.end() || segment->second.bytes == 0) return absl::OkStatus();
    bytes = segment->second.bytes;
  }
  StoreIndex(number, bytes, entries);
  return absl::OkStatus();
}

std::string SegmentLog::ReadIndex(uint32_t number) const {
  absl::StatusOr<std::string> index = ReadWholeFile(IndexPath(number));
  return index.ok() ? *std::move(index) : "";
}

void SegmentLog::StoreIndex(uint32_t number, uint64_t bytes, std::string_view entries) const {
  // Without one, the next start reads the segment itself and tries again.
  WriteDurably(IndexPath(number), EncodeIndex(static_cast<uint32_t>(bytes), entries)).IgnoreError();
}

absl::Status SegmentLog::SyncSegment(uint32_t number) {
  std::shared_ptr<SegmentFile> file;
  {
    absl::MutexLock lock(&mutex_);
    const auto segment = segments_.find(number);
    if (segment == segments_.end()) return absl::OkStatus();
    if (!segment->second.sync_failed.ok()) return segment->second.sync_failed;
    if (std::exchange(segment->second.synced, true)) return absl::OkStatus();
    file = segment->second.file;
  }
  absl::Status synced = file->Sync();
  absl::MutexLock lock(&mutex_);
  Segment& segment = segments_.at(number);  // still there: RemoveDropped waits for syncing_
  if (synced.ok()) {
    segment.ever_synced = true;
    return synced;
  }
  segment.sync_failed = synced;
  if (last_ == number) {
    last_ = 0;
    entries_.clear();
  }
  return synced;
}

absl::Status SegmentLog::Sync() {
  absl::MutexLock syncing(&syncing_);
  return SyncUndropped();
}

absl::Status SegmentLog::SyncUndropped() {
  std::vector<uint32_t> unsynced;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [number, segment] : segments_) {
      if (segment.dropped) continue;
      // To sync others, too, would only leave more of them that have to be copied.
      if (!segment.sync_failed.ok()) return segment.sync_failed;
      if (!segment.synced) unsynced.push_back(number);
    }
  }
  for (const uint32_t number : unsynced) {
    if (absl::Status synced = SyncSegment(number); !synced.ok()) return synced;
  }
  return SyncNames();
}

absl::Status SegmentLog::SyncNames() {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(folder_synced_, true)) return absl::OkStatus();
  }
  absl::Status synced = SyncFolder(folder_);
  if (!synced.ok()) {
    absl::MutexLock lock(&mutex_);
    folder_synced_ = false;
  }
  return synced;
}

absl::StatusOr<SegmentLog::Record> SegmentLog::Read(const RecordPlace& place) const {
  const auto damaged = [&](std::string_view what) {
    return Refusal(absl::StatusCode::kDataLoss, "RECORD_DAMAGED",
                   absl::StrFormat("the record at byte %d of %s %s", place.offset,
                                   Quoted(SegmentPath(place.segment).native()), what));
  };
  std::shared_ptr<SegmentFile> file;
  {
    absl::MutexLock lock(&mutex_);
    const auto segment = segments_.find(place.segment);
    if (segment == segments_.end()) return damaged("is gone with its segment");
    file = segment->second.file;
  }
  if (place.bytes > kFrameBytes + kLongestHeader + kLongestBody) return damaged("is too long");
  absl::StatusOr<std::string> bytes = file->ReadAt(place.offset, place.bytes);
  if (!bytes.ok()) return damaged(absl::StrFormat("is gone: %s", bytes.status().message()));
  if (bytes->size() < place.bytes) return damaged("is cut off");
  const std::optional<RecordFrame> frame = DecodeFrame(*bytes);
  if (!frame || frame->record_bytes() != bytes->size()) return damaged("has a damaged frame");
  Record record = {.header = bytes->substr(kFrameBytes, frame->header_bytes)};
  if (Crc32(record.header) != frame->header_crc) return damaged("has a damaged header");
  bytes->erase(0, kFrameBytes + frame->header_bytes);
  record.body = *std::move(bytes);
  if (Crc32(record.body) != frame->body_crc) return damaged("has a damaged body");
  return record;
}

void SegmentLog::Release(const RecordPlace& place) {
  absl::MutexLock lock(&mutex_);
  const auto segment = segments_.find(place.segment);
  if (segment == segments_.end()) return;
  DERIN_CHECK(segment->second.needed >= place.bytes);
  segment->second.needed -= place.bytes;
}

uint32_t SegmentLog::NextToCopy(double share) const {
  absl::MutexLock lock(&mutex_);
  uint32_t found = 0;
  int64_t most = -1;
  bool oldest = true;
  bool some_dropped = false;
  for (const auto& [number, segment] : segments_) {
    const int64_t kept = segment.needed + (std::exchange(oldest, false) ? 0 : segment.tombstones);
    const int64_t content =
        std::max<int64_t>(0, static_cast<int64_t>(segment.bytes) - kSegmentStartBytes);
    const int64_t garbage = content - kept;
    some_dropped = some_dropped || segment.dropped;
    if (number == last_ || segment.must_stay || segment.dropped) continue;
    if (!segment.sync_failed.ok()) return number;
    if (garbage <= most || garbage < share * content) continue;
    found = number;
    most = garbage;
  }
  return some_dropped ? 0 : found;
}

bool SegmentLog::IsOldest(uint32_t segment) const {
  absl::MutexLock lock(&mutex_);
  return !segments_.empty() && segments_.begin()->first == segment;
}

absl::StatusOr<SegmentLog::Segment> SegmentLog::Sealed(uint32_t number) const {
  absl::MutexLock lock(&mutex_);
  const auto segment = segments_.find(number);
  if (segment == segments_.end() || number == last_) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "SEGMENT_NOT_SEALED",
                   absl::StrFormat("the segment %d is not a sealed one of the log", number));
  }
  return segment->second;
}

absl::Status SegmentLog::Visit(uint32_t number, const Visitor& visit) {
  const absl::StatusOr<Segment> segment = Sealed(number);
  if (!segment.ok()) return segment.status();
  int64_t shown = 0;
  const Visitor count = [&](const RecordPlace& place, Kind kind, std::string_view header) {
    shown += place.bytes;
    visit(place, kind, header);
  };
  const std::string index = ReadIndex(number);
  if (const std::optional<uint32_t> indexed = IndexedBytes(index);
      indexed && *indexed <= segment->bytes) {
    VisitIndex(index, number, count);
  } else {
    segment->file->Scan(number, segment->bytes, count);
  }
  if (shown >= segment->shown) return absl::OkStatus();
  {
    absl::MutexLock lock(&mutex_);
    if (const auto found = segments_.find(number); found != segments_.end()) {
      found->second.must_stay = true;
    }
  }
  return Refusal(absl::StatusCode::kDataLoss, "SEGMENT_DAMAGED",
                 absl::StrFormat("of %s, %d bytes of records can be read, and it had %d",
                                 Quoted(segment->file->path().native()), shown, segment->shown));
}

absl::Status SegmentLog::Drop(uint32_t number) {
  if (absl::Status sealed = Sealed(number).status(); !sealed.ok()) return sealed;
  {
    absl::MutexLock lock(&mutex_);
    if (const auto found = segments_.find(number); found != segments_.end()) {
      found->second.dropped = true;
    }
  }
  return RemoveDropped().status();
}

absl::StatusOr<bool> SegmentLog::RemoveDropped() {
  absl::MutexLock syncing(&syncing_);
  std::vector<uint32_t> lasting, never_synced;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [number, segment] : segments_) {
      if (segment.dropped) {
        (segment.ever_synced ? lasting : never_synced).push_back(number);
      } else if (!segment.sync_failed.ok() && !segment.must_stay) {
        return false;
      }
    }
  }
  if (lasting.empty() && never_synced.empty()) return false;
  // What no loss of power would leave needs no copy that outlives one. While the disk fails, each
  // round copies to a segment that fails in its turn, and these would fill it.
  for (const uint32_t number : never_synced) {
    if (absl::Status removed = Remove(number); !removed.ok()) return removed;
  }
  if (absl::Status synced = SyncUndropped(); !synced.ok()) return synced;
  for (const uint32_t number : lasting) {
    if (absl::Status removed = Remove(number); !removed.ok()) return removed;
  }
  // Or a loss of power could bring back records whose tombstones are dropped next.
  if (absl::Status synced = SyncNames(); !synced.ok()) return synced;
  return true;
}

absl::Status SegmentLog::Remove(uint32_t number) {
  if (absl::Status removed = RemoveFile(IndexPath(number)); !removed.ok()) return removed;
  if (absl::Status removed = RemoveFile(SegmentPath(number)); !removed.ok()) return removed;
  absl::MutexLock lock(&mutex_);
  segments_.erase(number);
  folder_synced_ = false;
  return absl::OkStatus();
}

int64_t SegmentLog::file_bytes() const {
  absl::MutexLock lock(&mutex_);
  int64_t bytes = 0;
  for (const auto& [number, segment] : segments_) bytes += static_cast<int64_t>(segment.bytes);
  return bytes;
}

int64_t SegmentLog::needed_bytes() const {
  absl::MutexLock lock(&mutex_);
  int64_t bytes = 0;
  for (const auto& [number, segment] : segments_) bytes += segment.needed;
  return bytes;
}

}  // namespace derin::server
