#include "server/metrics/monotonic_clock.h"

#include <chrono>

namespace derin::server {

MonotonicClock SystemMonotonicClock() {
  return [] { return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch()); };
}

}  // namespace derin::server
