#include "server/usage/caller_account.h"

namespace derin::server {

UsageFigures CallerAccount::figures() const {
  return {.prompt_tokens = prompt_,
          .generated_tokens = generated_,
          .scored_tokens = scored_,
          .trained_tokens = trained_,
          .call_time = absl::Microseconds(calls_us_.load()),
          .training_time = absl::Microseconds(training_us_.load())};
}

void CallerAccount::SetTokensPerMinute(std::optional<int64_t> limit) {
  if (!limit.has_value() && !limited_.load(std::memory_order_relaxed)) return;
  absl::MutexLock lock(&mutex_);
  if (!limit.has_value()) {
    bucket_.reset();
  } else if (!bucket_.has_value()) {
    bucket_.emplace(*limit, clock_());
  } else if (bucket_->per_period() != *limit) {
    bucket_->SetRate(*limit, clock_());
  }
  limited_ = bucket_.has_value();
}

absl::Duration CallerAccount::TokenDelay() const {
  if (!limited_.load(std::memory_order_relaxed)) return absl::ZeroDuration();
  absl::MutexLock lock(&mutex_);
  return bucket_.has_value() ? bucket_->Delay(clock_()) : absl::ZeroDuration();
}

void CallerAccount::Charge(std::atomic<int64_t>& count, int64_t tokens) {
  Add(count, tokens);
  if (!limited_.load(std::memory_order_relaxed)) return;
  absl::MutexLock lock(&mutex_);
  if (bucket_.has_value()) bucket_->Take(tokens, clock_());
}

}  // namespace derin::server
