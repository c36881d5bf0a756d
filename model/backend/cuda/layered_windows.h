#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/backend/cuda/cuda_queue.h"
#include "model/backend/cuda/rnn.h"
#include "model/backend/stack_layout.h"

namespace derin::cuda {

// Windows of a stack by cuDNN, with one call a layer, which leaves room for dropout between them:
// cuDNN's own keeps a state that no checkpoint could hold. For training.
class LayeredWindows {
 public:
  // `setup` is used here only. UNIMPLEMENTED when cuDNN has not got it by `algorithm`.
  static absl::StatusOr<std::unique_ptr<LayeredWindows>> Create(CudaQueue& setup,
                                                                const StackConfig& config,
                                                                const StackExtent& extent,
                                                                cudnnRNNAlgo_t algorithm);
  // Of its part of a stack.
  static absl::StatusOr<StackPlan> Plan(CudaQueue& setup, const StackConfig& config,
                                        const StackExtent& extent, cudnnRNNAlgo_t algorithm);

  // As RecurrentStack has them. `dropout` is empty where the window is not for training.
  void SetParameters(CudaQueue& queue, View parameters);
  void Forward(CudaQueue& queue, int steps, int batch, View tokens, View state_in, View state_out,
               View top, View dropout);
  void Backward(CudaQueue& queue, View d_top, View loss_scale, View gradients);

 private:
  struct Layer {
    StackConfig config;      // of this one alone: the vocabulary is the size of its input
    int64_t parameters = 0;  // where its own begin
    std::unique_ptr<Rnn> rnn;
    std::map<std::pair<int, int>, Rnn::Window> windows;  // by steps and batch
    Buffer chunks, weights, d_weights;
    int64_t chunk_count = 0;
    Buffer x, y;  // [T*B, columns], [T*B, H]
    Buffer reserve;
    // Of the last Forward.
    const Rnn::Window* window = nullptr;
    const void *h_in = nullptr, *c_in = nullptr, *output = nullptr;
  };

  LayeredWindows(const StackConfig& config, const StackExtent& extent);
  // The descriptors of all layers; nothing is allocated yet.
  absl::Status Describe(CudaQueue& setup, cudnnRNNAlgo_t algorithm);
  absl::Status Allocate(CudaQueue& setup);
  absl::Status MapWeights(CudaQueue& setup, Layer& layer) const;
  StackPlan Sizes() const;
  // Of one layer's window of the whole extent.
  const Rnn::Window& Whole(const Layer& layer) const;
  size_t WorkspaceBytes() const;
  int64_t WindowBytes(int64_t columns) const;  // of [T*B, columns]
  int64_t StateBytes() const;                  // of a narrow copy of the states, or 0
  int64_t GradientColumns() const;             // of d_x_

  const Rnn::Window* WindowOf(CudaQueue& queue, Layer& layer, int steps, int batch);
  template <class Number>
  void RunForward(CudaQueue& queue, View tokens, View state_in, View state_out, View top);
  template <class Number>
  bool RunLayer(CudaQueue& queue, Layer& layer, Number* from, Number* to, Number* output);
  template <class Number>
  void RunBackward(CudaQueue& queue, View d_top, const double* scale, float* gradients);
  template <class Number>
  bool LayerBack(CudaQueue& queue, const Layer& layer, const void* d_output);
  // Between the output of the layer below `layer`, or its gradient, and what `layer` reads.
  template <class Number>
  void DropBetween(CudaQueue& queue, int layer, const Number* from, int64_t from_columns,
                   Number* to, int64_t to_columns) const;

  const StackConfig config_;
  const StackExtent extent_;
  std::vector<Layer> layers_;
  Buffer workspace_, d_x_, d_y_;
  // With 16 bits, copies of what the caller has in f32.
  Buffer narrow_state_in_, narrow_state_out_;
  // Of the last Forward.
  int64_t rows_ = 0, state_rows_ = 0;  // T * B, B
  View dropout_;
};

}  // namespace derin::cuda
