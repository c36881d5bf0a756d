#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/storage/segment_file.h"
#include "server/storage/segment_format.h"

namespace derin::server {

struct SegmentLogOptions {
  int64_t segment_bytes = int64_t{64}
                          << 20;  // a segment that has reached it is sealed; 2 GiB at most
};

// Records in append-only files of one folder, `NNNNNNNNNN.segment`; FORMAT.md beside this file
// says what is in them. A record is a header, which a start reads of all records, and a body,
// which is read when it is asked for.
//
// Nothing is changed in place: what is no longer needed is Released, and a segment that is mostly
// such is copied by its owner, record by record, and Dropped. A copy comes after everything that
// was appended before it, so headers say themselves which of two records is the newer. Each segment
// keeps a file open.
//
// Thread-safe. Only what says that it syncs waits for the disk.
class SegmentLog {
 public:
  using Kind = RecordKind;
  using Visitor = RecordVisitor;

  // Opens the folder (made when it is not there) and shows `visit` every record, oldest first. What
  // was being written to the last segment when the process died is cut off. Every other damage
  // leaves the files alone, costs only what it touches, and is described in damage().
  // FAILED_PRECONDITION, reason SEGMENT_TOO_NEW, when a newer derind wrote one of the files: then
  // nothing was changed or shown. One process at a time; the data directory's lock sees to it.
  static absl::StatusOr<std::unique_ptr<SegmentLog>> Open(std::filesystem::path folder,
                                                          const SegmentLogOptions& options,
                                                          const Visitor& visit);
  ~SegmentLog();  // IndexSealed for the last time

  // With the system when it returns: survives the process, not a loss of power (see Sync).
  // RESOURCE_EXHAUSTED, reason DISK_FULL, when there is no room, and then the log is as before.
  // A header has 64 KiB at most and a body 32 MiB: INVALID_ARGUMENT, reason RECORD_TOO_LONG.
  absl::StatusOr<RecordPlace> Append(std::string_view header, std::string_view body)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Has no place: nothing reads it, and it is never Released.
  absl::Status AppendTombstone(std::string_view header) ABSL_LOCKS_EXCLUDED(mutex_);
  // All that was appended before survives a loss of power when it returns. Once a segment could not
  // be synced the system may have forgotten what was in it, so every Sync fails until it is
  // Dropped.
  absl::Status Sync() ABSL_LOCKS_EXCLUDED(syncing_, mutex_);
  // Syncs the segments that were sealed since the last call and writes their indexes, which those
  // who appended did not wait for. For its owner to call now and then: until it has an index, a
  // start reads all of a segment. Ends with the first that cannot be synced.
  void IndexSealed() ABSL_LOCKS_EXCLUDED(syncing_, mutex_);

  struct Record {
    std::string header, body;
  };
  // DATA_LOSS, reason RECORD_DAMAGED, naming the file and the place, when its bytes are damaged or
  // gone, such as with a Drop.
  absl::StatusOr<Record> Read(const RecordPlace& place) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The record is no longer needed. Once for each; does nothing in a segment that was dropped.
  void Release(const RecordPlace& place) ABSL_LOCKS_EXCLUDED(mutex_);

  // The sealed segment that its owner is to copy and Drop, 0 when there is none: one that could not
  // be synced, else, of those of which at least `share` (0..1] is garbage, the one with the most
  // bytes of it, unless one that was Dropped is still there: a copy more would not help. Tombstones
  // count as garbage in the oldest segment only, where nothing is left that they speak of. One that
  // Visit has found damaged is none of them.
  uint32_t NextToCopy(double share) const ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsOldest(uint32_t segment) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Shows every record of a sealed segment, with no lock held. DATA_LOSS, reason SEGMENT_DAMAGED,
  // when there are fewer than there were: do not Drop it then, for they can still be Read one by
  // one. FAILED_PRECONDITION, reason SEGMENT_NOT_SEALED, for what is no sealed segment.
  absl::Status Visit(uint32_t segment, const Visitor& visit) ABSL_LOCKS_EXCLUDED(mutex_);
  // A sealed segment is no longer needed: its owner has copied what it needs of it. It goes for
  // good as RemoveDropped says. FAILED_PRECONDITION as Visit.
  absl::Status Drop(uint32_t segment) ABSL_LOCKS_EXCLUDED(syncing_, mutex_);
  // Removes the segments that were Dropped, and their indexes, once all that others have survives a
  // loss of power. While one that could not be synced is to be copied yet, does nothing: it may
  // have copies from them. False when it removed none.
  absl::StatusOr<bool> RemoveDropped() ABSL_LOCKS_EXCLUDED(syncing_, mutex_);

  int64_t file_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);    // of all segments
  int64_t needed_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);  // of records that were not released
  // What Open found, one sentence each.
  const std::vector<std::string>& damage() const { return damage_; }

 private:
  struct Segment {
    std::shared_ptr<SegmentFile> file;
    uint64_t bytes = 0;  // of the file; where the next record goes
    int64_t shown = 0;   // of them, those in records that could be read so far
    int64_t needed = 0;
    int64_t tombstones = 0;
    bool whole = true;         // its start can be read, and nothing stands behind its records
    bool synced = false;       // to its last byte
    bool ever_synced = false;  // some of it may survive a loss of power
    absl::Status sync_failed;  // OK unless it once could not be synced
    bool must_stay = false;    // not all of it can be copied
    bool dropped = false;      // goes when the rest is synced
  };

  SegmentLog(std::filesystem::path folder, const SegmentLogOptions& options)
      : folder_(std::move(folder)), segment_bytes_(static_cast<uint64_t>(options.segment_bytes)) {}

  std::filesystem::path SegmentPath(uint32_t segment) const;
  std::filesystem::path IndexPath(uint32_t segment) const;

  // The steps of Open. Finds the files and refuses versions that it does not know, before anything
  // is changed.
  absl::Status OpenFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OpenFile(uint32_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Load(uint32_t number, const Visitor& visit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LoadWithoutIndex(uint32_t number, Segment& segment, const Visitor& visit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status GoOnIn(uint32_t number, std::string entries) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static absl::Status Cut(Segment& segment, uint64_t bytes);
  static void Count(Segment& segment, const RecordPlace& place, Kind kind);

  absl::StatusOr<RecordPlace> Write(Kind kind, std::string_view header, std::string_view body)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes a segment to append to where there is none.
  absl::Status BeginSegment() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<RecordPlace> WriteToLast(Segment& segment, std::string_view record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteIndex(uint32_t number, std::string_view entries)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(syncing_) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string ReadIndex(uint32_t number) const;  // empty when there is none
  void StoreIndex(uint32_t number, uint64_t bytes, std::string_view entries) const;
  absl::Status SyncSegment(uint32_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(syncing_)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status SyncUndropped() ABSL_EXCLUSIVE_LOCKS_REQUIRED(syncing_) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status SyncNames() ABSL_EXCLUSIVE_LOCKS_REQUIRED(syncing_) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Remove(uint32_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(syncing_)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Segment> Sealed(uint32_t number) const ABSL_LOCKS_EXCLUDED(mutex_);

  const std::filesystem::path folder_;
  const uint64_t segment_bytes_;
  std::vector<std::string> damage_;  // not changed after Open

  // Held while files are synced or removed and indexes written, which takes long; before mutex_.
  absl::Mutex syncing_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  std::map<uint32_t, Segment> segments_ ABSL_GUARDED_BY(mutex_);
  uint32_t last_ ABSL_GUARDED_BY(mutex_) = 0;    // the segment that is appended to; 0: none yet
  std::string entries_ ABSL_GUARDED_BY(mutex_);  // of the last segment: see EncodeIndex
  // The same of those that were sealed and have no index yet.
  std::map<uint32_t, std::string> sealed_entries_ ABSL_GUARDED_BY(mutex_);
  uint32_t newest_ ABSL_GUARDED_BY(mutex_) = 0;  // the greatest number that was given
  bool folder_synced_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace derin::server
