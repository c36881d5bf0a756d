#pragma once

#include <memory>
#include <tuple>

#include "absl/status/statusor.h"
#include "model/backend/cuda/cuda_queue.h"

namespace derin::cuda {

// A second stream for what a queue's own need not wait for, also while the queue is captured;
// CudaQueue::Fork begins it. Errors are the queue's.
class Branch {
 public:
  // Of `queue`, which outlives it.
  static absl::StatusOr<std::unique_ptr<Branch>> Create(CudaQueue& queue, QueuePriority priority);

  // See CudaQueue.
  void Fork();
  void Join();

  template <class Kernel>
  void Launch(const Kernel& kernel) {
    queue_.LaunchOn(stream_.get(), kernel);
  }
  void Multiply(const MatrixProduct& product);
  // Sets every byte to zero.
  void Clear(View view);

  cudaStream_t stream() const { return stream_.get(); }

 private:
  explicit Branch(CudaQueue& queue) : queue_(queue) {}
  void Order(const Owned<cudaEvent_t>& event, cudaStream_t before, cudaStream_t after);

  CudaQueue& queue_;
  Owned<cudaStream_t> stream_;
  Owned<cudaEvent_t> forked_, joined_;
  std::unique_ptr<MatrixProducts> products_;
};

}  // namespace derin::cuda
