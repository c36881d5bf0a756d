#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace derin::cpu {

// Threads that share out tasks: the caller and its helpers. They meet in some 100 ns, for a helper
// spins a while for the next tasks before it sleeps; a pool without work costs nothing. A helper
// that has no core just then holds nobody up, since whoever is done takes over tasks that nobody
// has begun; none is tied to a core, where it would wait behind the caller while another core is
// idle. Denormals are flushed to zero while working.
class WorkerPool {
 public:
  // `threads` includes the caller's, at least 1. Each calls `rest`, where there is one, when it has
  // done its tasks of a round.
  explicit WorkerPool(int threads, void (*rest)() = nullptr);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // How many cores this process may use, by its affinity and by its control group.
  static int AvailableCores();

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls body(task, worker) for tasks below `tasks`, fewer than 2^31, and returns when all have
  // returned; `worker`, below threads(), is who calls. Each worker has a range of neighbouring
  // tasks, always the same one, and begins with those. Of `parts` calls that together do all tasks,
  // this is call `part`: each does a part of every worker's range. One call at a time.
  void ForEach(int64_t tasks, absl::FunctionRef<void(int64_t task, int worker)> body,
               int64_t part = 0, int64_t parts = 1);

 private:
  // The tasks of a worker's range that nobody has begun: [next, end), in one word so that a claim
  // is one exchange.
  struct alignas(64) Range {
    std::atomic<uint64_t> next_and_end = 0;
  };

  void Help(int worker);
  // Does tasks, its own first, until all are begun.
  void Work(int worker);

  const std::unique_ptr<Range[]> ranges_;  // one for each worker
  void (*const rest_)();
  // Written by the caller before it fills the ranges, so who claims a task sees what to do.
  absl::FunctionRef<void(int64_t, int)>* body_ = nullptr;
  std::vector<std::thread> helpers_;

  // Each on a cache line of its own.
  alignas(64) std::atomic<uint32_t> round_ = 0;      // counts calls of ForEach
  alignas(64) std::atomic<int> sleeping_ = 0;        // helpers
  alignas(64) std::atomic<int64_t> unfinished_ = 0;  // tasks of this round
  std::atomic<bool> stop_ = false;
};

}  // namespace derin::cpu
