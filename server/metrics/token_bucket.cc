#include "server/metrics/token_bucket.h"

#include <algorithm>

namespace derin::server {

TokenBucket::TokenBucket(int64_t per_period, absl::Duration now, absl::Duration period)
    : per_period_(per_period),
      period_(period),
      level_(static_cast<double>(per_period)),
      time_(now) {}

double TokenBucket::LevelAt(absl::Duration now) const {
  const double periods = absl::FDivDuration(now - time_, period_);
  const auto most = static_cast<double>(per_period_);
  return std::min(most, level_ + std::max(0.0, periods) * most);
}

void TokenBucket::SetRate(int64_t per_period, absl::Duration now) {
  level_ = std::min(LevelAt(now), static_cast<double>(per_period));
  per_period_ = per_period;
  time_ = std::max(time_, now);
}

void TokenBucket::Take(int64_t tokens, absl::Duration now) {
  level_ = LevelAt(now) - static_cast<double>(tokens);
  time_ = std::max(time_, now);
}

absl::Duration TokenBucket::Delay(absl::Duration now) const {
  if (per_period_ == 0) return absl::InfiniteDuration();
  const double missing = 1 - LevelAt(now);
  if (missing <= 0) return absl::ZeroDuration();
  return period_ * (missing / static_cast<double>(per_period_));
}

}  // namespace derin::server
