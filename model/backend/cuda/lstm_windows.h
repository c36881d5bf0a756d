#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/backend/cuda/branch.h"
#include "model/backend/cuda/cuda_queue.h"
#include "model/backend/cuda/window_algorithm.h"
#include "model/backend/stack_layout.h"

namespace derin::cuda {

// Windows of an LSTM without cuDNN: the products over a whole window by cuBLASLt, and what goes
// from step to step either by LstmWindowForward and LstmWindowBackward, whose blocks must all be on
// the device at once, or, for layers that are too large for that, by a product and a kernel a step.
class LstmWindows {
 public:
  // Whether the device has room for the layers' blocks, as kOwnKernels wants: not for large layers,
  // nor for large batches.
  static bool HasRoom(const Device& device, const StackConfig& config, const StackExtent& extent);
  // Of its part of a stack, by kOwnKernels or kStepProducts.
  static StackPlan Plan(const StackConfig& config, const StackExtent& extent,
                        WindowAlgorithm algorithm);
  static absl::StatusOr<std::unique_ptr<LstmWindows>> Create(Device& device,
                                                             const StackConfig& config,
                                                             const StackExtent& extent,
                                                             WindowAlgorithm algorithm);

  // As RecurrentStack has them. `dropout` is empty where nothing is dropped.
  void SetParameters(CudaQueue& queue, View parameters);
  void Forward(CudaQueue& queue, int steps, int batch, View tokens, View state_in, View state_out,
               View top, View dropout);
  void Backward(CudaQueue& queue, View d_top, View loss_scale, View gradients);

 private:
  LstmWindows(const StackConfig& config, const StackExtent& extent, WindowAlgorithm algorithm);

  // A layer's part of a buffer in which each has as much.
  template <class Number = float>
  Number* OfLayer(const Buffer& buffer, int layer) const;
  const float* Weight(int slice) const { return parameters_ + slices_[slice].offset; }
  const void* WeightFactor(int slice) const {
    return Factor(parameters_, narrow_weights_, slices_[slice].offset);
  }
  // Where the factors of products are: in `real`, or at the same element of its copy in 16 bits.
  static const void* Factor(const float* real, const Buffer& narrow, int64_t element);
  // Of h after `step` steps of a layer, and of the gradient of its gates in a step.
  const void* HFactor(int layer, int64_t step) const;
  // Of what a layer reads of the one below in a step.
  const void* BelowFactor(int layer, int64_t step) const;
  const void* DGatesFactor(int layer, int64_t step) const;

  // The rest is for a lane: a queue, or its branch.
  // A layer's part of its gates that comes from the layer below, for the steps [from, to).
  template <class Lane>
  void InputOfLayer(Lane& lane, int layer, int64_t from, int64_t to) const;
  // The gradient of what the layer below has, from that of a layer's gates.
  template <class Lane>
  void GradientBelow(Lane& lane, int layer, int64_t from, int64_t to) const;
  template <class Number, class Lane>
  void GradientsOfLayer(Lane& lane, int layer, const double* scale, float* gradients,
                        FaultWord* fault) const;

  // lstm_windows_dropout.cc; without dropout they do nothing. What a layer reads of the one below,
  // before InputOfLayer, and what GradientBelow has left.
  template <class Lane>
  void DropBelow(Lane& lane, int layer, int64_t from, int64_t to) const;
  // What both launch: steps [from, to) of what layer `layer` reads.
  template <class Lane, class Number>
  void LaunchDrop(Lane& lane, const float* read, Number* written, int layer, int64_t from,
                  int64_t to) const;
  template <class Lane>
  void DropGradient(Lane& lane, int layer, int64_t from, int64_t to) const;

  // All steps of a layer, there and back.
  void ForwardByKernel(CudaQueue& queue, int layer, View state_in, View state_out, View top);
  void BackwardByKernel(CudaQueue& queue, int layer, View d_h);

  // Whether layers are computed two by two, the second of them some steps behind the first, on the
  // branch: what one waits for the other makes use of. Not where the weights of one stay in the
  // cache from step to step and those of two would not.
  bool SideBySide(const Device& device) const;
  template <class Number>
  void ForwardBySteps(CudaQueue& queue, View state_in, View state_out, View top);
  template <class Number>
  void BackwardBySteps(CudaQueue& queue, View d_top, const double* scale, float* gradients);
  template <class Number, class Lane>
  void ForwardSteps(Lane& lane, bool beside, int layer, int64_t from, int64_t to, View state_in,
                    View state_out, View top, FaultWord* fault);
  template <class Number, class Lane>
  void BackwardSteps(Lane& lane, bool beside, int layer, int64_t from, int64_t to, View d_top,
                     const double* scale);

  const StackConfig config_;
  const StackExtent extent_;
  const bool by_steps_;      // each step by a product and a kernel
  const Precision factors_;  // of the products
  const std::vector<Slice> slices_;

  const float* parameters_ = nullptr;  // as StackSlices
  Buffer weights_;                     // a copy of them, but for training
  Buffer biases_;                      // [L, 4H], of input and state together
  Buffer table_;                       // [V, 4H], of the first layer
  Buffer h_, c_;                       // [L, 1 + T, B, H]
  Buffer gates_, d_gates_;             // [L, T, B, 4H]
  Buffer input_;                       // [T, B, 4H], of the layers above the first
  Buffer d_h_;                         // [T, B, H]
  Buffer below_;                       // [L - 1, T, B, H], factors, what dropout leaves
  Buffer x_;  // [T, B, V], one-hot factors, for the first layer's gradients
  // Of each lane.
  Buffer product_;                                     // [2, B, 4H], of a step
  Buffer d_c_;                                         // [2, B, H], of a step
  Buffer narrow_weights_, narrow_h_, narrow_d_gates_;  // in 16 bits, where factors_ are
  // Of the last Forward.
  int steps_ = 0, batch_ = 0;
  View tokens_, dropout_;
};

}  // namespace derin::cuda
