#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace derin::cpu {

// Threads that work together on one thing at a time: the caller and its helpers, each helper pinned
// to a core. They meet in some 100 ns, for a helper spins a while for the next work before it
// sleeps; a pool without work costs nothing. Denormals are flushed to zero while working.
class WorkerPool {
 public:
  // `threads` includes the caller's, at least 1.
  explicit WorkerPool(int threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // How many cores this process may use.
  static int AvailableCores();

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls body(worker) for each worker from 0 to threads() - 1, all at once, and returns when all
  // have returned. One call at a time.
  void Run(absl::FunctionRef<void(int worker)> body);

  // Calls body(task, worker) for each task below `tasks`. Neighbouring tasks go to one worker,
  // always the same.
  void ForEach(int64_t tasks, absl::FunctionRef<void(int64_t task, int worker)> body);

 private:
  void Help(int worker);

  // Each on a cache line of its own: the caller writes the first two, the helpers the third.
  alignas(64) std::atomic<uint32_t> round_ = 0;   // counts calls of Run
  absl::FunctionRef<void(int)>* body_ = nullptr;  // of this round; null: the pool ends
  alignas(64) std::atomic<int> sleeping_ = 0;     // helpers
  alignas(64) std::atomic<int> unfinished_ = 0;   // helpers that still work on this round
  std::vector<std::thread> helpers_;
};

}  // namespace derin::cpu
