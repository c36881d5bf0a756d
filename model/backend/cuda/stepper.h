#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/backend/cuda/cuda_queue.h"
#include "model/backend/stack_config.h"
#include "model/backend/stack_layout.h"
#include "model/backend/view.h"

namespace derin::cuda {

// The single steps of one stack, by own kernels from a packing of their own: RecurrentStack::Step.
class Stepper {
 public:
  // For steps of at most `rows` rows.
  static absl::StatusOr<std::unique_ptr<Stepper>> Create(Device& device, const StackConfig& config,
                                                         int rows);
  // The bytes that Create would allocate.
  static int64_t WeightBytes(const StackConfig& config);
  static int64_t WorkspaceBytes(const StackConfig& config, int rows);

  // `parameters` as StackSlices.
  void SetParameters(CudaQueue& queue, const float* parameters);
  void Step(CudaQueue& queue, View tokens, View slots, View pool, View top);

 private:
  Stepper(const StackConfig& config, int rows);
  template <class Element>
  void StartAt(CudaQueue& queue, const float* parameters);
  template <class Element>
  void Pack(CudaQueue& queue, const float* parameters);
  // With the largest tile that still makes enough blocks; a row's bits are those of any other.
  void StepInFloats(CudaQueue& queue, const LayerStep& step);
  template <class Element>
  void StepOnTensorCores(CudaQueue& queue, const LayerStep& step);
  template <class Kernel>
  void LaunchLayers(CudaQueue& queue, const Kernel& first);

  // Elements of a layer's two tables.
  int64_t StartElements(int layer) const;
  int64_t PartElements() const { return StepPadded(config_.hidden) * columns_; }
  int64_t StartOffset(int layer) const;
  int64_t WeightOffset(int layer) const;

  const StackConfig config_;
  const int rows_;
  const int64_t columns_;  // packed ones of a layer
  const std::vector<Slice> slices_;
  Buffer starts_;   // f32, of StepStarts, layer by layer
  Buffer weights_;  // of PackStepRows or PackStepFragments, layer by layer
  Buffer states_;   // [rows, L, S, H]
};

}  // namespace derin::cuda
