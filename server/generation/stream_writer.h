#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "server/generation/generation.h"
#include "server/generation/write_schedule.h"

namespace derin::server {

// The one thread that hands text to gRPC: StartWrite works on its caller's thread, and the engine
// must not wait for that.
class StreamWriter {
 public:
  // `on_room` is called from the writer's thread when a full outbox has room again.
  explicit StreamWriter(std::function<void()> on_room);
  // All streams have ended.
  ~StreamWriter();

  void Add(std::shared_ptr<Generation> stream) ABSL_LOCKS_EXCLUDED(mutex_);
  // These streams' outboxes have something new: one call for each step.
  void Ready(absl::Span<const std::shared_ptr<Generation>> streams) ABSL_LOCKS_EXCLUDED(mutex_);
  // The last Send of the stream is done; any thread.
  void Written(Generation* stream) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run();
  // Whether to wake before waits_until_. What may go only later wakes nobody: a step's text mostly
  // waits for its stream's interval, and the thread would take a processor from the engine's.
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || schedule_.NextDue() < waits_until_;
  }
  void SendNext(const std::shared_ptr<Generation>& stream) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::function<void()> on_room_;
  absl::Mutex mutex_;
  WriteSchedule schedule_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Generation*, std::shared_ptr<Generation>> streams_ ABSL_GUARDED_BY(mutex_);
  absl::Time waits_until_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace derin::server
