#include "model/network/hidden_state_pool.h"

#include <utility>

#include "absl/strings/str_format.h"

namespace derin {

absl::StatusOr<std::unique_ptr<HiddenStatePool>> HiddenStatePool::Create(Backend& backend,
                                                                         ElementType type,
                                                                         int64_t slot_elements,
                                                                         int capacity) {
  auto buffer = backend.Allocate(type, static_cast<size_t>(slot_elements) * (capacity + 1));
  if (!buffer.ok()) return buffer.status();
  return std::unique_ptr<HiddenStatePool>(
      new HiddenStatePool(*std::move(buffer), slot_elements, capacity));
}

HiddenStatePool::HiddenStatePool(Buffer buffer, int64_t slot_elements, int capacity)
    : buffer_(std::move(buffer)), slot_elements_(slot_elements), capacity_(capacity) {
  free_.reserve(capacity);
  for (int32_t slot = capacity; slot >= 1; --slot) free_.push_back(slot);
}

absl::StatusOr<int32_t> HiddenStatePool::Acquire() {
  absl::MutexLock lock(&mutex_);
  if (free_.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("all %d slots of hidden state are taken", capacity_));
  }
  const int32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

int64_t HiddenStatePool::taken_bytes() const {
  absl::MutexLock lock(&mutex_);
  const auto taken = capacity_ - static_cast<int64_t>(free_.size());
  return taken * slot_bytes();
}

void HiddenStatePool::Release(int32_t slot) {
  absl::MutexLock lock(&mutex_);
  free_.push_back(slot);
}

}  // namespace derin
