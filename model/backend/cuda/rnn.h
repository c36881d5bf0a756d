#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/backend/cuda/device.h"
#include "model/backend/cuda/element.h"
#include "model/backend/stack_config.h"
#include "model/backend/stack_layout.h"

namespace derin::cuda {

// The bytes that cuDNN wants beside the weights for one size of window.
struct TemporarySpace {
  size_t workspace = 0;
  size_t reserve = 0;
};

// cuDNN's description of a stack over dense one-hot input [T, B, columns]: data, weights and
// carried states of 16 bits with kF16 and kBf16, else of 32. The batch is always full, so the
// sequences are described as packed, which wants no conversion; there is no dropout.
class Rnn {
 public:
  static absl::StatusOr<std::unique_ptr<Rnn>> Create(Device& device, cudnnHandle_t handle,
                                                     const StackConfig& config,
                                                     cudnnRNNAlgo_t algorithm);

  // Columns of the input: but in f32 a multiple of 8, which tensor cores want.
  static constexpr int InputColumns(const StackConfig& config) {
    return config.precision == Precision::kF32 ? config.vocabulary
                                               : (config.vocabulary + 7) / 8 * 8;
  }

  // Elements of the weight space.
  size_t weights() const {
    return weight_bytes_ / static_cast<size_t>(ElementBytes(config_.precision));
  }
  size_t weight_bytes() const { return weight_bytes_; }
  cudnnRNNDescriptor_t descriptor() const { return rnn_.get(); }

  // Where each tensor of StackSlices lies in `weight_space`, in elements from its beginning. What
  // does not fit our idea of it (a matrix that is not rows by columns, row-major; tensors that
  // overlap) is INTERNAL with cuDNN's figures.
  absl::StatusOr<std::vector<Chunk>> WeightMap(cudnnHandle_t handle, void* weight_space) const;

  // What describes windows of one size.
  struct Window {
    Owned<cudnnRNNDataDescriptor_t> x, y;
    Owned<cudnnTensorDescriptor_t> state;  // [L, B, H]
    TemporarySpace training, inference;
  };
  absl::StatusOr<Window> MakeWindow(cudnnHandle_t handle, int steps, int batch) const;
  // INTERNAL where one wants more than `space`, which was enough for `extent`.
  absl::StatusOr<Window> MakeWindowWithin(cudnnHandle_t handle, int steps, int batch,
                                          const StackExtent& extent,
                                          const TemporarySpace& space) const;

 private:
  Rnn(Device& device, const StackConfig& config) : device_(device), config_(config) {}

  Device& device_;
  const StackConfig config_;
  Owned<cudnnDropoutDescriptor_t> dropout_;
  Owned<cudnnRNNDescriptor_t> rnn_;
  size_t weight_bytes_ = 0;
};

}  // namespace derin::cuda
