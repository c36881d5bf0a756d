#include "server/metrics/monotonic_clock.h"

#include <gtest/gtest.h>

namespace derin::server {
namespace {

TEST(MonotonicClock, GoesOnAndNeverBack) {
  const MonotonicClock clock = SystemMonotonicClock();
  const absl::Duration start = clock();
  absl::Duration last = start;
  while (last == start) {
    const absl::Duration now = clock();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace derin::server
