#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/backend/backend.h"
#include "server/generation/device_sessions.h"
#include "server/generation/session.h"
#include "server/generation/session_archive.h"
#include "server/generation/session_keeper.h"
#include "server/generation/session_view.h"
#include "server/generation/state_reader.h"

namespace derin::server {

struct SessionStoreOptions {
  // Wherever their states are.
  int64_t max_sessions = 1'000'000;
  // Of hidden states on the device. Models whose states have the same size share a pool; each pool
  // takes half of what is left.
  int64_t device_bytes = int64_t{64} << 20;
  // After the last call of a session; callers may ask for less.
  absl::Duration time_to_live = absl::Hours(24);
};

// All sessions: those whose states are on the device, and the archive of all of them. A state moves
// to the device when a call comes, and the least used one off it when there is no room; since
// the archive has what each call left, nothing is lost or waited for then. Thread-safe.
class SessionStore final : public SessionKeeper {
 public:
  using Versions = std::function<absl::StatusOr<std::shared_ptr<const LoadedVersion>>(
      std::string_view name, std::string_view field)>;
  // `backend` and `archive` outlive the store and all that it hands out. `versions` is
  // ModelRegistry::Resolve, `now` the clock.
  SessionStore(Backend& backend, SessionArchive& archive, Versions versions, std::string server_id,
               const SessionStoreOptions& options, std::function<absl::Time()> now = absl::Now);

  // As ModelRegistry::Resolve; sessions that are not used let go of their versions when there is no
  // memory for this one.
  absl::StatusOr<std::shared_ptr<const LoadedVersion>> Version(std::string_view name,
                                                               std::string_view field)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The version of a session, `name`; NOT_FOUND, reason MODEL_DELETED, when it is gone.
  absl::StatusOr<std::shared_ptr<const LoadedVersion>> VersionOf(const SessionImage& image,
                                                                 std::string_view name,
                                                                 std::string_view field)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // No session is opened from these versions, `models/ID/versions/N`, any more: they are about to
  // be deleted. FAILED_PRECONDITION, reason MODEL_IN_USE, while there are sessions of theirs,
  // unless `force` is set: then nothing has changed.
  absl::Status Retire(absl::Span<const std::string> versions, bool force)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // They stay after all.
  void Unretire(absl::Span<const std::string> versions) ABSL_LOCKS_EXCLUDED(mutex_);
  // They are deleted: calls in sessions of theirs end at their next token, and later ones get
  // MODEL_DELETED. What is kept of the sessions goes with their time to live.
  void EndSessionsOf(absl::Span<const std::string> versions) ABSL_LOCKS_EXCLUDED(mutex_);

  struct OpenOptions {
    uint64_t seed = 0;
    v1::Durability durability = v1::DURABILITY_PROCESS;
    std::optional<absl::Duration> time_to_live;  // within that of the server; unset: the same
    std::optional<int64_t> max_owned{};          // of the owner's sessions; unset: any number
  };
  // RESOURCE_EXHAUSTED, reason SESSIONS_FULL or CALLER_SESSIONS_FULL, with a retry hint, or
  // SESSION_NOT_SAVED; NOT_FOUND, reason MODEL_DELETED, of a version that is being deleted.
  absl::StatusOr<SessionView> Open(const LoadedVersion& version, std::string_view owner,
                                   const OpenOptions& options) ABSL_LOCKS_EXCLUDED(mutex_);
  // A session with the state of `image`, which fits `version`.
  absl::StatusOr<SessionView> Import(SessionImage image, const LoadedVersion& version,
                                     std::string_view owner, const OpenOptions& options)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // A session that a call may begin in, and where its state was.
  struct Acquired {
    std::shared_ptr<Session> session;
    v1::SessionTier tier = v1::SESSION_TIER_UNSPECIFIED;
  };
  // `name` is `sessions/ID`, from `field` of the request. NOT_FOUND, reason SESSION_NOT_FOUND, also
  // for another caller's, or MODEL_DELETED; FAILED_PRECONDITION, reason WRONG_SERVER, when another
  // server opened it; RESOURCE_EXHAUSTED, reason DEVICE_MEMORY_FULL, with a retry hint, when calls
  // under way have all of the device's memory for states; DATA_LOSS when it cannot be read.
  absl::StatusOr<Acquired> Acquire(std::string_view name, std::string_view owner,
                                   std::string_view field) ABSL_LOCKS_EXCLUDED(mutex_);
  // A new one; the session that this caller's call with this id opened, as long as that is its last
  // call, instead of another one. An empty `request_id` is none. Errors as Open and Acquire.
  absl::StatusOr<Acquired> OpenForCall(std::shared_ptr<const LoadedVersion> version,
                                       std::string_view owner, const OpenOptions& options,
                                       std::string_view request_id) ABSL_LOCKS_EXCLUDED(mutex_);
  // A nameless one, that goes with its call.
  absl::StatusOr<std::shared_ptr<Session>> OpenForOneCall(
      std::shared_ptr<const LoadedVersion> version, std::string_view owner, uint64_t seed)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Errors as Acquire, but for the device.
  absl::StatusOr<SessionView> Get(std::string_view name, std::string_view owner)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Those of `owner` in the order of their names, from behind the name `after` (empty: from the
  // first), at most `limit`; `next` is the last one's name when there are more.
  struct Page {
    std::vector<SessionView> sessions;
    std::string next;
  };
  Page List(std::string_view owner, std::string_view after, int limit) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same of everybody's, by owner and name; `next` and `after` mean nothing to others.
  Page ListAll(std::string_view after, int limit) ABSL_LOCKS_EXCLUDED(mutex_);
  // Empty when nobody has a session of this name.
  std::string OwnerOf(std::string_view name) const { return archive_.OwnerOf(name); }
  // As Get, with the hidden state. ABORTED, reason SESSION_BUSY, while a call is in it.
  absl::StatusOr<SessionImage> Image(std::string_view name, std::string_view owner)
      ABSL_LOCKS_EXCLUDED(mutex_);

  struct ForkOptions {
    std::optional<uint64_t> seed;  // of the fork's draws; unset: the same
    bool same_stream = false;
    std::optional<int64_t> max_owned{};  // as in OpenOptions
  };
  // A new session with the state of the one with this name. Errors as Acquire, TryBegin and Open.
  absl::StatusOr<SessionView> Fork(std::string_view name, std::string_view owner,
                                   const ForkOptions& options) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same of a session that the caller has begun, ready for a call; nameless when the other one
  // is, or with `for_one_call`. What it changes in `from` is not kept yet.
  absl::StatusOr<std::shared_ptr<Session>> ForkBegun(Session& from, const ForkOptions& options,
                                                     bool for_one_call) ABSL_LOCKS_EXCLUDED(mutex_);

  // The state where the last call of `session`, which was begun, began. DATA_LOSS.
  absl::StatusOr<std::shared_ptr<const SessionImage>> StartOfLastCall(const Session& session) const;
  // What takes the session, which was begun, to `position`.
  struct RewindPlan {
    // Null when it is there now, and kept; else the last call, to be run as far as `position` from
    // `start` on.
    std::shared_ptr<const v1::GenerateRequest> request;
    std::shared_ptr<const SessionImage> start;
  };
  // OUT_OF_RANGE, reason POSITION_NOT_REMEMBERED, names the nearest position that is remembered.
  absl::StatusOr<RewindPlan> Rewind(Session& session, int64_t position);

  // Errors as Get. A call that is in the session ends at its next token.
  absl::Status Close(std::string_view name, std::string_view owner) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status Keep(Session& session) override ABSL_LOCKS_EXCLUDED(mutex_);
  // RESOURCE_EXHAUSTED, reason SESSION_NOT_SAVED.
  absl::Status Sync() override;

  // Removes the sessions that have expired.
  void RemoveExpired() ABSL_LOCKS_EXCLUDED(mutex_);

  struct Counts {
    int64_t sessions = 0, on_device = 0, in_memory = 0;
    int64_t device_bytes = 0, host_bytes = 0, disk_bytes = 0;
    int64_t left_device = 0, left_memory = 0, expired = 0;          // so many times
    int64_t from_memory = 0, from_disk = 0, failed_to_restore = 0;  // onto the device, likewise
  };
  Counts counts() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Key = SessionArchive::Key;

  // A session that goes on from `image` on the device; one without a name is found by nobody.
  absl::StatusOr<std::shared_ptr<Session>> PutOnDevice(SessionImage image,
                                                       std::shared_ptr<const LoadedVersion> version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The newest image; errors as Get. Also of one that has expired.
  absl::StatusOr<SessionArchive::Found> Archived(const Key& key);
  // What was kept is on the disk where that is asked for. Errors as Sync.
  absl::Status SyncFor(v1::Durability durability);
  absl::Status CheckCount(std::string_view owner, std::optional<int64_t> max_owned) const;
  // NOT_FOUND or WRONG_SERVER.
  absl::Status Missing(std::string_view name) const;
  SessionImage Fresh(const LoadedVersion& version, std::string_view owner,
                     const OpenOptions& options) const;
  // A session with the state of `image`, which fits `version`, kept as `options` say.
  absl::StatusOr<SessionImage> Create(SessionImage image, const LoadedVersion& version,
                                      std::string_view owner, const OpenOptions& options)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What the caller sees of it; `session` may be null.
  SessionView View(SessionImage image, v1::SessionTier tier, const Session* session) const;
  // Of a session that the caller owns the state of, hidden state included.
  absl::StatusOr<SessionImage> Snapshot(const Session& session);
  // What a fork of `image` is; counts it in `state`.
  SessionImage Fork(SessionImage image, SessionState& state, const ForkOptions& options) const;

  Backend& backend_;
  SessionArchive& archive_;
  const Versions versions_;
  const std::string server_id_;
  const SessionStoreOptions options_;
  const std::function<absl::Time()> now_;
  StateReader reader_;
  std::atomic<int64_t> from_memory_ = 0, from_disk_ = 0, failed_to_restore_ = 0, expired_ = 0;

  // NOT_FOUND, reason MODEL_DELETED, for a version that was retired.
  absl::Status CheckNotRetired(const LoadedVersion& version) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  DeviceSessions device_ ABSL_GUARDED_BY(mutex_);
  // By owner and request id: the session that the call opened, which may be gone.
  absl::flat_hash_map<std::pair<std::string, std::string>, std::string> opened_by_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<std::string> retired_ ABSL_GUARDED_BY(mutex_);
  // So many are looked through for those that are gone when there are as many.
  size_t opened_by_limit_ ABSL_GUARDED_BY(mutex_) = 64;
};

}  // namespace derin::server
