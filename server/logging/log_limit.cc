#include "server/logging/log_limit.h"

#include <utility>

namespace derin::server {

LogLimit::LogLimit(int lines_per_second, MonotonicClock clock)
    : clock_(std::move(clock)), lines_(lines_per_second, clock_(), absl::Seconds(1)) {}

std::optional<int64_t> LogLimit::Admit() {
  const absl::Duration now = clock_();
  absl::MutexLock lock(&mutex_);
  if (lines_.Delay(now) > absl::ZeroDuration()) {
    ++left_out_;
    return std::nullopt;
  }
  lines_.Take(1, now);
  return std::exchange(left_out_, 0);
}

}  // namespace derin::server
