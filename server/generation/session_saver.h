#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/generation/generation.h"
#include "server/generation/session_keeper.h"

namespace derin::server {

// The one thread that keeps sessions whose calls have ended, and then lets those calls end: the
// engine waits for no disk. Sessions that are to outlive a loss of power wait for a sync of the
// disk that serves all of them, at most one in 5 ms.
class SessionSaver {
 public:
  // `keeper` outlives the saver. `on_kept` is called from its thread with calls that have given
  // their sessions back and put their ends into their outboxes.
  SessionSaver(SessionKeeper& keeper,
               std::function<void(absl::Span<const std::shared_ptr<Generation>>)> on_kept);
  // Once all are kept.
  ~SessionSaver();

  // The engine has done with these calls.
  void Add(absl::Span<const std::shared_ptr<Generation>> ended) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether a call in this session is not at its end yet.
  bool Has(const Session& session) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run();
  bool HasNews() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !ended_.empty();
  }
  void Release(absl::Span<const std::shared_ptr<Generation>> kept, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_);

  SessionKeeper& keeper_;
  const std::function<void(absl::Span<const std::shared_ptr<Generation>>)> on_kept_;

  mutable absl::Mutex mutex_;
  std::vector<std::shared_ptr<Generation>> ended_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<const Session*> sessions_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace derin::server
