#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/metrics/monotonic_clock.h"
#include "server/metrics/token_bucket.h"
#include "server/storage/usage_table.h"

namespace derin::server {

// What one caller has used, counted as it is used, and the tokens a minute that it may use. Any
// thread; counting takes no lock, and one where the caller has a limit of tokens.
class CallerAccount {
 public:
  // `before`: what it used in earlier processes.
  explicit CallerAccount(const MonotonicClock& clock, const UsageFigures& before = {})
      : clock_(clock),
        prompt_(before.prompt_tokens),
        generated_(before.generated_tokens),
        scored_(before.scored_tokens),
        trained_(before.trained_tokens),
        calls_us_(absl::ToInt64Microseconds(before.call_time)),
        training_us_(absl::ToInt64Microseconds(before.training_time)) {}

  // These three take from the tokens of the minute.
  void AddPromptTokens(int64_t tokens) { Charge(prompt_, tokens); }
  void AddGeneratedTokens(int64_t tokens) { Charge(generated_, tokens); }
  void AddScoredTokens(int64_t tokens) { Charge(scored_, tokens); }
  void AddTrainedTokens(int64_t tokens) { Add(trained_, tokens); }
  void AddCallTime(absl::Duration time) { Add(calls_us_, absl::ToInt64Microseconds(time)); }
  void AddTrainingTime(absl::Duration time) { Add(training_us_, absl::ToInt64Microseconds(time)); }

  UsageFigures figures() const;

  // Unset: as many as it likes.
  void SetTokensPerMinute(std::optional<int64_t> limit) ABSL_LOCKS_EXCLUDED(mutex_);
  // How long until it may use one more token; zero when it may now.
  absl::Duration TokenDelay() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static void Add(std::atomic<int64_t>& count, int64_t more) {
    count.fetch_add(more, std::memory_order_relaxed);
  }
  void Charge(std::atomic<int64_t>& count, int64_t tokens) ABSL_LOCKS_EXCLUDED(mutex_);

  const MonotonicClock& clock_;
  std::atomic<int64_t> prompt_, generated_, scored_, trained_, calls_us_, training_us_;
  std::atomic<bool> limited_ = false;
  mutable absl::Mutex mutex_;
  std::optional<TokenBucket> bucket_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
