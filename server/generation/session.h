#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "model/network/hidden_state_pool.h"
#include "model/text/utf8.h"
#include "server/generation/recent_tokens.h"
#include "server/generation/stop_matcher.h"
#include "server/registry/loaded_version.h"

namespace derin::server {

struct GenerationRequest;

// A slot of hidden state, and one for what the state was when the last call began where
// `start_slot` is not 0; given back when the last one lets go of it.
class SlotLease {
 public:
  SlotLease(std::shared_ptr<HiddenStatePool> pool, int32_t slot, int32_t start_slot,
            std::shared_ptr<std::atomic<int>> count);
  ~SlotLease();
  SlotLease(const SlotLease&) = delete;
  SlotLease& operator=(const SlotLease&) = delete;

  HiddenStatePool& pool() const { return *pool_; }
  int32_t slot() const { return slot_; }
  int32_t start_slot() const { return start_slot_; }

 private:
  const std::shared_ptr<HiddenStatePool> pool_;
  const int32_t slot_, start_slot_;
  const std::shared_ptr<std::atomic<int>> count_;  // of leases held
};

// What tells a call from others of its session, so that it can be made once more.
struct CallKey {
  std::string request_id;  // as its caller drew it; empty: the call is not made again
  std::string digest;      // of all else that it asks for
};

// Positions of a session, both ends included.
struct PositionRange {
  int64_t first = 0, last = 0;
};

// One conversation: a model version, and the hidden state after the tokens absorbed so far, on the
// device.
//
// One call at a time works in it; that call owns `state` from TryBegin to End. What the state was
// when the last call began is kept until the next one, which is how that call can be made again.
class Session {
 public:
  // `name` is `sessions/ID`, or empty for one that lives as long as its only call.
  Session(std::string name, std::string owner, std::shared_ptr<const LoadedVersion> version,
          uint64_t seed, std::unique_ptr<SlotLease> lease, absl::Time now);

  const std::string& name() const { return name_; }
  const std::string& owner() const { return owner_; }  // the caller that opened it
  const std::shared_ptr<const LoadedVersion>& version() const { return version_; }
  const SlotLease& lease() const { return *lease_; }
  absl::Time create_time() const { return create_time_; }

  // ABORTED, reason SESSION_BUSY, while another call is in it; NOT_FOUND once closed;
  // FAILED_PRECONDITION, reason POSITION_MISMATCH, when it is not where the call expects it.
  absl::Status TryBegin(std::optional<int64_t> expected_position = std::nullopt)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void End(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  // The call that is in it will End it twice.
  void Hold() ABSL_LOCKS_EXCLUDED(mutex_);

  // As TryBegin; true when this is the last call once more, which begins where that one did, and
  // has not called Restore yet. When that call still runs it is to give way: until it has, its End
  // and this one's are both to come. INVALID_ARGUMENT, reason REQUEST_ID_REUSED, when the last call
  // had the same id and another digest; FAILED_PRECONDITION, reason REQUEST_NOT_REMEMBERED, when
  // the call `must_replay` and is not the last one.
  absl::StatusOr<bool> TryBeginCall(const CallKey& key, bool must_replay,
                                    std::optional<int64_t> expected_position)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // A call that is not made once more begins here; `request` is kept to make it again up to some
  // position, null when that is not to be.
  void Remember(CallKey key, std::shared_ptr<const GenerationRequest> request)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes `state` what it was when the last call began.
  void Restore() ABSL_LOCKS_EXCLUDED(mutex_);
  // Where and with which seed the last call began; of a session without one, where it is.
  int64_t start_position() const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t start_seed() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::string last_request_id() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Where Rewind may go: ascending, apart from each other.
  std::vector<PositionRange> remembered() const ABSL_LOCKS_EXCLUDED(mutex_);
  // What takes the session, which was begun, to `position`: null when Rewind just did it, else the
  // request that Restore and steps up to `position` are for. OUT_OF_RANGE, reason
  // POSITION_NOT_REMEMBERED, names the nearest position that is remembered.
  absl::StatusOr<std::shared_ptr<const GenerationRequest>> Rewind(int64_t position)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // No call begins after this; one that is in it is to end soon.
  void Close() { closed_ = true; }
  bool closed() const { return closed_; }
  // Makes known to other threads where `state` is now; whoever owns that calls it.
  void Publish() {
    position_.store(state.position, std::memory_order_relaxed);
    seed_.store(state.seed, std::memory_order_relaxed);
    stream_.store(state.stream, std::memory_order_relaxed);
  }
  // As last published.
  int64_t position() const { return position_.load(std::memory_order_relaxed); }
  uint64_t seed() const { return seed_.load(std::memory_order_relaxed); }
  uint32_t stream() const { return stream_.load(std::memory_order_relaxed); }

  // Since when no call is in it; infinite future while one is.
  absl::Time idle_since() const ABSL_LOCKS_EXCLUDED(mutex_);

  struct State {
    // Tokens absorbed; 0 means that the slot's contents are still somebody else's.
    int64_t position = 0;
    // The last token drawn, which the next call absorbs first.
    std::optional<int32_t> pending;
    uint64_t seed = 0;
    // Tells apart the draws of sessions that were forked from each other.
    uint32_t stream = 0;
    // How many forks there were at this position.
    uint32_t forks = 0;
    // Those absorbed last.
    RecentTokens recent;
    // Bytes that are not yet a whole character.
    Utf8Assembler text;
    // Text that may yet become a stop string.
    HeldBack held;
  };
  State state;

  // The hidden state of `state`; whoever owns that calls these.
  int32_t slot() const { return at_start_ ? lease_->start_slot() : lease_->slot(); }
  // What is to be copied before the first step of a call: from and to a slot.
  struct SlotCopy {
    int32_t from, to;
  };
  std::optional<SlotCopy> CopyBeforeFirstStep() const;
  // That step, with its copy, is done.
  void FirstStepDone();

 private:
  const std::string name_;
  const std::string owner_;
  const std::shared_ptr<const LoadedVersion> version_;
  const std::unique_ptr<SlotLease> lease_;
  const absl::Time create_time_;
  std::atomic<bool> closed_ = false;
  std::atomic<int64_t> position_ = 0;
  std::atomic<uint64_t> seed_;
  std::atomic<uint32_t> stream_ = 0;
  mutable absl::Mutex mutex_;
  bool busy() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_ > 0; }
  bool IsLastCall(const CallKey& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return last_.has_value() && !key.request_id.empty() && last_->key.request_id == key.request_id;
  }
  std::vector<PositionRange> Remembered() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // Whether the start slot holds the state at the last call's start, and whether `state` is that
  // one, so that the other slot holds nothing of use.
  bool start_saved_ = false, at_start_ = false;

  int calls_ ABSL_GUARDED_BY(mutex_) = 0;  // in it: one, and those that take it over
  absl::Time idle_since_ ABSL_GUARDED_BY(mutex_);
  struct LastCall {
    CallKey key;
    State start;
    int64_t end = 0;  // the farthest that it came
    std::shared_ptr<const GenerationRequest> request;
  };
  std::optional<LastCall> last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
