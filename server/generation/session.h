#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "model/network/hidden_state_pool.h"
#include "model/text/utf8.h"
#include "server/generation/recent_tokens.h"
#include "server/generation/stop_matcher.h"
#include "server/registry/loaded_version.h"

namespace derin::server {

// A slot of hidden state, given back when the last one lets go of it.
class SlotLease {
 public:
  SlotLease(std::shared_ptr<HiddenStatePool> pool, int32_t slot,
            std::shared_ptr<std::atomic<int>> count);
  ~SlotLease();
  SlotLease(const SlotLease&) = delete;
  SlotLease& operator=(const SlotLease&) = delete;

  HiddenStatePool& pool() const { return *pool_; }
  int32_t slot() const { return slot_; }

 private:
  const std::shared_ptr<HiddenStatePool> pool_;
  const int32_t slot_;
  const std::shared_ptr<std::atomic<int>> count_;  // of leases held
};

// One conversation: a model version, and the hidden state after the tokens absorbed so far, on the
// device.
//
// One call at a time works in it; that call owns `state` from TryBegin to End.
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
  absl::Time idle_since_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
