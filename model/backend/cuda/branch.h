#pragma once

#include <memory>
#include <tuple>

#include "absl/status/statusor.h"
#include "model/backend/cuda/cuda_queue.h"

namespace derin::cuda {

// A second stream for what a queue's own need not wait for, also while the queue is captured: Fork,
// work, Join. Errors are the queue's.
class Branch {
 public:
  static absl::StatusOr<std::unique_ptr<Branch>> Create(Device& device, QueuePriority priority);

  // What follows on the branch comes after all that the queue has so far.
  void Fork(CudaQueue& queue);
  // What follows on the queue comes after all that the branch has so far.
  void Join(CudaQueue& queue);

  template <class Kernel>
  void Launch(CudaQueue& queue, const Kernel& kernel) {
    queue.LaunchOn(stream_.get(), kernel);
  }
  void Multiply(CudaQueue& queue, const MatrixProduct& product);

 private:
  Branch() = default;
  void Order(CudaQueue& queue, const Owned<cudaEvent_t>& event, cudaStream_t before,
             cudaStream_t after);

  Owned<cudaStream_t> stream_;
  Owned<cudaEvent_t> forked_, joined_;
  std::unique_ptr<MatrixProducts> products_;
};

}  // namespace derin::cuda
