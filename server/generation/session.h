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
#include "server/generation/session_image.h"
#include "server/generation/session_state.h"
#include "server/registry/loaded_version.h"

namespace derin::server {

// A slot of hidden state, given back at the end.
class SlotLease {
 public:
  SlotLease(std::shared_ptr<HiddenStatePool> pool, int32_t slot);
  ~SlotLease();
  SlotLease(const SlotLease&) = delete;
  SlotLease& operator=(const SlotLease&) = delete;

  HiddenStatePool& pool() const { return *pool_; }
  int32_t slot() const { return slot_; }

 private:
  const std::shared_ptr<HiddenStatePool> pool_;
  const int32_t slot_;
};

// A session with its hidden state on the device: what calls work in. SessionStore makes one of an
// image when a call comes, and lets go of it when the device has no room.
//
// One call at a time works in it; that call owns `state` from TryBegin to End.
class Session {
 public:
  // `image` at rest; without a name one that lives as long as its only call.
  Session(SessionImage image, std::shared_ptr<const LoadedVersion> version,
          std::unique_ptr<SlotLease> lease);

  const std::string& name() const { return facts_.name; }
  const std::string& owner() const { return facts_.owner; }
  SessionKey key() const { return facts_.key(); }
  const std::shared_ptr<const LoadedVersion>& version() const { return version_; }
  const SlotLease& lease() const { return *lease_; }
  v1::Durability durability() const { return facts_.durability; }
  absl::Duration time_to_live() const { return facts_.time_to_live; }
  // What computed its state: another engine, until a call goes on from where it came here.
  const std::string& engine_id() const {
    return position() == first_position_ ? first_engine_id_ : version_->engine_id;
  }
  bool engine_changed() const { return engine_id() != version_->engine_id; }

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
  // the call `must_replay`, is not the last one, and does not say that it expects to begin here.
  absl::StatusOr<bool> TryBeginCall(const CallKey& key, bool must_replay,
                                    std::optional<int64_t> expected_position)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // A call that is not made once more begins here; `request` is kept to make it again up to some
  // position, null when that is not to be.
  void Remember(CallKey key, std::shared_ptr<const v1::GenerateRequest> request)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes `state` that of `image`, an older one of this session; the last call stays.
  void Restore(const SessionImage& image) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same, and the last call is that of the image.
  void RestoreWithCall(const SessionImage& image) ABSL_LOCKS_EXCLUDED(mutex_);

  std::optional<LastCall> last_call() const ABSL_LOCKS_EXCLUDED(mutex_);

  // All but the sequence and the hidden state, as of now.
  SessionImage Facts(absl::Time now) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Of its newest image; whoever owns `state` calls these.
  int64_t sequence() const { return sequence_; }
  void set_sequence(int64_t sequence) { sequence_ = sequence; }

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

  SessionState state;

  // The hidden state of `state` while it may not be in the slot yet, else empty; whoever owns
  // `state` calls these.
  const std::vector<float>& to_upload() const { return to_upload_; }
  void Uploaded() { to_upload_.clear(); }

 private:
  bool busy() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_ > 0; }
  bool IsLastCall(const CallKey& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return last_.has_value() && !key.request_id.empty() && last_->key.request_id == key.request_id;
  }

  const SessionImage facts_;  // what never changes of it
  const std::shared_ptr<const LoadedVersion> version_;
  const std::unique_ptr<SlotLease> lease_;
  // As it came here.
  const int64_t first_position_;
  const std::string first_engine_id_;
  std::vector<float> to_upload_;
  int64_t sequence_;
  std::atomic<bool> closed_ = false;
  std::atomic<int64_t> position_;
  std::atomic<uint64_t> seed_;
  std::atomic<uint32_t> stream_;

  mutable absl::Mutex mutex_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;  // in it: one, and those that take it over
  absl::Time idle_since_ ABSL_GUARDED_BY(mutex_);
  std::optional<LastCall> last_ ABSL_GUARDED_BY(mutex_);
  bool last_call_runs_ ABSL_GUARDED_BY(mutex_) = false;  // what is in it is that call
};

}  // namespace derin::server
