#pragma once

#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/metrics/monotonic_clock.h"
#include "server/metrics/token_bucket.h"

namespace derin::server {

// Lets so many lines through each second, and as many at once after a quiet one. Thread-safe.
class LogLimit {
 public:
  LogLimit(int lines_per_second, MonotonicClock clock);

  // Of a line that may be written: how many were left out since the one before. Nullopt for one
  // that is left out.
  std::optional<int64_t> Admit() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const MonotonicClock clock_;
  absl::Mutex mutex_;
  TokenBucket lines_ ABSL_GUARDED_BY(mutex_);
  int64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace derin::server
