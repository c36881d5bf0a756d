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
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "model/backend/backend.h"
#include "server/generation/session.h"
#include "server/generation/state_copier.h"

namespace derin::server {

struct SessionStoreOptions {
  // Sessions and calls without one, together.
  int max_sessions = 1024;
  // A session that no call used for so long may be closed to make room.
  absl::Duration idle_limit = absl::Hours(1);
};

// The sessions of this process, and the memory for their states. Thread-safe.
class SessionStore {
 public:
  // `backend` outlives the store and all that it hands out. `now` is the clock.
  SessionStore(Backend& backend, std::string server_id, const SessionStoreOptions& options,
               std::function<absl::Time()> now = absl::Now);

  // A session that is found by its name from now on. RESOURCE_EXHAUSTED, reason SESSIONS_FULL, with
  // a retry hint when there is no room and no session has been idle beyond the limit.
  absl::StatusOr<std::shared_ptr<Session>> Open(std::shared_ptr<const LoadedVersion> version,
                                                std::string_view owner, uint64_t seed)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // As Open; the session that this caller's call with this id opened, as long as that is its last
  // call, instead of another one. An empty `request_id` is none.
  absl::StatusOr<std::shared_ptr<Session>> OpenForCall(std::shared_ptr<const LoadedVersion> version,
                                                       std::string_view owner, uint64_t seed,
                                                       std::string_view request_id)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // A nameless one, that goes with its call.
  absl::StatusOr<std::shared_ptr<Session>> OpenForOneCall(
      std::shared_ptr<const LoadedVersion> version, std::string_view owner, uint64_t seed)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // `name` is `sessions/ID`, from `field` of the request. NOT_FOUND, reason SESSION_NOT_FOUND, also
  // for another caller's; FAILED_PRECONDITION, reason WRONG_SERVER, when another server opened it.
  absl::StatusOr<std::shared_ptr<Session>> Find(std::string_view name, std::string_view owner,
                                                std::string_view field) ABSL_LOCKS_EXCLUDED(mutex_);
  // The sessions of `owner` in the order of their names, from behind the name `after` (empty: from
  // the first), at most `limit`; `next` is the last one's name when there are more.
  struct Page {
    std::vector<std::shared_ptr<Session>> sessions;
    std::string next;
  };
  Page List(std::string_view owner, std::string_view after, int limit) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  struct ForkOptions {
    std::optional<uint64_t> seed;  // of the fork's draws; unset: the same
    bool same_stream = false;
    bool for_one_call = false;  // a nameless one, that goes with its call
  };
  // A new session with the state of the one with this name. Errors as Find, TryBegin and Open.
  absl::StatusOr<std::shared_ptr<Session>> Fork(std::string_view name, std::string_view owner,
                                                const ForkOptions& options)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The same of a session that the caller has begun. Errors as Open.
  absl::StatusOr<std::shared_ptr<Session>> ForkBegun(Session& from, const ForkOptions& options)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Errors as Find. A call that is in the session ends at its next token.
  absl::Status Close(std::string_view name, std::string_view owner) ABSL_LOCKS_EXCLUDED(mutex_);

  // Open sessions that have a name.
  int size() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the hidden states of sessions, and of calls without one.
  int64_t state_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Sessions that were closed to make room.
  int64_t evicted() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // With `remembers` a slot more for the state at a call's start.
  absl::StatusOr<std::unique_ptr<SlotLease>> Lease(const LoadedVersion& version, bool remembers)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<Session>> OpenNamed(std::shared_ptr<const LoadedVersion> version,
                                                     std::string_view owner, uint64_t seed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Backend& backend_;
  const std::string server_id_;
  const SessionStoreOptions options_;
  const std::function<absl::Time()> now_;
  const std::shared_ptr<std::atomic<int>> leases_ = std::make_shared<std::atomic<int>>(0);

  StateCopier copier_;

  mutable absl::Mutex mutex_;
  // By the number of elements of a slot.
  absl::flat_hash_map<int64_t, std::shared_ptr<HiddenStatePool>> pools_ ABSL_GUARDED_BY(mutex_);
  // By owner and name.
  absl::btree_map<std::pair<std::string, std::string>, std::shared_ptr<Session>> sessions_
      ABSL_GUARDED_BY(mutex_);
  // By owner and request id: the session that the call opened, which may be gone.
  absl::flat_hash_map<std::pair<std::string, std::string>, std::weak_ptr<Session>> opened_by_
      ABSL_GUARDED_BY(mutex_);
  // So many are looked through for those that are gone when there are as many.
  size_t opened_by_limit_ ABSL_GUARDED_BY(mutex_) = 64;
  int64_t evicted_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace derin::server
