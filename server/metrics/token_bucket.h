#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace derin::server {

// Tokens that come at a rate, so many in each period, and are taken as they are used. It begins
// full, and holds those of one period. Not thread-safe; times come from one clock, and one that was
// read earlier than the last brings nothing.
class TokenBucket {
 public:
  // 0 in a period: never any.
  TokenBucket(int64_t per_period, absl::Duration now, absl::Duration period = absl::Minutes(1));

  // The same bucket with another rate from here on.
  void SetRate(int64_t per_period, absl::Duration now);
  int64_t per_period() const { return per_period_; }

  // Also more than there are: what is missing comes first then.
  void Take(int64_t tokens, absl::Duration now);
  // How long until there is one; zero when there is.
  absl::Duration Delay(absl::Duration now) const;

 private:
  double LevelAt(absl::Duration now) const;

  int64_t per_period_;
  absl::Duration period_;
  double level_;         // at `time_`
  absl::Duration time_;  // of the last change
};

}  // namespace derin::server
