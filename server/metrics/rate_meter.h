#pragma once

#include <array>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/metrics/monotonic_clock.h"

namespace derin::server {

// How many things a second happened over the last five seconds. Thread-safe.
class RateMeter {
 public:
  explicit RateMeter(MonotonicClock clock);

  void Add(int64_t count) ABSL_LOCKS_EXCLUDED(mutex_);
  // Over the time since the meter was made, while that is shorter.
  double PerSecond() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Counts are kept for each tenth of a second, so the window is between 4.9 and 5 seconds long.
  static constexpr int kSlots = 50;
  static constexpr absl::Duration kSlot = absl::Milliseconds(100);
  struct Slot {
    int64_t number = -1;  // of the tenth of a second that `count` belongs to
    int64_t count = 0;
  };

  const MonotonicClock clock_;
  const absl::Duration start_;
  mutable absl::Mutex mutex_;
  std::array<Slot, kSlots> slots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
