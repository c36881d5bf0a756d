#pragma once

#include <functional>

#include "model/backend/backend.h"
#include "model/backend/cuda/device.h"

namespace derin::cuda {

// A CUDA graph: the first run executes the body, so that whatever is made on first use is made; the
// second captures it; that one and all later ones launch the graph. All on one queue.
class CudaRecording : public Recording {
 public:
  CudaRecording(std::shared_ptr<Device> device, std::function<void(Queue&)> body)
      : device_(std::move(device)), body_(std::move(body)) {}

  void Run(Queue& queue) override;

 private:
  const std::shared_ptr<Device> device_;
  const std::function<void(Queue&)> body_;
  const Queue* recorded_on_ = nullptr;
  Owned<cudaGraphExec_t> graph_;
};

}  // namespace derin::cuda
