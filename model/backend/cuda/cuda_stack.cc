#include "model/backend/cuda/cuda_stack.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "model/backend/cuda/branch.h"
#include "model/backend/cuda/element.h"

namespace derin::cuda {
namespace {

CudaQueue& AsCuda(Queue& queue) { return static_cast<CudaQueue&>(queue); }

// The state's h, and its c where it has one, of [S, L, B, H].
template <class Number>
struct StateParts {
  StateParts(Number* state, size_t count, Cell cell)
      : h(state), c(cell == Cell::kLstm ? state + count / 2 : nullptr) {}
  Number *h, *c;
};

template <class Number>
Number* Elements(const Buffer& buffer) {
  return static_cast<Number*>(buffer.view().data);
}

// Elements of the arrays that windows need beside weights and cuDNN's own memory.
struct WindowElements {
  WindowElements(const StackConfig& config, const StackExtent& extent)
      : x(int64_t{extent.steps} * extent.batch * Rnn::InputColumns(config)) {
    if (ElementBytes(config.precision) == sizeof(float)) return;
    state = extent.batch * StateElements(config);
    top = int64_t{extent.steps} * extent.batch * config.hidden;
  }
  int64_t x;
  int64_t state = 0, top = 0;  // of the narrow copies
};

}  // namespace

std::string_view CudaStack::choice() const {
  return extent_.steps > 0 ? AlgorithmName(algorithm_) : "";
}

absl::StatusOr<StackPlan> CudaStack::Plan(CudaQueue& setup, const StackConfig& config,
                                          const StackExtent& extent, WindowAlgorithm algorithm) {
  constexpr int64_t kReal = sizeof(float);
  StackPlan plan;
  plan.slot_bytes = kReal * StateElements(config);
  if (extent.step_rows > 0) {
    plan.weight_bytes += Stepper::WeightBytes(config);
    plan.workspace_bytes += Stepper::WorkspaceBytes(config, extent.step_rows);
  }
  if (extent.steps == 0) return plan;
  const auto of_cudnn = CudnnAlgorithm(algorithm);
  if (!of_cudnn) {
    const StackPlan windows = LstmWindows::Plan(config, extent, algorithm);
    plan.weight_bytes += windows.weight_bytes;
    plan.workspace_bytes += windows.workspace_bytes;
    plan.reserve_bytes = windows.reserve_bytes;
    return plan;
  }
  if (Drops(config, extent)) {
    const auto layered = LayeredWindows::Plan(setup, config, extent, *of_cudnn);
    if (!layered.ok()) return layered.status();
    plan.weight_bytes += layered->weight_bytes;
    plan.workspace_bytes += layered->workspace_bytes;
    plan.reserve_bytes = layered->reserve_bytes;
    return plan;
  }
  auto rnn = Rnn::Create(setup.device(), setup.cudnn(), config, *of_cudnn);
  if (!rnn.ok()) return rnn.status();
  auto sizes = (*rnn)->MakeWindow(setup.cudnn(), extent.steps, extent.batch);
  if (!sizes.ok()) return sizes.status();
  const int copies = extent.training ? 2 : 1;  // the gradients' too
  const WindowElements elements(config, extent);
  plan.weight_bytes += copies * static_cast<int64_t>((*rnn)->weight_bytes());
  plan.workspace_bytes +=
      ElementBytes(config.precision) * (copies * (elements.x + elements.top) + 2 * elements.state) +
      static_cast<int64_t>(std::max(sizes->training.workspace, sizes->inference.workspace));
  if (extent.training) plan.reserve_bytes = static_cast<int64_t>(sizes->training.reserve);
  return plan;
}

absl::StatusOr<std::unique_ptr<CudaStack>> CudaStack::Create(CudaQueue& setup,
                                                             const StackConfig& config,
                                                             const StackExtent& extent,
                                                             WindowAlgorithm algorithm) {
  auto stack = std::unique_ptr<CudaStack>(new CudaStack(config, extent, algorithm));
  if (extent.steps > 0) {
    if (absl::Status status = stack->AllocateForWindows(setup); !status.ok()) return status;
  }
  if (extent.step_rows > 0) {
    auto stepper = Stepper::Create(setup.device(), config, extent.step_rows);
    if (!stepper.ok()) return stepper.status();
    stack->stepper_ = *std::move(stepper);
  }
  return stack;
}

absl::Status CudaStack::AllocateForWindows(CudaQueue& setup) {
  Device& device = setup.device();
  const auto of_cudnn = CudnnAlgorithm(algorithm_);
  if (!of_cudnn) {
    auto lstm = LstmWindows::Create(device, config_, extent_, algorithm_);
    if (!lstm.ok()) return lstm.status();
    lstm_ = *std::move(lstm);
    return absl::OkStatus();
  }
  if (Drops(config_, extent_)) {
    auto layered = LayeredWindows::Create(setup, config_, extent_, *of_cudnn);
    if (!layered.ok()) return layered.status();
    layered_ = *std::move(layered);
    return absl::OkStatus();
  }
  auto rnn = Rnn::Create(device, setup.cudnn(), config_, *of_cudnn);
  if (!rnn.ok()) return rnn.status();
  rnn_ = *std::move(rnn);
  auto window = rnn_->MakeWindow(setup.cudnn(), extent_.steps, extent_.batch);
  if (!window.ok()) return window.status();
  const size_t element = ElementBytes(config_.precision);
  const WindowElements elements(config_, extent_);
  const bool training = extent_.training;
  const auto bytes = [](Buffer& place, size_t count) {
    return Device::Wanted{&place, ElementType::kByte, static_cast<int64_t>(count)};
  };
  absl::Status allocated = device.AllocateAll(
      {bytes(weights_, rnn_->weight_bytes()),
       bytes(d_weights_, training ? rnn_->weight_bytes() : 0), bytes(x_, element * elements.x),
       bytes(d_x_, training ? element * elements.x : 0),
       bytes(narrow_state_in_, element * elements.state),
       bytes(narrow_state_out_, element * elements.state),
       bytes(narrow_top_, element * elements.top),
       bytes(narrow_d_top_, training ? element * elements.top : 0),
       bytes(workspace_, std::max(window->training.workspace, window->inference.workspace)),
       bytes(reserve_, training ? window->training.reserve : 0)});
  if (!allocated.ok()) return allocated;
  windows_.emplace(std::pair(extent_.steps, extent_.batch), *std::move(window));

  auto chunks = rnn_->WeightMap(setup.cudnn(), weights_.view().data);
  if (!chunks.ok()) return chunks.status();
  chunk_count_ = static_cast<int64_t>(chunks->size());
  auto table = device.Allocate(ElementType::kByte, chunks->size() * sizeof(Chunk));
  if (!table.ok()) return table.status();
  chunks_ = *std::move(table);
  setup.Upload(chunks->data(), chunks_.view().data, chunks_.view().bytes());
  // Between the tensors and in rows of padding there is what nothing else writes.
  setup.Try(device.calls().runtime.MemsetAsync(weights_.view().data, 0, weights_.view().bytes(),
                                               setup.stream()),
            "cudaMemsetAsync");
  return setup.Finish();
}

void CudaStack::SetParameters(Queue& queue, View parameters) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  if (lstm_ != nullptr) lstm_->SetParameters(cuda, parameters);
  if (layered_ != nullptr) layered_->SetParameters(cuda, parameters);
  if (rnn_ != nullptr) {
    WithElement(config_.precision, [&](auto number) { Pack<decltype(number)>(cuda, parameters); });
  }
  if (stepper_ != nullptr) stepper_->SetParameters(cuda, parameters.As<float>());
}

template <class Number>
void CudaStack::Pack(CudaQueue& queue, View parameters) {
  queue.Launch(PackWeights<Number>{.chunks = Elements<const Chunk>(chunks_),
                                   .canonical = parameters.As<float>(),
                                   .packed = Elements<Number>(weights_),
                                   .chunk_count = chunk_count_});
}

const Rnn::Window* CudaStack::WindowOf(CudaQueue& queue, int steps, int batch) {
  const std::pair key(steps, batch);
  auto found = windows_.find(key);
  if (found == windows_.end()) {
    auto window = rnn_->MakeWindowWithin(queue.cudnn(), steps, batch, extent_,
                                         {workspace_.view().bytes(), reserve_.view().bytes()});
    if (!window.ok()) {
      queue.Fail(window.status());
      return nullptr;
    }
    found = windows_.emplace(key, *std::move(window)).first;
  }
  return &found->second;
}

void CudaStack::Forward(Queue& queue, ForwardMode mode, int steps, int batch, View tokens,
                        View state_in, View state_out, View top, View dropout) {
  DERIN_CHECK(steps <= extent_.steps && batch <= extent_.batch);
  const bool training = mode == ForwardMode::kTraining;
  DERIN_CHECK(!training || extent_.training);
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  const bool drops = training && Drops(config_, extent_);
  DERIN_CHECK(!drops || dropout.count == 2);
  const View dropped = drops ? dropout : View{};
  if (lstm_ != nullptr) {
    lstm_->Forward(cuda, steps, batch, tokens, state_in, state_out, top, dropped);
    return;
  }
  if (layered_ != nullptr) {
    layered_->Forward(cuda, steps, batch, tokens, state_in, state_out, top, dropped);
    return;
  }
  const Rnn::Window* window = WindowOf(cuda, steps, batch);
  if (window == nullptr) return;
  WithElement(config_.precision, [&](auto number) {
    RunForward<decltype(number)>(cuda, *window, training, tokens, state_in, state_out, top);
  });
}

template <class Number>
void CudaStack::RunForward(CudaQueue& queue, const Rnn::Window& window, bool training, View tokens,
                           View state_in, View state_out, View top) {
  constexpr bool kNarrow = !std::is_same_v<Number, float>;
  const CudnnCalls& cudnn = queue.device().calls().cudnn;
  const auto states = static_cast<int64_t>(state_in.count);
  // What the way back adds to.
  if (Branch* beside = training ? queue.Fork() : nullptr) {
    beside->Clear(d_weights_.view());
    clean_ = true;
  }
  queue.Launch(OneHot<Number>{.tokens = tokens.As<int32_t>(),
                              .x = Elements<Number>(x_),
                              .fault = queue.fault(),
                              .rows = static_cast<int64_t>(tokens.count),
                              .vocabulary = config_.vocabulary,
                              .columns = Rnn::InputColumns(config_)});
  Number *from, *to, *y;
  if constexpr (kNarrow) {
    from = Elements<Number>(narrow_state_in_);
    to = Elements<Number>(narrow_state_out_);
    y = Elements<Number>(narrow_top_);
    queue.Launch(Narrow<Number>{.from = state_in.As<float>(), .to = from, .count = states});
  } else {
    from = state_in.As<float>();
    to = state_out.As<float>();
    y = top.As<float>();
  }
  if (!queue.status().ok()) return;
  const StateParts<Number> in(from, state_in.count, config_.cell),
      out(to, state_in.count, config_.cell);
  const TemporarySpace& space = training ? window.training : window.inference;
  queue.Try(
      cudnn.RNNForward(queue.cudnn(), rnn_->descriptor(),
                       training ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE, nullptr,
                       window.x.get(), x_.view().data, window.y.get(), y, window.state.get(), in.h,
                       out.h, window.state.get(), in.c, out.c, rnn_->weight_bytes(),
                       weights_.view().data, space.workspace, workspace_.view().data,
                       training ? space.reserve : 0, training ? reserve_.view().data : nullptr),
      "cudnnRNNForward");
  if constexpr (kNarrow) {
    Branch* beside = queue.Fork();
    if (beside == nullptr) return;
    beside->Launch(Widen<Number>{.from = to, .to = state_out.As<float>(), .count = states});
    queue.Launch(
        Widen<Number>{.from = y, .to = top.As<float>(), .count = static_cast<int64_t>(top.count)});
  }
  if (!training) return;
  forwarded_ = &window;
  state_in_ = from;
  state_elements_ = state_in.count;
  top_ = y;
}

void CudaStack::Backward(Queue& queue, View d_top, View loss_scale, View gradients) {
  DERIN_CHECK(loss_scale.empty() != NeedsLossScale(config_.precision));
  CudaQueue& cuda = AsCuda(queue);
  // Beside the gradients of the head.
  if (!cuda.BeginBeside()) return;
  if (lstm_ != nullptr) {
    lstm_->Backward(cuda, d_top, loss_scale, gradients);
    return;
  }
  if (layered_ != nullptr) {
    layered_->Backward(cuda, d_top, loss_scale, gradients);
    return;
  }
  DERIN_CHECK(forwarded_ != nullptr);
  WithElement(config_.precision, [&](auto number) {
    RunBackward<decltype(number)>(cuda, d_top, loss_scale, gradients);
  });
}

template <class Number>
void CudaStack::RunBackward(CudaQueue& queue, View d_top, View loss_scale, View gradients) {
  const CudaCalls& calls = queue.device().calls();
  const Rnn::Window& window = *forwarded_;
  const StateParts<const Number> in(static_cast<const Number*>(state_in_), state_elements_,
                                    config_.cell);
  const double* scale = loss_scale.empty() ? nullptr : loss_scale.As<double>();
  const void* dy = d_top.data;
  if constexpr (!std::is_same_v<Number, float>) {
    dy = narrow_d_top_.view().data;
    queue.Launch(Narrow<Number>{.from = d_top.As<float>(),
                                .to = Elements<Number>(narrow_d_top_),
                                .scale = scale,
                                .count = static_cast<int64_t>(d_top.count)});
    if (!queue.status().ok()) return;
  }
  // The data first: it leaves in the reserve what the weights' gradients are made of, and those are
  // only ever added.
  if (!queue.Try(calls.cudnn.RNNBackwardData_v8(
                     queue.cudnn(), rnn_->descriptor(), nullptr, window.y.get(), top_, dy,
                     window.x.get(), d_x_.view().data, window.state.get(), in.h, nullptr, nullptr,
                     window.state.get(), in.c, nullptr, nullptr, rnn_->weight_bytes(),
                     weights_.view().data, window.training.workspace, workspace_.view().data,
                     window.training.reserve, reserve_.view().data),
                 "cudnnRNNBackwardData_v8")) {
    return;
  }
  if (!std::exchange(clean_, false)) {
    if (Branch* again = queue.Fork()) again->Clear(d_weights_.view());
  }
  queue.Join();
  if (!queue.status().ok()) return;
  queue.Try(calls.cudnn.RNNBackwardWeights_v8(
                queue.cudnn(), rnn_->descriptor(), CUDNN_WGRAD_MODE_ADD, nullptr, window.x.get(),
                x_.view().data, window.state.get(), in.h, window.y.get(), top_,
                rnn_->weight_bytes(), d_weights_.view().data, window.training.workspace,
                workspace_.view().data, window.training.reserve, reserve_.view().data),
            "cudnnRNNBackwardWeights_v8") &&
      queue.Launch(UnpackGradients<Number>{.chunks = Elements<const Chunk>(chunks_),
                                           .packed = Elements<const Number>(d_weights_),
                                           .canonical = gradients.As<float>(),
                                           .scale = scale,
                                           .chunk_count = chunk_count_});
}

void CudaStack::Step(Queue& queue, View tokens, View slots, View pool, View top, StepOfRun) {
  DERIN_CHECK(stepper_ != nullptr);
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  // What Sample wants after this step is had before a state is written, since there may be no room
  // for it; of the most rows at once, so that the next larger step leaves no buffer behind.
  const int64_t sampling = SampleRowsOfMany::ScratchBytes(extent_.step_rows, config_.vocabulary);
  if (sampling > 0 && cuda.Scratch(sampling) == nullptr) return;
  stepper_->Step(cuda, tokens, slots, pool, top);
}

}  // namespace derin::cuda
