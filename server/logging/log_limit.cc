#include "server/logging/log_limit.h"

#include <algorithm>
#include <utility>

namespace derin::server {

LogLimit::LogLimit(int lines_per_second, MonotonicClock clock)
    : rate_(lines_per_second), clock_(std::move(clock)), last_(clock_()), allowance_(rate_) {}

std::optional<int64_t> LogLimit::Admit() {
  const absl::Duration now = clock_();
  absl::MutexLock lock(&mutex_);
  // Another thread may have read the clock later and come first.
  const absl::Duration passed = std::max(now - last_, absl::ZeroDuration());
  last_ += passed;
  allowance_ = std::min(rate_, allowance_ + rate_ * absl::ToDoubleSeconds(passed));
  if (allowance_ < 1) {
    ++left_out_;
    return std::nullopt;
  }
  allowance_ -= 1;
  return std::exchange(left_out_, 0);
}

}  // namespace derin::server
