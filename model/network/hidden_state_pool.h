#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "model/backend/backend.h"

namespace derin {

// Slots of hidden state on the device, [slots, L, S, H], for all models whose state has the same
// size. Slot 0 is zeros and belongs to nobody: copying it is how a fresh sequence starts.
// Thread-safe.
class HiddenStatePool {
 public:
  // Room for `capacity` sequences.
  static absl::StatusOr<std::unique_ptr<HiddenStatePool>> Create(Backend& backend, ElementType type,
                                                                 int64_t slot_elements,
                                                                 int capacity);

  // A slot that nobody has; its contents are those of its last owner. RESOURCE_EXHAUSTED when all
  // are taken.
  absl::StatusOr<int32_t> Acquire() ABSL_LOCKS_EXCLUDED(mutex_);
  void Release(int32_t slot) ABSL_LOCKS_EXCLUDED(mutex_);

  View view() const { return buffer_.view(); }
  // The state in `slot`, [L, S, H].
  View slot(int32_t slot) const {
    return buffer_.view().Slice(static_cast<size_t>(slot) * slot_elements_, slot_elements_);
  }
  // How many sequences it has room for, and their bytes.
  int capacity() const { return capacity_; }
  int64_t capacity_bytes() const { return capacity_ * slot_bytes(); }
  // Of the slots that are taken.
  int64_t taken_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);
  int64_t slot_elements() const { return slot_elements_; }
  int64_t slot_bytes() const {
    return slot_elements_ * static_cast<int64_t>(ElementSize(buffer_.view().type));
  }

 private:
  HiddenStatePool(Buffer buffer, int64_t slot_elements, int capacity);

  const Buffer buffer_;
  const int64_t slot_elements_;
  const int capacity_;
  mutable absl::Mutex mutex_;
  std::vector<int32_t> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin
