#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/backend/cuda/branch.h"
#include "model/backend/cuda/cuda_queue.h"
#include "model/backend/stack_layout.h"

namespace derin::cuda {

// Windows of an LSTM in f32 by own kernels: the products over a whole window by cuBLASLt, and what
// goes from step to step by LstmWindowForward and LstmWindowBackward, whose blocks must all be on
// the device at once.
class LstmWindows {
 public:
  // Whether the device has room for the layers' blocks: not for large layers, nor for large
  // batches.
  static bool Serves(const Device& device, const StackConfig& config, const StackExtent& extent);
  // Of its part of a stack.
  static StackPlan Plan(const StackConfig& config, const StackExtent& extent);
  static absl::StatusOr<std::unique_ptr<LstmWindows>> Create(Device& device,
                                                             const StackConfig& config,
                                                             const StackExtent& extent);

  // As RecurrentStack has them.
  void SetParameters(CudaQueue& queue, View parameters);
  void Forward(CudaQueue& queue, int steps, int batch, View tokens, View state_in, View state_out,
               View top);
  void Backward(CudaQueue& queue, View d_top, View gradients);

 private:
  LstmWindows(const StackConfig& config, const StackExtent& extent)
      : config_(config), extent_(extent), slices_(StackSlices(config)) {}

  // A layer's part of a buffer in which each has as much.
  float* OfLayer(const Buffer& buffer, int layer) const;
  const float* Weight(int slice) const {
    return weights_.view().As<float>() + slices_[slice].offset;
  }
  // On the branch: nothing of the way back waits for them.
  void GradientsOfLayer(CudaQueue& queue, int layer, float* gradients);

  const StackConfig config_;
  const StackExtent extent_;
  const std::vector<Slice> slices_;

  Buffer weights_;                  // as StackSlices
  Buffer biases_;                   // [L, 4H], of input and state together
  Buffer table_;                    // [V, 4H], of the first layer
  Buffer h_, c_;                    // [L, 1 + T, B, H]
  Buffer gates_, d_gates_;          // [L, T, B, 4H]
  Buffer input_;                    // [T, B, 4H], of the layers above the first
  Buffer d_h_;                      // [T, B, H]
  Buffer x_;                        // [T, B, V], one-hot, for the first layer's gradients
  std::unique_ptr<Branch> branch_;  // for training
  // Of the last Forward.
  int steps_ = 0, batch_ = 0;
  View tokens_;
};

}  // namespace derin::cuda
