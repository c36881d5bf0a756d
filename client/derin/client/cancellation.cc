#include "derin/client/cancellation.h"

#include <utility>

namespace derin::client {

void Cancellation::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (cancelled_) return;
  cancelled_ = true;
  // Under the lock, so that Remove() cannot return while a stop runs.
  for (auto& [key, stop] : stops_) stop();
}

bool Cancellation::cancelled() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_;
}

bool Cancellation::Wait(absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&cancelled_), timeout);
}

int64_t Cancellation::Add(std::function<void()> stop) {
  absl::MutexLock lock(&mutex_);
  if (cancelled_) stop();
  const int64_t key = next_key_++;
  stops_.emplace(key, std::move(stop));
  return key;
}

void Cancellation::Remove(int64_t key) {
  absl::MutexLock lock(&mutex_);
  stops_.erase(key);
}

}  // namespace derin::client
