#include "model/backend/cuda/cuda_stack.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "model/backend/stack_layout.h"

namespace derin::cuda {
namespace {

CudaQueue& AsCuda(Queue& queue) { return static_cast<CudaQueue&>(queue); }

int64_t ParameterCount(const std::vector<Slice>& slices) {
  return slices.back().offset + slices.back().count;
}

// The state's h, and its c where it has one, of [S, L, B, H].
struct StateParts {
  StateParts(const View& state, Cell cell)
      : h(state.As<float>()),
        c(cell == Cell::kLstm ? state.As<float>() + state.count / 2 : nullptr) {}
  float *h, *c;
};

}  // namespace

absl::StatusOr<StackPlan> CudaStack::Plan(CudaQueue& setup, const StackConfig& config,
                                          const StackExtent& extent) {
  constexpr int64_t kReal = sizeof(float);
  StackPlan plan;
  const int64_t parameters = ParameterCount(StackSlices(config));
  const int64_t window = int64_t{extent.steps} * extent.batch;
  plan.slot_bytes = kReal * StateElements(config);
  if (extent.step_rows > 0) {
    plan.weight_bytes += kReal * parameters;
    plan.workspace_bytes += extent.step_rows * plan.slot_bytes;
  }
  if (window == 0) return plan;
  if (LstmWindows::Serves(setup.device(), config, extent)) {
    const StackPlan windows = LstmWindows::Plan(config, extent);
    plan.weight_bytes += windows.weight_bytes;
    plan.workspace_bytes += windows.workspace_bytes;
    plan.reserve_bytes = windows.reserve_bytes;
    return plan;
  }
  auto rnn = Rnn::Create(setup.device(), setup.cudnn(), config);
  if (!rnn.ok()) return rnn.status();
  auto sizes = (*rnn)->MakeWindow(setup.cudnn(), extent.steps, extent.batch);
  if (!sizes.ok()) return sizes.status();
  const int copies = extent.training ? 2 : 1;  // the weights' and the input's gradients
  plan.weight_bytes += copies * static_cast<int64_t>((*rnn)->weight_bytes());
  plan.workspace_bytes +=
      copies * kReal * window * config.vocabulary +
      static_cast<int64_t>(std::max(sizes->training.workspace, sizes->inference.workspace));
  if (extent.training) plan.reserve_bytes = static_cast<int64_t>(sizes->training.reserve);
  return plan;
}

absl::StatusOr<std::unique_ptr<CudaStack>> CudaStack::Create(CudaQueue& setup,
                                                             const StackConfig& config,
                                                             const StackExtent& extent) {
  auto stack = std::unique_ptr<CudaStack>(new CudaStack(config, extent));
  if (extent.steps > 0) {
    if (absl::Status status = stack->AllocateForWindows(setup); !status.ok()) return status;
  }
  if (extent.step_rows > 0) {
    if (absl::Status status = stack->AllocateForSteps(setup.device()); !status.ok()) return status;
  }
  return stack;
}

absl::Status CudaStack::AllocateForWindows(CudaQueue& setup) {
  Device& device = setup.device();
  if (LstmWindows::Serves(device, config_, extent_)) {
    auto lstm = LstmWindows::Create(device, config_, extent_);
    if (!lstm.ok()) return lstm.status();
    lstm_ = *std::move(lstm);
    return absl::OkStatus();
  }
  auto rnn = Rnn::Create(device, setup.cudnn(), config_);
  if (!rnn.ok()) return rnn.status();
  rnn_ = *std::move(rnn);
  auto window = rnn_->MakeWindow(setup.cudnn(), extent_.steps, extent_.batch);
  if (!window.ok()) return window.status();
  const size_t x = size_t{1} * extent_.steps * extent_.batch * config_.vocabulary;
  struct Wanted {
    Buffer* buffer;
    ElementType type;
    size_t count;
  };
  const bool training = extent_.training;
  const Wanted wanted[] = {
      {&weights_, ElementType::kF32, rnn_->weights()},
      {&d_weights_, ElementType::kF32, training ? rnn_->weights() : 0},
      {&x_, ElementType::kF32, x},
      {&d_x_, ElementType::kF32, training ? x : 0},
      {&workspace_, ElementType::kByte,
       std::max(window->training.workspace, window->inference.workspace)},
      {&reserve_, ElementType::kByte, training ? window->training.reserve : 0}};
  for (const Wanted& one : wanted) {
    auto buffer = device.Allocate(one.type, one.count);
    if (!buffer.ok()) return buffer.status();
    *one.buffer = *std::move(buffer);
  }
  windows_.emplace(std::pair(extent_.steps, extent_.batch), *std::move(window));

  auto chunks = rnn_->WeightMap(setup.cudnn(), weights_.view().data);
  if (!chunks.ok()) return chunks.status();
  chunk_count_ = static_cast<int64_t>(chunks->size());
  auto table = device.Allocate(ElementType::kByte, chunks->size() * sizeof(Chunk));
  if (!table.ok()) return table.status();
  chunks_ = *std::move(table);
  setup.Upload(chunks->data(), chunks_.view().data, chunks_.view().bytes());
  // Between the tensors there may be gaps that nothing else writes.
  setup.Try(device.calls().runtime.MemsetAsync(weights_.view().data, 0, weights_.view().bytes(),
                                               setup.stream()),
            "cudaMemsetAsync");
  return setup.Finish();
}

absl::Status CudaStack::AllocateForSteps(Device& device) {
  auto weights = device.Allocate(ElementType::kF32, ParameterCount(slices_));
  if (!weights.ok()) return weights.status();
  auto states = device.Allocate(ElementType::kF32, extent_.step_rows * StateElements(config_));
  if (!states.ok()) return states.status();
  step_weights_ = *std::move(weights);
  step_states_ = *std::move(states);
  return absl::OkStatus();
}

void CudaStack::SetParameters(Queue& queue, View parameters) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  const float* canonical = parameters.As<float>();
  if (lstm_ != nullptr) lstm_->SetParameters(cuda, parameters);
  if (rnn_ != nullptr) {
    cuda.Launch(PackWeights{.chunks = static_cast<const Chunk*>(chunks_.view().data),
                            .canonical = canonical,
                            .packed = weights_.view().As<float>(),
                            .chunk_count = chunk_count_});
  }
  if (extent_.step_rows == 0) return;
  for (const Slice& slice : slices_) {
    cuda.Launch(Transpose{.from = canonical + slice.offset,
                          .to = step_weights_.view().As<float>() + slice.offset,
                          .rows = slice.shape[0],
                          .columns = slice.shape.size() > 1 ? slice.shape[1] : 1});
  }
}

const Rnn::Window* CudaStack::WindowOf(CudaQueue& queue, int steps, int batch) {
  const std::pair key(steps, batch);
  auto found = windows_.find(key);
  if (found == windows_.end()) {
    auto window = rnn_->MakeWindow(queue.cudnn(), steps, batch);
    if (window.ok() && (std::max(window->training.workspace, window->inference.workspace) >
                            workspace_.view().bytes() ||
                        (extent_.training && window->training.reserve > reserve_.view().bytes()))) {
      window = absl::InternalError(absl::StrFormat(
          "cudnnGetRNNTempSpaceSizes: %d steps of %d sequences want more than %d steps of %d",
          steps, batch, extent_.steps, extent_.batch));
    }
    if (!window.ok()) {
      queue.Fail(window.status());
      return nullptr;
    }
    found = windows_.emplace(key, *std::move(window)).first;
  }
  return &found->second;
}

void CudaStack::Forward(Queue& queue, ForwardMode mode, int steps, int batch, View tokens,
                        View state_in, View state_out, View top) {
  DERIN_CHECK(steps <= extent_.steps && batch <= extent_.batch);
  const bool training = mode == ForwardMode::kTraining;
  DERIN_CHECK(!training || extent_.training);
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  if (lstm_ != nullptr) {
    lstm_->Forward(cuda, steps, batch, tokens, state_in, state_out, top);
    return;
  }
  const Rnn::Window* window = WindowOf(cuda, steps, batch);
  if (window == nullptr) return;
  const CudnnCalls& cudnn = cuda.device().calls().cudnn;
  cuda.Launch(OneHot{.tokens = tokens.As<int32_t>(),
                     .x = x_.view().As<float>(),
                     .fault = cuda.fault(),
                     .rows = int64_t{steps} * batch,
                     .vocabulary = config_.vocabulary});
  if (!cuda.status().ok()) return;
  const StateParts in(state_in, config_.cell), out(state_out, config_.cell);
  const TemporarySpace& space = training ? window->training : window->inference;
  cuda.Try(cudnn.RNNForward(cuda.cudnn(), rnn_->descriptor(),
                            training ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE, nullptr,
                            window->x.get(), x_.view().data, window->y.get(), top.data,
                            window->state.get(), in.h, out.h, window->state.get(), in.c, out.c,
                            rnn_->weight_bytes(), weights_.view().data, space.workspace,
                            workspace_.view().data, training ? space.reserve : 0,
                            training ? reserve_.view().data : nullptr),
           "cudnnRNNForward");
  if (!training) return;
  forwarded_ = window;
  state_in_ = state_in;
  top_ = top;
}

void CudaStack::Backward(Queue& queue, View d_top, View gradients) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  if (lstm_ != nullptr) {
    lstm_->Backward(cuda, d_top, gradients);
    return;
  }
  DERIN_CHECK(forwarded_ != nullptr);
  const CudaCalls& calls = cuda.device().calls();
  const Rnn::Window& window = *forwarded_;
  const StateParts in(state_in_, config_.cell);
  // The data first: it leaves in the reserve what the weights' gradients are made of, and those are
  // only ever added.
  cuda.Try(calls.cudnn.RNNBackwardData_v8(
               cuda.cudnn(), rnn_->descriptor(), nullptr, window.y.get(), top_.data, d_top.data,
               window.x.get(), d_x_.view().data, window.state.get(), in.h, nullptr, nullptr,
               window.state.get(), in.c, nullptr, nullptr, rnn_->weight_bytes(),
               weights_.view().data, window.training.workspace, workspace_.view().data,
               window.training.reserve, reserve_.view().data),
           "cudnnRNNBackwardData_v8") &&
      cuda.Try(calls.runtime.MemsetAsync(d_weights_.view().data, 0, d_weights_.view().bytes(),
                                         cuda.stream()),
               "cudaMemsetAsync") &&
      cuda.Try(calls.cudnn.RNNBackwardWeights_v8(
                   cuda.cudnn(), rnn_->descriptor(), CUDNN_WGRAD_MODE_ADD, nullptr, window.x.get(),
                   x_.view().data, window.state.get(), in.h, window.y.get(), top_.data,
                   rnn_->weight_bytes(), d_weights_.view().data, window.training.workspace,
                   workspace_.view().data, window.training.reserve, reserve_.view().data),
               "cudnnRNNBackwardWeights_v8") &&
      cuda.Launch(UnpackGradients{.chunks = static_cast<const Chunk*>(chunks_.view().data),
                                  .packed = d_weights_.view().As<float>(),
                                  .canonical = gradients.As<float>(),
                                  .chunk_count = chunk_count_});
}

template <Cell kCell>
void CudaStack::StepLayers(CudaQueue& queue, View tokens, View slots, View pool) {
  const float* flat = step_weights_.view().As<float>();
  for (int layer = 0; layer < config_.layers; ++layer) {
    const LayerSlices at(layer);
    queue.Launch(StepLayer<kCell>{.weight_ih = flat + slices_[at.weight_ih].offset,
                                  .weight_hh = flat + slices_[at.weight_hh].offset,
                                  .bias_ih = flat + slices_[at.bias_ih].offset,
                                  .bias_hh = flat + slices_[at.bias_hh].offset,
                                  .tokens = tokens.As<int32_t>(),
                                  .slots = slots.As<int32_t>(),
                                  .pool = pool.As<float>(),
                                  .states = step_states_.view().As<float>(),
                                  .fault = queue.fault(),
                                  .layer = layer,
                                  .layers = config_.layers,
                                  .hidden = config_.hidden,
                                  .vocabulary = config_.vocabulary,
                                  .rows = static_cast<int64_t>(tokens.count)});
  }
}

void CudaStack::Step(Queue& queue, View tokens, View slots, View pool, View top) {
  DERIN_CHECK(static_cast<int>(tokens.count) <= extent_.step_rows);
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  switch (config_.cell) {
    case Cell::kVanillaTanh:
      StepLayers<Cell::kVanillaTanh>(cuda, tokens, slots, pool);
      break;
    case Cell::kVanillaRelu:
      StepLayers<Cell::kVanillaRelu>(cuda, tokens, slots, pool);
      break;
    case Cell::kGru:
      StepLayers<Cell::kGru>(cuda, tokens, slots, pool);
      break;
    case Cell::kLstm:
      StepLayers<Cell::kLstm>(cuda, tokens, slots, pool);
      break;
  }
  cuda.Launch(FinishStep{
      .states = step_states_.view().As<float>(),
      .slots = slots.As<int32_t>(),
      .tokens = tokens.As<int32_t>(),
      .pool = pool.As<float>(),
      .top = top.As<float>(),
      .rows = static_cast<int64_t>(tokens.count),
      .slot_elements = StateElements(config_),
      .top_offset = int64_t{config_.layers - 1} * StateVectors(config_.cell) * config_.hidden,
      .hidden = config_.hidden,
      .vocabulary = config_.vocabulary});
}

}  // namespace derin::cuda
