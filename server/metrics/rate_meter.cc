#include "server/metrics/rate_meter.h"

#include <algorithm>
#include <utility>

namespace derin::server {

RateMeter::RateMeter(MonotonicClock clock) : clock_(std::move(clock)), start_(clock_()) {}

void RateMeter::Add(int64_t count) {
  const int64_t number = (clock_() - start_) / kSlot;
  absl::MutexLock lock(&mutex_);
  Slot& slot = slots_[number % kSlots];
  if (slot.number != number) slot = {number, 0};
  slot.count += count;
}

double RateMeter::PerSecond() const {
  const absl::Duration elapsed = clock_() - start_;
  const int64_t newest = elapsed / kSlot;
  const int64_t oldest = std::max<int64_t>(0, newest - kSlots + 1);
  int64_t count = 0;
  {
    absl::MutexLock lock(&mutex_);
    for (const Slot& slot : slots_) {
      if (slot.number >= oldest && slot.number <= newest) count += slot.count;
    }
  }
  // A window of no length would make any count infinite.
  const absl::Duration window = std::max(elapsed - oldest * kSlot, kSlot);
  return static_cast<double>(count) / absl::ToDoubleSeconds(window);
}

}  // namespace derin::server
