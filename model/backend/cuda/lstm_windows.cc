#include "model/backend/cuda/lstm_windows.h"

#include <utility>

namespace derin::cuda {
namespace {

template <class Variant>
bool Fits(int multiprocessors, int batch, int hidden) {
  const typename Variant::Share share{batch, hidden};
  return hidden <= Variant::kMostHidden && share.blocks() <= multiprocessors;
}

template <class... Variant>
bool OneFits(WindowVariants<Variant...>, int multiprocessors, int batch, int hidden) {
  return (Fits<Variant>(multiprocessors, batch, hidden) || ...);
}

template <class... Variant, class Views>
void LaunchFirst(WindowVariants<Variant...>, CudaQueue& queue, const Views& views) {
  const int multiprocessors = queue.device().multiprocessors();
  const auto launch = [&]<class One>(const One& kernel) {
    if (!Fits<One>(multiprocessors, views.batch, views.hidden)) return false;
    queue.Launch(kernel);
    return true;
  };
  const bool launched = (launch(Variant{views}) || ...);
  DERIN_CHECK(launched);
}

struct Sizes {
  Sizes(const StackConfig& config, const StackExtent& extent)
      : layers(config.layers),
        hidden(config.hidden),
        vocabulary(config.vocabulary),
        parameters(StackSlices(config).back().offset + StackSlices(config).back().count),
        window(int64_t{extent.steps} * extent.batch),
        states(layers * (window + extent.batch) * hidden),
        training(extent.training) {}
  int64_t layers, hidden, vocabulary, parameters;
  int64_t window;  // T * B
  int64_t states;  // [L, 1 + T, B, H]
  bool training;

  int64_t weights() const { return parameters + 4 * hidden * (layers + vocabulary); }
  int64_t d_gates() const { return training ? layers * window * 4 * hidden : 0; }
  int64_t d_h() const { return training ? window * hidden : 0; }
  int64_t x() const { return training ? window * vocabulary : 0; }
  int64_t input() const { return layers > 1 ? window * 4 * hidden : 0; }
  int64_t gates() const { return layers * window * 4 * hidden; }
};

}  // namespace

bool LstmWindows::Serves(const Device& device, const StackConfig& config,
                         const StackExtent& extent) {
  return config.cell == Cell::kLstm && config.precision == Precision::kF32 &&
         config.hidden % 4 == 0 && extent.steps > 0 &&
         OneFits(LstmForwardVariants(), device.multiprocessors(), extent.batch, config.hidden) &&
         OneFits(LstmBackwardVariants(), device.multiprocessors(), extent.batch, config.hidden);
}

StackPlan LstmWindows::Plan(const StackConfig& config, const StackExtent& extent) {
  const Sizes sizes(config, extent);
  constexpr int64_t kReal = sizeof(float);
  return {.weight_bytes = kReal * sizes.weights(),
          .workspace_bytes = kReal * (sizes.input() + sizes.d_gates() + sizes.d_h() + sizes.x()) +
                             (extent.training ? int64_t{MatrixProducts::kWorkspaceBytes} : 0),
          .reserve_bytes = kReal * (2 * sizes.states + sizes.gates())};
}

absl::StatusOr<std::unique_ptr<LstmWindows>> LstmWindows::Create(Device& device,
                                                                 const StackConfig& config,
                                                                 const StackExtent& extent) {
  auto windows = std::unique_ptr<LstmWindows>(new LstmWindows(config, extent));
  const Sizes sizes(config, extent);
  absl::Status allocated = device.AllocateAll(
      {{&windows->weights_, ElementType::kF32, sizes.parameters},
       {&windows->biases_, ElementType::kF32, 4 * sizes.hidden * sizes.layers},
       {&windows->table_, ElementType::kF32, 4 * sizes.hidden * sizes.vocabulary},
       {&windows->h_, ElementType::kF32, sizes.states},
       {&windows->c_, ElementType::kF32, sizes.states},
       {&windows->gates_, ElementType::kF32, sizes.gates()},
       {&windows->input_, ElementType::kF32, sizes.input()},
       {&windows->d_gates_, ElementType::kF32, sizes.d_gates()},
       {&windows->d_h_, ElementType::kF32, sizes.d_h()},
       {&windows->x_, ElementType::kF32, sizes.x()}});
  if (!allocated.ok()) return allocated;
  if (extent.training) {
    auto branch = Branch::Create(device, QueuePriority::kTraining);
    if (!branch.ok()) return branch.status();
    windows->branch_ = *std::move(branch);
  }
  return windows;
}

float* LstmWindows::OfLayer(const Buffer& buffer, int layer) const {
  return buffer.view().As<float>() + buffer.view().count / config_.layers * layer;
}

void LstmWindows::SetParameters(CudaQueue& queue, View parameters) {
  queue.Try(queue.device().calls().runtime.MemcpyAsync(weights_.view().data, parameters.data,
                                                       weights_.view().bytes(), cudaMemcpyDefault,
                                                       queue.stream()),
            "cudaMemcpyAsync");
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
                          View state_out, View top) {
  const int64_t H = config_.hidden, rows = int64_t{steps} * batch, state = int64_t{batch} * H;
  const RuntimeCalls& runtime = queue.device().calls().runtime;
  // Nothing has been written yet.
  queue.Try(runtime.MemsetAsync(h_.view().data, 0xff, h_.view().bytes(), queue.stream()),
            "cudaMemsetAsync");
  for (int layer = 0; layer < config_.layers; ++layer) {
    const bool first = layer == 0, last = layer == config_.layers - 1;
    if (!first) {
      queue.Multiply({.a = OfLayer(h_, layer - 1) + state,
                      .b = Weight(LayerSlices(layer).weight_ih),
                      .c = input_.view().As<float>(),
                      .bias = OfLayer(biases_, layer),
                      .transpose_b = true,
                      .rows = rows,
                      .columns = 4 * H,
                      .inner = H});
    }
    // [S, L, B, H]
    const int64_t of_h = layer * state, of_c = (config_.layers + layer) * state;
    LaunchFirst(LstmForwardVariants(), queue,
                LstmForwardViews{.weight_hh = Weight(LayerSlices(layer).weight_hh),
                                 .input = (first ? table_ : input_).view().As<float>(),
                                 .tokens = first ? tokens.As<int32_t>() : nullptr,
                                 .vocabulary = config_.vocabulary,
                                 .fault = queue.fault(),
                                 .h_before = state_in.As<float>() + of_h,
                                 .c_before = state_in.As<float>() + of_c,
                                 .h = OfLayer(h_, layer),
                                 .c = OfLayer(c_, layer),
                                 .gates = OfLayer(gates_, layer),
                                 .top = last ? top.As<float>() : nullptr,
                                 .h_after = state_out.As<float>() + of_h,
                                 .c_after = state_out.As<float>() + of_c,
                                 .steps = steps,
                                 .batch = batch,
                                 .hidden = config_.hidden});
  }
  steps_ = steps;
  batch_ = batch;
  tokens_ = tokens;
}

void LstmWindows::Backward(CudaQueue& queue, View d_top, View gradients) {
  const int64_t H = config_.hidden, rows = int64_t{steps_} * batch_;
  const RuntimeCalls& runtime = queue.device().calls().runtime;
  queue.Try(
      runtime.MemsetAsync(d_gates_.view().data, 0xff, d_gates_.view().bytes(), queue.stream()),
      "cudaMemsetAsync");
  for (int layer = config_.layers - 1; layer >= 0; --layer) {
    const bool last = layer == config_.layers - 1;
    LaunchFirst(LstmBackwardVariants(), queue,
                LstmBackwardViews{.weight_hh = Weight(LayerSlices(layer).weight_hh),
                                  .gates = OfLayer(gates_, layer),
                                  .c = OfLayer(c_, layer),
                                  .d_h = (last ? d_top : d_h_.view()).As<float>(),
                                  .d_gates = OfLayer(d_gates_, layer),
                                  .steps = steps_,
                                  .batch = batch_,
                                  .hidden = config_.hidden});
    branch_->Fork(queue);
    GradientsOfLayer(queue, layer, gradients.As<float>());
    if (layer == 0) continue;
    queue.Multiply({.a = OfLayer(d_gates_, layer),
                    .b = Weight(LayerSlices(layer).weight_ih),
                    .c = d_h_.view().As<float>(),
                    .rows = rows,
                    .columns = H,
                    .inner = 4 * H});
  }
  branch_->Join(queue);
}

void LstmWindows::GradientsOfLayer(CudaQueue& queue, int layer, float* gradients) {
  const int64_t H = config_.hidden, rows = int64_t{steps_} * batch_, state = int64_t{batch_} * H;
  const LayerSlices at(layer);
  const float* d_gates = OfLayer(d_gates_, layer);
  const auto of_weights = [&](int slice, const float* input, int64_t inputs) {
    branch_->Multiply(queue, {.a = d_gates,
                              .b = input,
                              .c = gradients + slices_[slice].offset,
                              .transpose_a = true,
                              .rows = 4 * H,
                              .columns = inputs,
                              .inner = rows});
  };
  of_weights(at.weight_hh, OfLayer(h_, layer), H);
  if (layer > 0) {
    of_weights(at.weight_ih, OfLayer(h_, layer - 1) + state, H);
  } else {
    float* x = x_.view().As<float>();
    branch_->Launch(queue, OneHot<float>{.tokens = tokens_.As<int32_t>(),
                                         .x = x,
                                         .fault = queue.fault(),
                                         .rows = rows,
                                         .vocabulary = config_.vocabulary,
                                         .columns = config_.vocabulary});
    of_weights(at.weight_ih, x, config_.vocabulary);
  }
  // Both biases have the same gradient.
  branch_->Launch(queue, ColumnSums{.values = d_gates,
                                    .sums = gradients + slices_[at.bias_ih].offset,
                                    .again = gradients + slices_[at.bias_hh].offset,
                                    .rows = rows,
                                    .columns = 4 * H});
}

}  // namespace derin::cuda
