#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/generation/session_image.h"
#include "server/storage/segment_log.h"

namespace derin::server {

struct SessionArchiveOptions {
  int64_t host_bytes = int64_t{256} << 20;  // of images in memory
  int64_t disk_bytes = int64_t{16} << 30;   // of images on disk
  int64_t segment_bytes = SegmentLogOptions().segment_bytes;
};

// The images of all sessions: the newest of each, the one where its last call began, and some
// older ones that it may go back to. Those of sessions that outlive the process are written to a
// SegmentLog as they come, and stay in memory, too, while there is room; the others are in memory,
// and go to disk when there is none. Thread-safe.
//
// In memory a session costs about 400 bytes beside its images.
class SessionArchive {
 public:
  using Key = SessionKey;

  // Finds the sessions that an earlier process kept in `folder`, but those that have expired.
  static absl::StatusOr<std::unique_ptr<SessionArchive>> Open(std::filesystem::path folder,
                                                              const SessionArchiveOptions& options,
                                                              absl::Time now);

  // Keeps the first image of a session and gives it its sequence. RESOURCE_EXHAUSTED, reason
  // SESSIONS_FULL, when the disk has its share; reason SESSION_NOT_SAVED when it cannot be written
  // although it should outlive the process: then there is no such session.
  absl::Status Create(SessionImage& image) ABSL_LOCKS_EXCLUDED(mutex_);
  // Keeps a later one in place of all that came after the start of its last call. NOT_FOUND when
  // the session was removed; reason SESSION_NOT_SAVED when it is in memory only although it
  // should outlive the process.
  absl::Status Put(SessionImage& image) ABSL_LOCKS_EXCLUDED(mutex_);

  struct Found {
    SessionImage image;
    v1::SessionTier tier = v1::SESSION_TIER_UNSPECIFIED;
  };
  // NOT_FOUND without a reason when there is none; DATA_LOSS when it cannot be read.
  absl::StatusOr<Found> Newest(const Key& key) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<SessionImage> At(const Key& key, int64_t sequence) ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the newest; 0 when there is no such session.
  int64_t NewestSequence(const Key& key) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Images that there are, by sequence, ascending.
  struct Remembered {
    int64_t sequence = 0, position = 0;
  };
  std::vector<Remembered> AllOf(const Key& key) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The device has the state of the session, too, from here on: only for the counts.
  void EnterDevice(const Key& key) ABSL_LOCKS_EXCLUDED(mutex_);
  // No longer; the session was used there, if only to be read, and expires at `expire_time` if that
  // is later. A restart does not know of it.
  void LeaveDevice(const Key& key, absl::Time expire_time) ABSL_LOCKS_EXCLUDED(mutex_);
  // Sessions that go on from this version, `models/ID/versions/N`.
  int64_t CountOf(std::string_view model_version) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether there was one, which is gone for good. When the disk does not take that, it stays.
  absl::StatusOr<bool> Close(const Key& key) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same of one that its caller has not heard of; on a full disk it may come back with a
  // restart, until it expires.
  bool Remove(const Key& key) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether there was one that has expired at `now`, which is removed then.
  bool RemoveExpired(const Key& key, absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  // Names of the owner's sessions from behind `after` on, ascending, at most `limit`.
  std::vector<std::string> Names(std::string_view owner, std::string_view after, size_t limit) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The same of everybody's, in the order of owners and names.
  std::vector<Key> Keys(const Key& after, size_t limit) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Empty when nobody has a session of this name.
  std::string OwnerOf(std::string_view name) const ABSL_LOCKS_EXCLUDED(mutex_);
  // How many sessions the owner has.
  int64_t CountOwnedBy(std::string_view owner) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the next `limit` sessions behind `after`, which it moves on, those that have expired at
  // `now`; after the last one `after` is empty.
  std::vector<Key> Expired(absl::Time now, size_t limit, Key& after) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // All images that were kept before outlive a loss of power when it returns.
  absl::Status Sync() { return log_->Sync(); }
  // Syncs and indexes what was written since (see SegmentLog::IndexSealed); copies what is needed
  // out of one segment that is mostly garbage, and removes it. False when there is none.
  absl::StatusOr<bool> Compact() ABSL_LOCKS_EXCLUDED(mutex_);

  struct Counts {
    int64_t sessions = 0;
    int64_t in_memory = 0;  // of these, those that are not on the device, but in memory
    int64_t host_bytes = 0, disk_bytes = 0;
    int64_t moved_to_disk = 0;  // so many times
  };
  Counts counts() const ABSL_LOCKS_EXCLUDED(mutex_);
  // What Open found to be damaged, one sentence each.
  const std::vector<std::string>& damage() const { return log_->damage(); }

 private:
  using Record = std::shared_ptr<const SegmentLog::Record>;
  struct Image {
    int64_t sequence = 0, position = 0;
    RecordPlace place;  // segment 0: not on disk
    Record in_memory;   // null: only on disk
  };
  static bool OnDisk(const Image& image) { return image.place.segment != 0; }
  // How many sessions each version has; those without are few, and stay.
  using Versions = std::map<std::string, int64_t, std::less<>>;
  struct Entry {
    std::vector<Image> images;  // ascending, at least one
    Versions::value_type* version = nullptr;
    absl::Time expire_time;
    bool lasting = true, on_device = false;
    std::optional<std::list<std::map<Key, Entry>::iterator>::iterator> in_host;
  };
  using Entries = std::map<Key, Entry>;
  struct Scan;

  SessionArchive(const SessionArchiveOptions& options) : options_(options) {}

  // From here on the entry counts as one of `model_version`.
  void SetVersion(Entry& entry, std::string_view model_version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Add(Entries::iterator entry, SessionImage& image)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes out what `image` makes needless, and some of the older ones when there are many.
  std::vector<Image> TakeNeedless(Entry& entry, const SessionImage& image) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(Image& image) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Touch(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetOnDevice(Entry& entry, bool on_device) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveHost(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The least used images go to disk while those in memory have more than their share, as far as
  // the disk takes them.
  void MakeRoomInMemory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MoveToDisk(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // For good: with a tombstone.
  void Bury(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<SessionImage> Read(const Image& image) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::Status Move(const RecordPlace& place, SegmentLog::Kind kind, std::string_view header)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const SessionArchiveOptions options_;
  std::unique_ptr<SegmentLog> log_;

  mutable absl::Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, int64_t> owned_ ABSL_GUARDED_BY(mutex_);  // how many, by owner
  // Those with images in memory, the least used first.
  std::list<Entries::iterator> host_ ABSL_GUARDED_BY(mutex_);
  Versions versions_ ABSL_GUARDED_BY(mutex_);
  int64_t host_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t in_memory_ ABSL_GUARDED_BY(mutex_) = 0;  // see Counts
  int64_t moved_to_disk_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace derin::server
