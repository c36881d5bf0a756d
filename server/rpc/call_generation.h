#pragma once

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/generation/generation.h"

namespace derin::server {

// What the engine makes for a call, which its client may leave before that has begun. Thread-safe.
class CallGeneration {
 public:
  // Cancelled at once if the client has left.
  void Set(std::shared_ptr<Generation> generation) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (left_) generation->Cancel();
    generation_ = std::move(generation);
  }
  // The client has left.
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    left_ = true;
    if (generation_ != nullptr) generation_->Cancel();
  }
  // Null before the first Set.
  Generation* get() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return generation_.get();
  }

 private:
  mutable absl::Mutex mutex_;
  bool left_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Generation> generation_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
