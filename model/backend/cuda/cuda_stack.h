#pragma once

#include <map>
#include <memory>
#include <utility>

#include "model/backend/backend.h"
#include "model/backend/cuda/cuda_queue.h"
#include "model/backend/cuda/layered_windows.h"
#include "model/backend/cuda/lstm_windows.h"
#include "model/backend/cuda/rnn.h"
#include "model/backend/cuda/stepper.h"
#include "model/backend/cuda/window_algorithm.h"

namespace derin::cuda {

// Windows by LstmWindows or by cuDNN, as the algorithm says, of all layers at once or, with
// dropout, by LayeredWindows; single steps by a Stepper. Each has the weights in a packing of its
// own, and only those that the extent asks for.
class CudaStack : public RecurrentStack {
 public:
  // `setup` is used here only. UNIMPLEMENTED when cuDNN has not got it by `algorithm`.
  static absl::StatusOr<std::unique_ptr<CudaStack>> Create(CudaQueue& setup,
                                                           const StackConfig& config,
                                                           const StackExtent& extent,
                                                           WindowAlgorithm algorithm);
  // The bytes that Create would allocate.
  static absl::StatusOr<StackPlan> Plan(CudaQueue& setup, const StackConfig& config,
                                        const StackExtent& extent, WindowAlgorithm algorithm);

  const StackConfig& config() const override { return config_; }
  std::string_view choice() const override;
  void SetParameters(Queue& queue, View parameters) override;
  using RecurrentStack::Forward;
  void Forward(Queue& queue, ForwardMode mode, int steps, int batch, View tokens, View state_in,
               View state_out, View top, View dropout) override;
  void Backward(Queue& queue, View d_top, View loss_scale, View gradients) override;
  void Step(Queue& queue, View tokens, View slots, View pool, View top, StepOfRun of) override;

 private:
  CudaStack(const StackConfig& config, const StackExtent& extent, WindowAlgorithm algorithm)
      : config_(config), extent_(extent), algorithm_(algorithm) {}
  absl::Status AllocateForWindows(CudaQueue& setup);
  // The descriptors of windows of this size, made when they are first wanted; null when that fails,
  // and then the queue has failed.
  const Rnn::Window* WindowOf(CudaQueue& queue, int steps, int batch);
  // As the public ones, with data of the type `Number`.
  template <class Number>
  void Pack(CudaQueue& queue, View parameters);
  template <class Number>
  void RunForward(CudaQueue& queue, const Rnn::Window& window, bool training, View tokens,
                  View state_in, View state_out, View top);
  template <class Number>
  void RunBackward(CudaQueue& queue, View d_top, View loss_scale, View gradients);

  const StackConfig config_;
  const StackExtent extent_;
  const WindowAlgorithm algorithm_;

  // One of the three, where the extent has windows.
  std::unique_ptr<LstmWindows> lstm_;
  std::unique_ptr<LayeredWindows> layered_;
  std::unique_ptr<Rnn> rnn_;
  std::map<std::pair<int, int>, Rnn::Window> windows_;  // by steps and batch
  Buffer chunks_, weights_, d_weights_, x_, d_x_, workspace_, reserve_;
  // With 16 bits, copies of what the caller has in f32.
  Buffer narrow_state_in_, narrow_state_out_, narrow_top_, narrow_d_top_;
  int64_t chunk_count_ = 0;
  // Of the last Forward for training.
  const Rnn::Window* forwarded_ = nullptr;
  const void *state_in_ = nullptr, *top_ = nullptr;
  size_t state_elements_ = 0;
  bool clean_ = false;  // d_weights_, as the way back wants it

  std::unique_ptr<Stepper> stepper_;
};

}  // namespace derin::cuda
