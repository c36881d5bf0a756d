#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "model/backend/backend.h"
#include "model/network/hidden_state_pool.h"

namespace derin::server {

// Reads hidden states off the device beside the engine's steps, on a queue of its own. Thread-safe.
class StateReader {
 public:
  // `backend` outlives the reader.
  explicit StateReader(Backend& backend) : backend_(backend) {}

  // What is in slot `slot` of `pool`, [L, S, H]; no step that is under way uses it. Blocks until it
  // is there.
  absl::StatusOr<std::vector<float>> Read(const HiddenStatePool& pool, int32_t slot)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Backend& backend_;
  absl::Mutex mutex_;
  std::unique_ptr<Queue> queue_ ABSL_GUARDED_BY(mutex_);  // made when it is needed
};

}  // namespace derin::server
