#include "model/backend/cuda/layered_windows.h"

#include <algorithm>
#include <type_traits>

#include "model/backend/cuda/element.h"

namespace derin::cuda {
namespace {

template <class Number>
Number* Elements(const Buffer& buffer) {
  return static_cast<Number*>(buffer.view().data);
}

}  // namespace

LayeredWindows::LayeredWindows(const StackConfig& config, const StackExtent& extent)
    : config_(config), extent_(extent), layers_(config.layers) {
  const std::vector<Slice> slices = StackSlices(config);
  for (int l = 0; l < config.layers; ++l) {
    layers_[l].config = config;
    layers_[l].config.layers = 1;
    if (l > 0) layers_[l].config.vocabulary = config.hidden;
    layers_[l].parameters = slices[LayerSlices(l).weight_ih].offset;
  }
}

absl::StatusOr<std::unique_ptr<LayeredWindows>> LayeredWindows::Create(CudaQueue& setup,
                                                                       const StackConfig& config,
                                                                       const StackExtent& extent,
                                                                       cudnnRNNAlgo_t algorithm) {
  auto windows = std::unique_ptr<LayeredWindows>(new LayeredWindows(config, extent));
  absl::Status status = windows->Describe(setup, algorithm);
  if (status.ok()) status = windows->Allocate(setup);
  if (!status.ok()) return status;
  return windows;
}

absl::StatusOr<StackPlan> LayeredWindows::Plan(CudaQueue& setup, const StackConfig& config,
                                               const StackExtent& extent,
                                               cudnnRNNAlgo_t algorithm) {
  LayeredWindows windows(config, extent);
  if (absl::Status status = windows.Describe(setup, algorithm); !status.ok()) return status;
  return windows.Sizes();
}

absl::Status LayeredWindows::Describe(CudaQueue& setup, cudnnRNNAlgo_t algorithm) {
  for (Layer& layer : layers_) {
    auto rnn = Rnn::Create(setup.device(), setup.cudnn(), layer.config, algorithm);
    if (!rnn.ok()) return rnn.status();
    layer.rnn = *std::move(rnn);
    auto window = layer.rnn->MakeWindow(setup.cudnn(), extent_.steps, extent_.batch);
    if (!window.ok()) return window.status();
    layer.windows.emplace(std::pair(extent_.steps, extent_.batch), *std::move(window));
  }
  return absl::OkStatus();
}

const Rnn::Window& LayeredWindows::Whole(const Layer& layer) const {
  return layer.windows.at({extent_.steps, extent_.batch});
}
size_t LayeredWindows::WorkspaceBytes() const {
  size_t most = 0;
  for (const Layer& layer : layers_) {
    most = std::max({most, Whole(layer).training.workspace, Whole(layer).inference.workspace});
  }
  return most;
}
int64_t LayeredWindows::WindowBytes(int64_t columns) const {
  return ElementBytes(config_.precision) * extent_.steps * extent_.batch * columns;
}
int64_t LayeredWindows::StateBytes() const {
  const int64_t element = ElementBytes(config_.precision);
  return element == sizeof(float) ? 0 : element * extent_.batch * StateElements(config_);
}
int64_t LayeredWindows::GradientColumns() const {
  return std::max(Rnn::InputColumns(layers_.front().config),
                  Rnn::InputColumns(layers_.back().config));
}

StackPlan LayeredWindows::Sizes() const {
  StackPlan plan;
  plan.workspace_bytes = static_cast<int64_t>(WorkspaceBytes()) + 2 * StateBytes() +
                         WindowBytes(GradientColumns() + config_.hidden);
  for (const Layer& layer : layers_) {
    plan.weight_bytes += 2 * static_cast<int64_t>(layer.rnn->weight_bytes());
    plan.reserve_bytes += static_cast<int64_t>(Whole(layer).training.reserve) +
                          WindowBytes(Rnn::InputColumns(layer.config) + config_.hidden);
  }
  return plan;
}

absl::Status LayeredWindows::Allocate(CudaQueue& setup) {
  Device& device = setup.device();
  const auto bytes = [](Buffer& place, int64_t count) {
    return Device::Wanted{&place, ElementType::kByte, count};
  };
  absl::Status status = device.AllocateAll(
      {bytes(workspace_, static_cast<int64_t>(WorkspaceBytes())),
       bytes(d_x_, WindowBytes(GradientColumns())), bytes(d_y_, WindowBytes(config_.hidden)),
       bytes(narrow_state_in_, StateBytes()), bytes(narrow_state_out_, StateBytes())});
  for (Layer& layer : layers_) {
    if (!status.ok()) return status;
    const auto weights = static_cast<int64_t>(layer.rnn->weight_bytes());
    status = device.AllocateAll(
        {bytes(layer.weights, weights), bytes(layer.d_weights, weights),
         bytes(layer.x, WindowBytes(Rnn::InputColumns(layer.config))),
         bytes(layer.y, WindowBytes(config_.hidden)),
         bytes(layer.reserve, static_cast<int64_t>(Whole(layer).training.reserve))});
    if (status.ok()) status = MapWeights(setup, layer);
  }
  if (!status.ok()) return status;
  return setup.Finish();
}

absl::Status LayeredWindows::MapWeights(CudaQueue& setup, Layer& layer) const {
  Device& device = setup.device();
  auto chunks = layer.rnn->WeightMap(setup.cudnn(), layer.weights.view().data);
  if (!chunks.ok()) return chunks.status();
  layer.chunk_count = static_cast<int64_t>(chunks->size());
  auto table = device.Allocate(ElementType::kByte, chunks->size() * sizeof(Chunk));
  if (!table.ok()) return table.status();
  layer.chunks = *std::move(table);
  setup.Upload(chunks->data(), layer.chunks.view().data, layer.chunks.view().bytes());
  // Between the tensors and in columns of padding there is what nothing else writes.
  for (const View view : {layer.weights.view(), layer.x.view()}) {
    setup.Try(device.calls().runtime.MemsetAsync(view.data, 0, view.bytes(), setup.stream()),
              "cudaMemsetAsync");
  }
  return setup.status();
}

void LayeredWindows::SetParameters(CudaQueue& queue, View parameters) {
  WithElement(config_.precision, [&](auto number) {
    using Number = decltype(number);
    for (const Layer& layer : layers_) {
      queue.Launch(PackWeights<Number>{.chunks = Elements<const Chunk>(layer.chunks),
                                       .canonical = parameters.As<float>() + layer.parameters,
                                       .packed = Elements<Number>(layer.weights),
                                       .chunk_count = layer.chunk_count});
    }
  });
}

const Rnn::Window* LayeredWindows::WindowOf(CudaQueue& queue, Layer& layer, int steps, int batch) {
  const std::pair key(steps, batch);
  auto found = layer.windows.find(key);
  if (found == layer.windows.end()) {
    auto window =
        layer.rnn->MakeWindowWithin(queue.cudnn(), steps, batch, extent_,
                                    {workspace_.view().bytes(), layer.reserve.view().bytes()});
    if (!window.ok()) {
      queue.Fail(window.status());
      return nullptr;
    }
    found = layer.windows.emplace(key, *std::move(window)).first;
  }
  return &found->second;
}

void LayeredWindows::Forward(CudaQueue& queue, int steps, int batch, View tokens, View state_in,
                             View state_out, View top, View dropout) {
  rows_ = int64_t{steps} * batch;
  state_rows_ = batch;
  dropout_ = dropout;
  for (Layer& layer : layers_) {
    layer.window = WindowOf(queue, layer, steps, batch);
    if (layer.window == nullptr) return;
  }
  WithElement(config_.precision, [&](auto number) {
    RunForward<decltype(number)>(queue, tokens, state_in, state_out, top);
  });
}

template <class Number>
void LayeredWindows::RunForward(CudaQueue& queue, View tokens, View state_in, View state_out,
                                View top) {
  constexpr bool kNarrow = !std::is_same_v<Number, float>;
  const auto states = static_cast<int64_t>(state_in.count);
  const int64_t H = config_.hidden;
  Number *from, *to;
  if constexpr (kNarrow) {
    from = Elements<Number>(narrow_state_in_);
    to = Elements<Number>(narrow_state_out_);
    queue.Launch(Narrow<Number>{.from = state_in.As<float>(), .to = from, .count = states});
  } else {
    from = state_in.As<float>();
    to = state_out.As<float>();
  }
  const Number* below = nullptr;
  for (int l = 0; l < config_.layers; ++l) {
    Layer& layer = layers_[l];
    const int64_t columns = Rnn::InputColumns(layer.config);
    if (l == 0) {
      queue.Launch(OneHot<Number>{.tokens = tokens.As<int32_t>(),
                                  .x = Elements<Number>(layer.x),
                                  .fault = queue.fault(),
                                  .rows = rows_,
                                  .vocabulary = config_.vocabulary,
                                  .columns = columns});
    } else {
      DropBetween<Number>(queue, l, below, H, Elements<Number>(layer.x), columns);
    }
    Number* output = Elements<Number>(layer.y);
    if constexpr (!kNarrow) {
      if (l + 1 == config_.layers) output = top.As<float>();
    }
    // Of [S, L, B, H].
    const int64_t h = l * state_rows_ * H;
    if (!RunLayer<Number>(queue, layer, from + h, to + h, output)) return;
    below = output;
  }
  if constexpr (kNarrow) {
    queue.Launch(Widen<Number>{.from = to, .to = state_out.As<float>(), .count = states});
    queue.Launch(Widen<Number>{.from = below, .to = top.As<float>(), .count = rows_ * H});
  }
}

template <class Number>
bool LayeredWindows::RunLayer(CudaQueue& queue, Layer& layer, Number* from, Number* to,
                              Number* output) {
  const bool training = !dropout_.empty();
  const Rnn::Window& window = *layer.window;
  const TemporarySpace& space = training ? window.training : window.inference;
  const int64_t c = config_.layers * state_rows_ * config_.hidden;
  const bool lstm = config_.cell == Cell::kLstm;
  layer.h_in = from;
  layer.c_in = lstm ? from + c : nullptr;
  layer.output = output;
  return queue.status().ok() &&
         queue.Try(
             queue.device().calls().cudnn.RNNForward(
                 queue.cudnn(), layer.rnn->descriptor(),
                 training ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE, nullptr,
                 window.x.get(), layer.x.view().data, window.y.get(), output, window.state.get(),
                 from, to, window.state.get(), layer.c_in, lstm ? to + c : nullptr,
                 layer.rnn->weight_bytes(), layer.weights.view().data, space.workspace,
                 workspace_.view().data, training ? space.reserve : 0,
                 training ? layer.reserve.view().data : nullptr),
             "cudnnRNNForward");
}

void LayeredWindows::Backward(CudaQueue& queue, View d_top, View loss_scale, View gradients) {
  DERIN_CHECK(!dropout_.empty());
  const double* scale = loss_scale.empty() ? nullptr : loss_scale.As<double>();
  WithElement(config_.precision, [&](auto number) {
    RunBackward<decltype(number)>(queue, d_top, scale, gradients.As<float>());
  });
}

template <class Number>
void LayeredWindows::RunBackward(CudaQueue& queue, View d_top, const double* scale,
                                 float* gradients) {
  const void* d_output = d_top.data;
  if constexpr (!std::is_same_v<Number, float>) {
    d_output = d_y_.view().data;
    queue.Launch(Narrow<Number>{.from = d_top.As<float>(),
                                .to = Elements<Number>(d_y_),
                                .scale = scale,
                                .count = static_cast<int64_t>(d_top.count)});
  }
  for (int l = config_.layers - 1; l >= 0; --l) {
    const Layer& layer = layers_[l];
    if (!LayerBack<Number>(queue, layer, d_output)) return;
    queue.Launch(UnpackGradients<Number>{.chunks = Elements<const Chunk>(layer.chunks),
                                         .packed = Elements<const Number>(layer.d_weights),
                                         .canonical = gradients + layer.parameters,
                                         .scale = scale,
                                         .chunk_count = layer.chunk_count});
    if (l == 0) return;
    DropBetween<Number>(queue, l, Elements<Number>(d_x_), Rnn::InputColumns(layer.config),
                        Elements<Number>(d_y_), config_.hidden);
    d_output = d_y_.view().data;
  }
}

// The data first, as in CudaStack.
template <class Number>
bool LayeredWindows::LayerBack(CudaQueue& queue, const Layer& layer, const void* d_output) {
  const CudaCalls& calls = queue.device().calls();
  const Rnn::Window& window = *layer.window;
  const View d_weights = layer.d_weights.view();
  return queue.status().ok() &&
         queue.Try(
             calls.cudnn.RNNBackwardData_v8(
                 queue.cudnn(), layer.rnn->descriptor(), nullptr, window.y.get(), layer.output,
                 d_output, window.x.get(), d_x_.view().data, window.state.get(), layer.h_in,
                 nullptr, nullptr, window.state.get(), layer.c_in, nullptr, nullptr,
                 layer.rnn->weight_bytes(), layer.weights.view().data, window.training.workspace,
                 workspace_.view().data, window.training.reserve, layer.reserve.view().data),
             "cudnnRNNBackwardData_v8") &&
         queue.Try(calls.runtime.MemsetAsync(d_weights.data, 0, d_weights.bytes(), queue.stream()),
                   "cudaMemsetAsync") &&
         queue.Try(calls.cudnn.RNNBackwardWeights_v8(
                       queue.cudnn(), layer.rnn->descriptor(), CUDNN_WGRAD_MODE_ADD, nullptr,
                       window.x.get(), layer.x.view().data, window.state.get(), layer.h_in,
                       window.y.get(), layer.output, layer.rnn->weight_bytes(), d_weights.data,
                       window.training.workspace, workspace_.view().data, window.training.reserve,
                       layer.reserve.view().data),
                   "cudnnRNNBackwardWeights_v8");
}

template <class Number>
void LayeredWindows::DropBetween(CudaQueue& queue, int layer, const Number* from,
                                 int64_t from_columns, Number* to, int64_t to_columns) const {
  queue.Launch(Drop<Number, Number>{.from = from,
                                    .to = to,
                                    .random = dropout_.empty() ? nullptr : dropout_.As<int64_t>(),
                                    .share = extent_.dropout,
                                    .layer = layer - 1,
                                    .first_row = 0,
                                    .last_row = rows_,
                                    .hidden = config_.hidden,
                                    .from_columns = from_columns,
                                    .to_columns = to_columns});
}

}  // namespace derin::cuda
