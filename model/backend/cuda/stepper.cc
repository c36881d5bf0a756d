#include "model/backend/cuda/stepper.h"

#include <type_traits>
#include <utility>

#include "model/backend/cuda/element.h"

namespace derin::cuda {
namespace {

// What a tile is to give a GPU to do, in blocks: the H100 has 132 multiprocessors. Large tiles are
// faster only where each of those has more than one, so that one computes while another waits.
constexpr int64_t kEnoughBlocks = 96, kManyBlocks = 192;

}  // namespace

Stepper::Stepper(const StackConfig& config, int rows)
    : config_(config),
      rows_(rows),
      columns_(PackedColumns(config.cell, config.hidden)),
      slices_(StackSlices(config)) {}

int64_t Stepper::StartElements(int layer) const {
  return (layer == 0 ? config_.vocabulary : 1) * columns_;
}
int64_t Stepper::StartOffset(int layer) const {
  return layer == 0 ? 0 : StartElements(0) + (layer - 1) * columns_;
}
int64_t Stepper::WeightOffset(int layer) const {
  return layer == 0 ? 0 : (2 * layer - 1) * PartElements();
}

int64_t Stepper::WeightBytes(const StackConfig& config) {
  const Stepper sizes(config, 0);
  return sizes.StartOffset(config.layers) * static_cast<int64_t>(sizeof(float)) +
         sizes.WeightOffset(config.layers) * ElementBytes(config.precision);
}
int64_t Stepper::WorkspaceBytes(const StackConfig& config, int rows) {
  return rows * StateElements(config) * static_cast<int64_t>(sizeof(float));
}

absl::StatusOr<std::unique_ptr<Stepper>> Stepper::Create(Device& device, const StackConfig& config,
                                                         int rows) {
  auto stepper = std::unique_ptr<Stepper>(new Stepper(config, rows));
  absl::Status allocated = device.AllocateAll(
      {{&stepper->starts_, ElementType::kF32, stepper->StartOffset(config.layers)},
       {&stepper->weights_, ElementType::kByte,
        stepper->WeightOffset(config.layers) * ElementBytes(config.precision)},
       {&stepper->states_, ElementType::kF32, rows * StateElements(config)}});
  if (!allocated.ok()) return allocated;
  return stepper;
}

template <class Element>
void Stepper::StartAt(CudaQueue& queue, const float* parameters) {
  for (int layer = 0; layer < config_.layers; ++layer) {
    const LayerSlices at(layer);
    queue.Launch(StepStarts<Element>{.cell = config_.cell,
                                     .hidden = config_.hidden,
                                     .vocabulary = layer == 0 ? config_.vocabulary : 0,
                                     .weight_ih = parameters + slices_[at.weight_ih].offset,
                                     .bias_ih = parameters + slices_[at.bias_ih].offset,
                                     .bias_hh = parameters + slices_[at.bias_hh].offset,
                                     .starts = starts_.view().As<float>() + StartOffset(layer)});
  }
}

template <class Element>
void Stepper::Pack(CudaQueue& queue, const float* parameters) {
  auto* packed = static_cast<Element*>(weights_.view().data);
  for (int layer = 0; layer < config_.layers; ++layer) {
    const LayerSlices at(layer);
    const int parts = StepParts(layer);
    for (int part = 0; part < parts; ++part) {
      const bool of_input = part + 1 < parts;
      const Slice& slice = slices_[of_input ? at.weight_ih : at.weight_hh];
      if constexpr (std::is_same_v<Element, float>) {
        queue.Launch(PackStepRows{.cell = config_.cell,
                                  .of_input = of_input,
                                  .hidden = config_.hidden,
                                  .weight = parameters + slice.offset,
                                  .packed = packed + WeightOffset(layer) + part * PartElements()});
      } else {
        queue.Launch(PackStepFragments<Element>{.cell = config_.cell,
                                                .of_input = of_input,
                                                .part = part,
                                                .parts = parts,
                                                .hidden = config_.hidden,
                                                .weight = parameters + slice.offset,
                                                .packed = packed + WeightOffset(layer)});
      }
    }
  }
}

void Stepper::SetParameters(CudaQueue& queue, const float* parameters) {
  WithElement(config_.precision, [&](auto element) {
    StartAt<decltype(element)>(queue, parameters);
    Pack<decltype(element)>(queue, parameters);
  });
}

template <class Kernel>
void Stepper::LaunchLayers(CudaQueue& queue, const Kernel& first) {
  Kernel kernel = first;
  for (int layer = 0; layer < config_.layers; ++layer) {
    kernel.step.layer = layer;
    kernel.step.starts = first.step.starts + StartOffset(layer);
    kernel.step.top = layer + 1 == config_.layers ? first.step.top : nullptr;
    kernel.weights = first.weights + WeightOffset(layer);
    queue.Launch(kernel);
  }
}

void Stepper::StepInFloats(CudaQueue& queue, const LayerStep& step) {
  const auto* weights = static_cast<const float*>(weights_.view().data);
  const FloatStepLayer<LargeFloatTile> large{step, weights};
  const FloatStepLayer<MediumFloatTile> medium{step, weights};
  if (large.blocks() >= kManyBlocks) return LaunchLayers(queue, large);
  if (medium.blocks() >= kEnoughBlocks) return LaunchLayers(queue, medium);
  LaunchLayers(queue, FloatStepLayer<SmallFloatTile>{step, weights});
}

template <class Element>
void Stepper::StepOnTensorCores(CudaQueue& queue, const LayerStep& step) {
  const auto* weights = static_cast<const Element*>(weights_.view().data);
  const TensorStepLayer<LargeTensorTile<Element>> large{step, weights};
  if (large.blocks() >= kManyBlocks) return LaunchLayers(queue, large);
  LaunchLayers(queue, TensorStepLayer<SmallTensorTile<Element>>{step, weights});
}

void Stepper::Step(CudaQueue& queue, View tokens, View slots, View pool, View top) {
  DERIN_CHECK(static_cast<int>(tokens.count) <= rows_);
  const LayerStep step{.cell = config_.cell,
                       .layers = config_.layers,
                       .hidden = config_.hidden,
                       .vocabulary = config_.vocabulary,
                       .rows = static_cast<int64_t>(tokens.count),
                       .starts = starts_.view().As<float>(),
                       .tokens = tokens.As<int32_t>(),
                       .slots = slots.As<int32_t>(),
                       .pool = pool.As<float>(),
                       .states = states_.view().As<float>(),
                       .top = top.As<float>(),
                       .fault = queue.fault()};
  WithElement(config_.precision, [&](auto element) {
    if constexpr (std::is_same_v<decltype(element), float>) {
      StepInFloats(queue, step);
    } else {
      StepOnTensorCores<decltype(element)>(queue, step);
    }
  });
  queue.Launch(FinishStep{.states = step.states,
                          .slots = step.slots,
                          .tokens = step.tokens,
                          .pool = pool.As<float>(),
                          .rows = step.rows,
                          .slot_elements = StateElements(config_),
                          .vocabulary = config_.vocabulary});
}

}  // namespace derin::cuda
