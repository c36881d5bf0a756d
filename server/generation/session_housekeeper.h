#pragma once

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/generation/session_archive.h"
#include "server/generation/session_store.h"

namespace derin::server {

// The thread that removes sessions that have expired, and what disk they and others leave unused.
class SessionHousekeeper {
 public:
  // Both outlive it. It works once in a `round`, and does `more` too where that is given.
  SessionHousekeeper(SessionStore& sessions, SessionArchive& archive,
                     absl::Duration round = absl::Seconds(10), std::function<void()> more = {});
  ~SessionHousekeeper();

 private:
  void Run();
  bool Stopping() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Compact();

  SessionStore& sessions_;
  SessionArchive& archive_;
  const absl::Duration round_;
  const std::function<void()> more_;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace derin::server
