#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace derin::server {

// Tokens that come at a rate and are taken as they are used. It begins full, and holds those of a
// minute. Not thread-safe; times come from one clock.
class TokenBucket {
 public:
  // 0 a minute: never any.
  TokenBucket(int64_t per_minute, absl::Duration now);

  // The same bucket with another rate from here on.
  void SetRate(int64_t per_minute, absl::Duration now);
  int64_t per_minute() const { return per_minute_; }

  // Also more than there are: what is missing comes first then.
  void Take(int64_t tokens, absl::Duration now);
  // How long until there is one; zero when there is.
  absl::Duration Delay(absl::Duration now) const;

 private:
  double LevelAt(absl::Duration now) const;

  int64_t per_minute_;
  double level_;         // at `time_`
  absl::Duration time_;  // of the last change
};

}  // namespace derin::server
