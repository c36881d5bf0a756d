#pragma once

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"

namespace derin {

enum class QueuePriority { kTraining, kGeneration };

// Work in order for one device: a CUDA stream with its own handles; on a CPU the calling thread.
// One thread uses a queue at a time; several queues may be used at once.
//
// Backend operations only enqueue and return nothing: the first one that fails turns the rest of
// the queue into no-ops, and Wait reports it. Who goes on makes another queue.
class Queue {
 public:
  using Ticket = uint64_t;

  virtual ~Queue() = default;
  // Marks what was enqueued until now.
  virtual Ticket Signal() = 0;
  // Blocks until all work before `ticket` is done. The queue's first error, once there is one.
  virtual absl::Status Wait(Ticket ticket) = 0;

  absl::Status Finish() { return Wait(Signal()); }

  // No other queue of the process has it, nor any that comes when this one is gone.
  uint64_t id() const { return id_; }

 private:
  static inline std::atomic<uint64_t> made_ = 0;
  const uint64_t id_ = ++made_;
};

}  // namespace derin
