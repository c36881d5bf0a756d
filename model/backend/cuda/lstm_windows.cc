#include "model/backend/cuda/lstm_windows.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "model/backend/cuda/branch.h"
#include "model/backend/cuda/element.h"

namespace derin::cuda {
namespace {

template <class Variant>
bool Fits(const Device& device, int batch, int hidden) {
  const typename Variant::Share share{batch, hidden};
  return hidden <= Variant::kMostHidden && share.blocks() <= device.multiprocessors() &&
         int64_t{sizeof(typename Variant::Shared)} <= device.shared_bytes();
}

template <class... Variant>
bool OneFits(WindowVariants<Variant...>, const Device& device, int batch, int hidden) {
  return (Fits<Variant>(device, batch, hidden) || ...);
}

template <class... Variant, class Views>
void LaunchFirst(WindowVariants<Variant...>, CudaQueue& queue, const Views& views) {
  const auto launch = [&]<class One>(const One& kernel) {
    if (!Fits<One>(queue.device(), views.batch, views.hidden)) return false;
    queue.Launch(kernel);
    return true;
  };
  const bool launched = (launch(Variant{views}) || ...);
  DERIN_CHECK(launched);
}

// What the products are made of. The own kernels have f32 from step to step whatever the type, and
// no numbers of 16 bits; TF32 has as many digits as f16.
Precision FactorsOf(Precision precision, WindowAlgorithm algorithm) {
  const bool own = algorithm == WindowAlgorithm::kOwnKernels;
  return own && precision != Precision::kF32 ? Precision::kTf32 : precision;
}

// Only numbers of 16 bits have a copy.
template <class Lane>
void LaunchNarrow(Lane&, const float*, float*, int64_t) {}
template <class Lane, class Number>
void LaunchNarrow(Lane& lane, const float* from, Number* to, int64_t count) {
  lane.Launch(Narrow<Number>{.from = from, .to = to, .count = count});
}

// Steps [from, to) that one layer is ahead of the one above it.
std::vector<std::pair<int64_t, int64_t>> ChunksOf(int64_t steps) {
  constexpr int64_t kChunks = 5;
  const int64_t length = (steps + kChunks - 1) / kChunks;
  std::vector<std::pair<int64_t, int64_t>> chunks;
  for (int64_t from = 0; from < steps; from += length) {
    chunks.emplace_back(from, std::min(from + length, steps));
  }
  return chunks;
}

struct Sizes {
  Sizes(const StackConfig& config, const StackExtent& extent, WindowAlgorithm algorithm)
      : layers(config.layers),
        hidden(config.hidden),
        vocabulary(config.vocabulary),
        parameters(StackSlices(config).back().offset + StackSlices(config).back().count),
        batch(extent.batch),
        window(int64_t{extent.steps} * extent.batch),
        states(layers * (window + extent.batch) * hidden),
        training(extent.training),
        drops(Drops(config, extent)),
        by_steps(algorithm == WindowAlgorithm::kStepProducts),
        element(ElementBytes(FactorsOf(config.precision, algorithm))) {}
  int64_t layers, hidden, vocabulary, parameters;
  int64_t batch, window;  // window: T * B
  int64_t states;         // [L, 1 + T, B, H]
  bool training, drops, by_steps;
  int64_t element;  // bytes of a factor

  int64_t weights() const { return training ? 0 : parameters; }
  int64_t input() const { return layers > 1 ? window * 4 * hidden : 0; }
  int64_t gates() const { return layers * window * 4 * hidden; }
  int64_t d_gates() const { return training ? gates() : 0; }
  int64_t d_h() const { return training ? window * hidden : 0; }
  int64_t below_bytes() const { return drops ? element * (layers - 1) * window * hidden : 0; }
  int64_t x_bytes() const { return training ? element * window * vocabulary : 0; }
  int64_t product() const { return by_steps ? 2 * batch * 4 * hidden : 0; }
  int64_t d_c() const { return by_steps && training ? 2 * batch * hidden : 0; }
  int64_t narrow_bytes(int64_t count) const {
    return element < int64_t{sizeof(float)} ? element * count : 0;
  }

  int64_t weight_bytes() const {
    return int64_t{sizeof(float)} * (weights() + 4 * hidden * (layers + vocabulary)) +
           narrow_bytes(parameters);
  }
  int64_t workspace_bytes() const {
    return int64_t{sizeof(float)} * (input() + d_gates() + d_h() + product() + d_c()) + x_bytes() +
           narrow_bytes(states + d_gates());
  }
  int64_t reserve_bytes() const {
    return int64_t{sizeof(float)} * (2 * states + gates()) + below_bytes();
  }
};

// A layer's of [S, L, B, H].
struct StateOf {
  StateOf(View states, const StackConfig& config, int layer, int64_t batch)
      : h(states.As<float>() + layer * batch * config.hidden),
        c(h + config.layers * batch * config.hidden) {}
  float *h, *c;
};

}  // namespace

bool LstmWindows::HasRoom(const Device& device, const StackConfig& config,
                          const StackExtent& extent) {
  return config.cell == Cell::kLstm && config.hidden % 4 == 0 && extent.steps > 0 &&
         OneFits(LstmForwardVariants(), device, extent.batch, config.hidden) &&
         OneFits(LstmBackwardVariants(), device, extent.batch, config.hidden);
}

StackPlan LstmWindows::Plan(const StackConfig& config, const StackExtent& extent,
                            WindowAlgorithm algorithm) {
  const Sizes sizes(config, extent, algorithm);
  return {.weight_bytes = sizes.weight_bytes(),
          .workspace_bytes = sizes.workspace_bytes(),
          .reserve_bytes = sizes.reserve_bytes()};
}

LstmWindows::LstmWindows(const StackConfig& config, const StackExtent& extent,
                         WindowAlgorithm algorithm)
    : config_(config),
      extent_(extent),
      by_steps_(algorithm == WindowAlgorithm::kStepProducts),
      factors_(FactorsOf(config.precision, algorithm)),
      slices_(StackSlices(config)) {}

absl::StatusOr<std::unique_ptr<LstmWindows>> LstmWindows::Create(Device& device,
                                                                 const StackConfig& config,
                                                                 const StackExtent& extent,
                                                                 WindowAlgorithm algorithm) {
  auto windows = std::unique_ptr<LstmWindows>(new LstmWindows(config, extent, algorithm));
  const Sizes sizes(config, extent, algorithm);
  absl::Status allocated = device.AllocateAll(
      {{&windows->weights_, ElementType::kF32, sizes.weights()},
       {&windows->biases_, ElementType::kF32, 4 * sizes.hidden * sizes.layers},
       {&windows->table_, ElementType::kF32, 4 * sizes.hidden * sizes.vocabulary},
       {&windows->h_, ElementType::kF32, sizes.states},
       {&windows->c_, ElementType::kF32, sizes.states},
       {&windows->gates_, ElementType::kF32, sizes.gates()},
       {&windows->input_, ElementType::kF32, sizes.input()},
       {&windows->d_gates_, ElementType::kF32, sizes.d_gates()},
       {&windows->d_h_, ElementType::kF32, sizes.d_h()},
       {&windows->below_, ElementType::kByte, sizes.below_bytes()},
       {&windows->x_, ElementType::kByte, sizes.x_bytes()},
       {&windows->product_, ElementType::kF32, sizes.product()},
       {&windows->d_c_, ElementType::kF32, sizes.d_c()},
       {&windows->narrow_weights_, ElementType::kByte, sizes.narrow_bytes(sizes.parameters)},
       {&windows->narrow_h_, ElementType::kByte, sizes.narrow_bytes(sizes.states)},
       {&windows->narrow_d_gates_, ElementType::kByte, sizes.narrow_bytes(sizes.d_gates())}});
  if (!allocated.ok()) return allocated;
  return windows;
}

template <class Number>
Number* LstmWindows::OfLayer(const Buffer& buffer, int layer) const {
  if (buffer.view().empty()) return nullptr;
  const int64_t elements = static_cast<int64_t>(buffer.view().bytes() / sizeof(Number));
  return static_cast<Number*>(buffer.view().data) + elements / config_.layers * layer;
}

const void* LstmWindows::Factor(const float* real, const Buffer& narrow, int64_t element) {
  if (narrow.view().empty()) return real + element;
  return static_cast<const uint16_t*>(narrow.view().data) + element;
}

const void* LstmWindows::HFactor(int layer, int64_t step) const {
  const int64_t of_layer = static_cast<int64_t>(h_.view().count) / config_.layers;
  return Factor(h_.view().As<float>(), narrow_h_,
                layer * of_layer + step * batch_ * config_.hidden);
}

const void* LstmWindows::DGatesFactor(int layer, int64_t step) const {
  const int64_t of_layer = static_cast<int64_t>(d_gates_.view().count) / config_.layers;
  return Factor(d_gates_.view().As<float>(), narrow_d_gates_,
                layer * of_layer + step * batch_ * 4 * config_.hidden);
}

void LstmWindows::SetParameters(CudaQueue& queue, View parameters) {
  parameters_ = parameters.As<float>();
  if (!extent_.training) {
    queue.Try(queue.device().calls().runtime.MemcpyAsync(weights_.view().data, parameters.data,
                                                         weights_.view().bytes(), cudaMemcpyDefault,
                                                         queue.stream()),
              "cudaMemcpyAsync");
    parameters_ = weights_.view().As<float>();
  }
  WithElement(factors_, [&](auto number) {
    using Number = decltype(number);
    LaunchNarrow(queue, parameters_, static_cast<Number*>(narrow_weights_.view().data),
                 static_cast<int64_t>(parameters.count));
  });
  const int64_t gates = int64_t{4} * config_.hidden;
  for (int layer = 0; layer < config_.layers; ++layer) {
    const LayerSlices at(layer);
    queue.Launch(SumOfTwo{.a = Weight(at.bias_ih),
                          .b = Weight(at.bias_hh),
                          .sum = OfLayer(biases_, layer),
                          .count = gates});
  }
  queue.Launch(InputTable{.weight_ih = Weight(LayerSlices(0).weight_ih),
                          .bias = OfLayer(biases_, 0),
                          .table = table_.view().As<float>(),
                          .vocabulary = config_.vocabulary,
                          .gates = gates});
}

void LstmWindows::Forward(CudaQueue& queue, int steps, int batch, View tokens, View state_in,
                          View state_out, View top, View dropout) {
  steps_ = steps;
  batch_ = batch;
  tokens_ = tokens;
  dropout_ = dropout;
  if (by_steps_) {
    WithElement(factors_, [&](auto number) {
      ForwardBySteps<decltype(number)>(queue, state_in, state_out, top);
    });
    return;
  }
  // Nothing has been written yet.
  queue.Try(queue.device().calls().runtime.MemsetAsync(h_.view().data, 0xff, h_.view().bytes(),
                                                       queue.stream()),
            "cudaMemsetAsync");
  for (int layer = 0; layer < config_.layers; ++layer) {
    if (layer > 0) InputOfLayer(queue, layer, 0, steps);
    ForwardByKernel(queue, layer, state_in, state_out, top);
  }
}

template <class Lane>
void LstmWindows::InputOfLayer(Lane& lane, int layer, int64_t from, int64_t to) const {
  const int64_t H = config_.hidden, B = batch_;
  DropBelow(lane, layer, from, to);
  lane.Multiply({.a = BelowFactor(layer, from),
                 .b = WeightFactor(LayerSlices(layer).weight_ih),
                 .c = input_.view().As<float>() + from * B * 4 * H,
                 .bias = OfLayer(biases_, layer),
                 .factors = factors_,
                 .transpose_b = true,
                 .rows = (to - from) * B,
                 .columns = 4 * H,
                 .inner = H});
}

void LstmWindows::ForwardByKernel(CudaQueue& queue, int layer, View state_in, View state_out,
                                  View top) {
  const StateOf before(state_in, config_, layer, batch_), after(state_out, config_, layer, batch_);
  const bool first = layer == 0;
  LaunchFirst(LstmForwardVariants(), queue,
              LstmForwardViews{.weight_hh = Weight(LayerSlices(layer).weight_hh),
                               .input = (first ? table_ : input_).view().As<float>(),
                               .tokens = first ? tokens_.As<int32_t>() : nullptr,
                               .vocabulary = config_.vocabulary,
                               .fault = queue.fault(),
                               .h_before = before.h,
                               .c_before = before.c,
                               .h = OfLayer(h_, layer),
                               .c = OfLayer(c_, layer),
                               .gates = OfLayer(gates_, layer),
                               .top = layer == config_.layers - 1 ? top.As<float>() : nullptr,
                               .h_after = after.h,
                               .c_after = after.c,
                               .steps = steps_,
                               .batch = batch_,
                               .hidden = config_.hidden});
}

bool LstmWindows::SideBySide(const Device& device) const {
  const int64_t weights = int64_t{4} * config_.hidden * config_.hidden * ElementBytes(factors_);
  return weights > device.cache_bytes() || 2 * weights <= device.cache_bytes();
}

template <class Number>
void LstmWindows::ForwardBySteps(CudaQueue& queue, View state_in, View state_out, View top) {
  const auto steps = [&](auto& lane, bool beside, int layer, int64_t from, int64_t to) {
    ForwardSteps<Number>(lane, beside, layer, from, to, state_in, state_out, top, queue.fault());
  };
  const bool pairs = SideBySide(queue.device());
  for (int layer = 0; layer < config_.layers; layer += pairs ? 2 : 1) {
    if (layer > 0) InputOfLayer(queue, layer, 0, steps_);
    if (!pairs || layer + 1 == config_.layers) {
      steps(queue, false, layer, 0, steps_);
      continue;
    }
    for (const auto& [from, to] : ChunksOf(steps_)) {
      steps(queue, false, layer, from, to);
      Branch* beside = queue.Fork();
      if (beside == nullptr) return;
      InputOfLayer(*beside, layer + 1, from, to);
      steps(*beside, true, layer + 1, from, to);
    }
    queue.Join();
  }
}

template <class Number, class Lane>
void LstmWindows::ForwardSteps(Lane& lane, bool beside, int layer, int64_t from, int64_t to,
                               View state_in, View state_out, View top, FaultWord* fault) {
  const int64_t H = config_.hidden, B = batch_, state = B * H;
  const StateOf before(state_in, config_, layer, batch_), after(state_out, config_, layer, batch_);
  const bool first = layer == 0, last = layer == config_.layers - 1;
  auto* narrow_h = OfLayer<Number>(narrow_h_, layer);
  float* product = product_.view().As<float>() + (beside ? 4 * state : 0);
  if (from == 0) {
    const int64_t bytes = state * int64_t{sizeof(float)};
    lane.Launch(CopyBytes{.from = before.h, .to = OfLayer(h_, layer), .bytes = bytes});
    lane.Launch(CopyBytes{.from = before.c, .to = OfLayer(c_, layer), .bytes = bytes});
    LaunchNarrow(lane, before.h, narrow_h, state);
  }
  for (int64_t step = from; step < to; ++step) {
    lane.Multiply({.a = HFactor(layer, step),
                   .b = WeightFactor(LayerSlices(layer).weight_hh),
                   .c = product,
                   .factors = factors_,
                   .transpose_b = true,
                   .rows = B,
                   .columns = 4 * H,
                   .inner = H});
    const bool at_end = step == steps_ - 1;
    lane.Launch(LstmStepForward<Number>{
        .product = product,
        .input = first ? table_.view().As<float>() : input_.view().As<float>() + step * 4 * state,
        .tokens = first ? tokens_.As<int32_t>() + step * B : nullptr,
        .vocabulary = config_.vocabulary,
        .fault = fault,
        .c_before = OfLayer(c_, layer) + step * state,
        .h = OfLayer(h_, layer) + (step + 1) * state,
        .c = OfLayer(c_, layer) + (step + 1) * state,
        .narrow_h = narrow_h == nullptr ? nullptr : narrow_h + (step + 1) * state,
        .gates = OfLayer(gates_, layer) + step * 4 * state,
        .top = last ? top.As<float>() + step * state : nullptr,
        .h_after = at_end ? after.h : nullptr,
        .c_after = at_end ? after.c : nullptr,
        .batch = B,
        .hidden = H});
  }
}

void LstmWindows::Backward(CudaQueue& queue, View d_top, View loss_scale, View gradients) {
  // Only F16 is too narrow for gradients as they are.
  const double* scale = factors_ == Precision::kF16 ? loss_scale.As<double>() : nullptr;
  auto* to = gradients.As<float>();
  if (by_steps_) {
    WithElement(factors_,
                [&](auto number) { BackwardBySteps<decltype(number)>(queue, d_top, scale, to); });
    return;
  }
  queue.Try(queue.device().calls().runtime.MemsetAsync(d_gates_.view().data, 0xff,
                                                       d_gates_.view().bytes(), queue.stream()),
            "cudaMemsetAsync");
  for (int layer = config_.layers - 1; layer >= 0; --layer) {
    BackwardByKernel(queue, layer, layer == config_.layers - 1 ? d_top : d_h_.view());
    Branch* beside = queue.Fork();
    if (beside == nullptr) return;
    GradientsOfLayer<float>(*beside, layer, scale, to, queue.fault());
    if (layer > 0) GradientBelow(queue, layer, 0, steps_);
  }
  queue.Join();
}

template <class Lane>
void LstmWindows::GradientBelow(Lane& lane, int layer, int64_t from, int64_t to) const {
  const int64_t H = config_.hidden, B = batch_;
  lane.Multiply({.a = DGatesFactor(layer, from),
                 .b = WeightFactor(LayerSlices(layer).weight_ih),
                 .c = d_h_.view().As<float>() + from * B * H,
                 .factors = factors_,
                 .rows = (to - from) * B,
                 .columns = H,
                 .inner = 4 * H});
  DropGradient(lane, layer, from, to);
}

void LstmWindows::BackwardByKernel(CudaQueue& queue, int layer, View d_h) {
  LaunchFirst(LstmBackwardVariants(), queue,
              LstmBackwardViews{.weight_hh = Weight(LayerSlices(layer).weight_hh),
                                .gates = OfLayer(gates_, layer),
                                .c = OfLayer(c_, layer),
                                .d_h = d_h.As<float>(),
                                .d_gates = OfLayer(d_gates_, layer),
                                .steps = steps_,
                                .batch = batch_,
                                .hidden = config_.hidden});
}

template <class Number>
void LstmWindows::BackwardBySteps(CudaQueue& queue, View d_top, const double* scale,
                                  float* gradients) {
  const auto gradients_of = [&](auto& lane, int layer) {
    GradientsOfLayer<Number>(lane, layer, scale, gradients, queue.fault());
  };
  const auto chunks = ChunksOf(steps_);
  const bool pairs = SideBySide(queue.device());
  for (int layer = config_.layers - 1; layer >= 0; layer -= pairs ? 2 : 1) {
    if (!pairs || layer == 0) {
      BackwardSteps<Number>(queue, false, layer, 0, steps_, d_top, scale);
      Branch* beside = queue.Fork();
      if (beside == nullptr) return;
      gradients_of(*beside, layer);
      if (layer > 0) GradientBelow(queue, layer, 0, steps_);
      continue;
    }
    Branch* beside = nullptr;
    for (auto chunk = chunks.rbegin(); chunk != chunks.rend(); ++chunk) {
      const auto [from, to] = *chunk;
      BackwardSteps<Number>(queue, false, layer, from, to, d_top, scale);
      // In place of what this layer has read of its own.
      GradientBelow(queue, layer, from, to);
      beside = queue.Fork();
      if (beside == nullptr) return;
      BackwardSteps<Number>(*beside, true, layer - 1, from, to, d_top, scale);
    }
    if (beside == nullptr) return;  // without steps
    gradients_of(queue, layer);
    gradients_of(*beside, layer - 1);
    if (layer > 1) GradientBelow(*beside, layer - 1, 0, steps_);
    queue.Join();
  }
  queue.Join();
}

template <class Number, class Lane>
void LstmWindows::BackwardSteps(Lane& lane, bool beside, int layer, int64_t from, int64_t to,
                                View d_top, const double* scale) {
  const int64_t H = config_.hidden, B = batch_, state = B * H;
  const bool last = layer == config_.layers - 1;
  auto* narrow_d_gates = OfLayer<Number>(narrow_d_gates_, layer);
  float* product = product_.view().As<float>() + (beside ? 4 * state : 0);
  float* d_c = d_c_.view().As<float>() + (beside ? state : 0);
  for (int64_t step = to - 1; step >= from; --step) {
    const bool at_end = step == steps_ - 1;
    if (!at_end) {
      lane.Multiply({.a = DGatesFactor(layer, step + 1),
                     .b = WeightFactor(LayerSlices(layer).weight_hh),
                     .c = product,
                     .factors = factors_,
                     .rows = B,
                     .columns = H,
                     .inner = 4 * H});
    }
    lane.Launch(LstmStepBackward<Number>{
        .gates = OfLayer(gates_, layer) + step * 4 * state,
        .c_before = OfLayer(c_, layer) + step * state,
        .c = OfLayer(c_, layer) + (step + 1) * state,
        .d_h = (last ? d_top : d_h_.view()).As<float>() + step * state,
        .product = at_end ? nullptr : product,
        .d_c = d_c,
        .d_gates = OfLayer(d_gates_, layer) + step * 4 * state,
        .narrow_d_gates = narrow_d_gates == nullptr ? nullptr : narrow_d_gates + step * 4 * state,
        .scale = scale,
        // What comes from a layer above is a product of narrow gradients.
        .scale_of_d_h = last ? nullptr : scale,
        .batch = B,
        .hidden = H});
  }
}

template <class Number, class Lane>
void LstmWindows::GradientsOfLayer(Lane& lane, int layer, const double* scale, float* gradients,
                                   FaultWord* fault) const {
  const int64_t H = config_.hidden, rows = int64_t{steps_} * batch_;
  const LayerSlices at(layer);
  const auto of_weights = [&](int slice, const void* input, int64_t inputs) {
    float* to = gradients + slices_[slice].offset;
    lane.Multiply({.a = DGatesFactor(layer, 0),
                   .b = input,
                   .c = to,
                   .factors = factors_,
                   .transpose_a = true,
                   .rows = 4 * H,
                   .columns = inputs,
                   .inner = rows});
    if (scale != nullptr) {
      lane.Launch(Unscale{.values = to, .scale = scale, .count = 4 * H * inputs});
    }
  };
  of_weights(at.weight_hh, HFactor(layer, 0), H);
  if (layer > 0) {
    of_weights(at.weight_ih, BelowFactor(layer, 0), H);
  } else {
    auto* x = static_cast<Number*>(x_.view().data);
    lane.Launch(OneHot<Number>{.tokens = tokens_.As<int32_t>(),
                               .x = x,
                               .fault = fault,
                               .rows = rows,
                               .vocabulary = config_.vocabulary,
                               .columns = config_.vocabulary});
    of_weights(at.weight_ih, x, config_.vocabulary);
  }
  // Both biases have the same gradient.
  lane.Launch(ColumnSums{.values = OfLayer(d_gates_, layer),
                         .sums = gradients + slices_[at.bias_ih].offset,
                         .again = gradients + slices_[at.bias_hh].offset,
                         .rows = rows,
                         .columns = 4 * H});
}

}  // namespace derin::cuda
