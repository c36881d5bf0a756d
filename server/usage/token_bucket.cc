#include "server/usage/token_bucket.h"

#include <algorithm>

namespace derin::server {

TokenBucket::TokenBucket(int64_t per_minute, absl::Duration now)
    : per_minute_(per_minute), level_(static_cast<double>(per_minute)), time_(now) {}

double TokenBucket::LevelAt(absl::Duration now) const {
  const double minutes = absl::FDivDuration(now - time_, absl::Minutes(1));
  const auto most = static_cast<double>(per_minute_);
  return std::min(most, level_ + std::max(0.0, minutes) * most);
}

void TokenBucket::SetRate(int64_t per_minute, absl::Duration now) {
  level_ = std::min(LevelAt(now), static_cast<double>(per_minute));
  per_minute_ = per_minute;
  time_ = now;
}

void TokenBucket::Take(int64_t tokens, absl::Duration now) {
  level_ = LevelAt(now) - static_cast<double>(tokens);
  time_ = now;
}

absl::Duration TokenBucket::Delay(absl::Duration now) const {
  if (per_minute_ == 0) return absl::InfiniteDuration();
  const double missing = 1 - LevelAt(now);
  if (missing <= 0) return absl::ZeroDuration();
  return absl::Minutes(missing / static_cast<double>(per_minute_));
}

}  // namespace derin::server
