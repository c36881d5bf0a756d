#include "model/backend/cpu/turn.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_format.h"

namespace derin::cpu {
namespace {

// Of one worker between two places where generation may go before: half a millisecond at the 80
// GFLOP/s of a core with AVX2.
constexpr double kFlopsBetweenYields = 40e6;

absl::Duration MonotonicTime() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

Device::Device(InstructionSet set, int threads)
    : instructions(set),
      kernels(KernelsFor(set)),
      workers(threads, kernels.rest),
      turns(&MonotonicTime) {}

void* CpuQueue::Scratch(size_t bytes) {
  if (bytes <= scratch_bytes_) return scratch_.get();
  scratch_ = nullptr;
  scratch_ = AllocateZeroed(bytes);
  scratch_bytes_ = scratch_ == nullptr ? 0 : bytes;
  if (scratch_ == nullptr) {
    Fail(absl::ResourceExhaustedError(
        absl::StrFormat("wanted %d bytes of memory for an operation, got none", bytes)));
  }
  return scratch_.get();
}

Turn::Turn(CpuQueue& queue) : device_(queue.device), priority_(queue.priority) {
  device_.turns.Begin(priority_);
}

Turn::~Turn() { device_.turns.End(); }

void Turn::ForEach(int64_t tasks, double flops, absl::FunctionRef<void(int64_t, int)> body) {
  if (priority_ == QueuePriority::kGeneration) return device_.workers.ForEach(tasks, body);
  const int64_t workers = device_.workers.threads();
  const double flops_of_worker = flops * static_cast<double>(tasks) / static_cast<double>(workers);
  const auto parts = static_cast<int64_t>(flops_of_worker / kFlopsBetweenYields) + 1;
  for (int64_t part = 0; part < parts; ++part) {
    device_.workers.ForEach(tasks, body, part, parts);
    device_.turns.Yield();
  }
}

}  // namespace derin::cpu
