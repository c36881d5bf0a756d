#pragma once

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "model/backend/cpu/device_turns.h"
#include "model/backend/cpu/kernels.h"
#include "model/backend/cpu/worker_pool.h"
#include "model/backend/host_backend.h"

namespace derin::cpu {

// As many flops take as long as to read or write an element in a row of many, and as to move one
// between a matrix and panels of it, where each comes from another cache line.
inline constexpr double kFlopsOfStreamed = 30, kFlopsOfPacked = 200;

// The processor as a device: its one pool of workers, whose turn it is, and what it can compute.
struct Device {
  Device(InstructionSet set, int threads);

  const InstructionSet instructions;
  const Kernels& kernels;
  WorkerPool workers;
  DeviceTurns turns;
};

class CpuQueue : public HostQueue {
 public:
  CpuQueue(Device& device, QueuePriority priority) : device(device), priority(priority) {}

  // Scratch of at least `bytes` for one operation, zeroed when it grows. It only grows, so that
  // after the first operations nothing is allocated. RESOURCE_EXHAUSTED fails the queue: null.
  void* Scratch(size_t bytes);

  Device& device;
  const QueuePriority priority;

 private:
  std::shared_ptr<void> scratch_;
  size_t scratch_bytes_ = 0;
};

// One operation's time with all of the workers, from construction to destruction.
class Turn {
 public:
  explicit Turn(CpuQueue& queue);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  int workers() const { return device_.workers.threads(); }

  // Calls body(task, worker) for each task below `tasks` and returns when all are done.
  // Neighbouring tasks go to one worker, always the same, so that what they read may still be in
  // the cache of its core. `flops` of one task, roughly, or what takes as long: training lets
  // generation go before about every half millisecond, or after each task that takes longer.
  void ForEach(int64_t tasks, double flops, absl::FunctionRef<void(int64_t task, int worker)> body);

 private:
  Device& device_;
  const QueuePriority priority_;
};

}  // namespace derin::cpu
