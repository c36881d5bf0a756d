#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "model/backend/cuda/cuda_calls.h"

namespace derin::cuda {

// A GPU of the host's memory behind the table of functions: streams work at once,
// own kernels run as RunOnHost does, cuBLASLt's products are loops, and cuDNN's stacks are the
// reference backend's, from a weight space in an order of our own with gaps between the tensors.
// It refuses what the real one would: a call that waits or allocates while a stream is captured, a
// window or a space of another size than was asked for, gradients of the weights before those of
// the data.
class FakeGpu {
 public:
  FakeGpu();
  ~FakeGpu();
  FakeGpu(const FakeGpu&) = delete;

  // The one that was made last; those before it come back when it goes.
  static FakeGpu* current();

  static const CudaCalls& calls();

  // What the next call named, such as `cudaMalloc`, returns once instead of working.
  void FailNext(const std::string& call, int error) { failing_[call] = error; }
  // The error of FailNext for `call`, 0 when there is none.
  int TakeFailure(const std::string& call);

  // Everything called so far, in order, without what only sets descriptors up.
  const std::vector<std::string>& log() const { return log_; }
  void Log(const std::string& call) { log_.push_back(call); }
  void ClearLog() { log_.clear(); }

  int devices = 1;
  int compute_major = 9;
  int multiprocessors = 132;
  // Of a block, as an H100 has it.
  size_t shared_bytes = 232'448;
  // So little that it holds two layers of 6 units and only one of 38.
  int cache_bytes = 30'000;
  int driver_version = 13000;
  // What stays behind when a call of a library has failed.
  cudaError_t last_error = cudaSuccess;
  size_t total_bytes = size_t{80} << 30;
  // What a window forward takes by each of cuDNN's algorithms, what a layer's window or its step by
  // own kernels does, and what all have taken together.
  double milliseconds_of[CUDNN_RNN_ALGO_COUNT] = {1, 1, 1, 1};
  double milliseconds_of_own = 10;
  double milliseconds = 0;

  // Implementation, for the functions behind the table.
  struct Stream {
    int priority = 0;
    std::vector<std::function<void()>>* capture = nullptr;
  };
  // Of which so many are the GPU's own.
  cudaError_t Allocate(void** to, size_t bytes, size_t on_gpu);
  cudaError_t Free(void* memory);
  // Runs `work`, or keeps it for the graph.
  cudaError_t Enqueue(const char* call, Stream* stream, std::function<void()> work);
  // Takes `waiting` into the capture that `waited_for` belongs to, or `waited_for` out of it.
  cudaError_t WaitFor(Stream* waiting, Stream* waited_for,
                      std::vector<std::function<void()>>* capture);
  std::set<Stream*> forks_;  // captured with another stream, which has yet to wait for them
  bool capturing() const { return captures_ > 0; }
  size_t used_bytes() const { return used_bytes_; }
  int captures_ = 0;
  size_t live_allocations() const { return allocations_.size(); }

 private:
  FakeGpu* const previous_;
  std::map<std::string, int> failing_;
  std::vector<std::string> log_;
  std::map<void*, size_t> allocations_;  // with the GPU's bytes of each
  size_t used_bytes_ = 0;
};

}  // namespace derin::cuda
