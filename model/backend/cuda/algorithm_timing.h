#pragma once

#include "absl/status/statusor.h"
#include "model/backend/cuda/cuda_queue.h"
#include "model/backend/cuda/window_algorithm.h"
#include "model/backend/stack_config.h"

namespace derin::cuda {

// Milliseconds of one window there and back by `algorithm`, the weights packed anew, replayed as a
// graph as training does: the best of a few stretches, on memory of its own, while the GPU may
// have other work. A failure may be the queue's. UNIMPLEMENTED when cuDNN has not got it.
absl::StatusOr<double> TimeOfTraining(CudaQueue& queue, const StackConfig& config,
                                      const StackExtent& extent, WindowAlgorithm algorithm);

}  // namespace derin::cuda
