#pragma once

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "model/backend/backend.h"
#include "model/network/hidden_state_pool.h"

namespace derin::server {

// Copies hidden states beside the engine's steps, on a queue of its own. Thread-safe.
class StateCopier {
 public:
  // `backend` outlives the copier.
  explicit StateCopier(Backend& backend) : backend_(backend) {}

  // Slot `from` of `pool` to slot `to`; no step that is under way uses either. Blocks until done.
  absl::Status Copy(HiddenStatePool& pool, int32_t from, int32_t to) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // What is needed before the first copy.
  absl::Status Prepare() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Backend& backend_;
  absl::Mutex mutex_;
  std::unique_ptr<Queue> queue_ ABSL_GUARDED_BY(mutex_);
  Buffer from_ ABSL_GUARDED_BY(mutex_), to_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
