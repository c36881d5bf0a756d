#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace derin::server {

// Threads for what calls ask for, some of which waits: for a model to be loaded, for a disk, for
// its turn on the device. gRPC's own threads, of which a small machine has two, carry all streams'
// messages and must not wait with it. Thread-safe.
class HandlerThreads {
 public:
  // Starts a thread when there is more to run than threads that rest, up to `most`.
  explicit HandlerThreads(int most = 32) : most_(most) {}
  // Runs all that was given first.
  ~HandlerThreads();
  HandlerThreads(const HandlerThreads&) = delete;
  HandlerThreads& operator=(const HandlerThreads&) = delete;

  // Runs `handler` on one of the threads, in the order in which they were given.
  void Run(absl::AnyInvocable<void()> handler) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasNews() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ending_ || !given_.empty(); }

  const int most_;
  absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> given_ ABSL_GUARDED_BY(mutex_);
  size_t resting_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
