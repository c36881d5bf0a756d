#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace derin::client {

// Ends calls from another thread: hand it to a call that streams, call Cancel() when it should end.
//
// Cancelled is for ever: a call that starts later with the same object ends at once. One object may
// serve several calls at a time; it must outlive them. Any thread may call Cancel(), but no signal
// handler.
class Cancellation {
 public:
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);
  bool cancelled() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until `timeout` is over or Cancel() is called; true when cancelled.
  bool Wait(absl::Duration timeout) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs `stop` once on Cancel(), at once when that was already; for calls that want to be ended.
  // Remove() with the returned key; after it `stop` does not run and is not running.
  int64_t Add(std::function<void()> stop) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(int64_t key) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t next_key_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int64_t, std::function<void()>> stops_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::client
