#include "model/backend/cuda/rnn.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_format.h"

namespace derin::cuda {
namespace {

cudnnRNNMode_t ModeOf(Cell cell) {
  switch (cell) {
    case Cell::kVanillaTanh:
      return CUDNN_RNN_TANH;
    case Cell::kVanillaRelu:
      return CUDNN_RNN_RELU;
    case Cell::kGru:
      return CUDNN_GRU;
    case Cell::kLstm:
      return CUDNN_LSTM;
  }
  return CUDNN_LSTM;
}

// What the data is, and how products are computed of it; sums are f32 in any case.
struct DataType {
  cudnnDataType_t data;
  cudnnMathType_t math;
};
DataType TypeOf(Precision precision) {
  switch (precision) {
    case Precision::kTf32:
      return {CUDNN_DATA_FLOAT, CUDNN_DEFAULT_MATH};
    case Precision::kF16:
      return {CUDNN_DATA_HALF, CUDNN_TENSOR_OP_MATH};
    case Precision::kBf16:
      return {CUDNN_DATA_BFLOAT16, CUDNN_TENSOR_OP_MATH};
    case Precision::kF32:
    case Precision::kF64:  // which no stack here has
      break;
  }
  return {CUDNN_DATA_FLOAT, CUDNN_FMA_MATH};
}

// A tensor that cuDNN described: nothing but rows without gaps will do.
struct Described {
  cudnnDataType_t type;
  int dimensions = 0;
  std::array<int, 3> sizes{}, strides{};

  bool Is(cudnnDataType_t wanted, int rows, int columns) const {
    return type == wanted && dimensions == 3 && sizes == std::array{1, rows, columns} &&
           (columns == 1 || strides[2] == 1) && (rows == 1 || strides[1] == columns);
  }
};

// `rows` of `columns` elements, of which there are `stride` in the packing.
void AddChunks(int64_t canonical, int64_t packed, int64_t rows, int64_t columns, int64_t stride,
               std::vector<Chunk>& chunks) {
  if (columns == stride) {
    columns = stride = rows * columns;
    rows = 1;
  }
  const int64_t rows_each = std::max<int64_t>(1, Chunk::kMost / columns);
  for (int64_t row = 0; row < rows; row += rows_each) {
    const int64_t count = std::min(rows_each, rows - row) * columns;
    for (int64_t done = 0; done < count; done += Chunk::kMost) {
      const int64_t here = std::min<int64_t>(Chunk::kMost, count - done);
      const bool one_row = columns >= here;
      chunks.push_back({canonical + row * columns + done, packed + row * stride + done,
                        static_cast<int32_t>(here), static_cast<int32_t>(one_row ? here : columns),
                        static_cast<int32_t>(one_row ? here : stride)});
    }
  }
}

absl::Status CheckNoOverlap(std::vector<Chunk> chunks, int64_t elements) {
  std::sort(chunks.begin(), chunks.end(),
            [](const Chunk& a, const Chunk& b) { return a.packed < b.packed; });
  int64_t end = 0;
  for (const Chunk& chunk : chunks) {
    const int64_t last = chunk.PackedAt(chunk.count - 1);
    if (chunk.packed < end || last >= elements) {
      return absl::InternalError(absl::StrFormat(
          "cudnnGetRNNWeightParams: elements %d to %d of a weight space of %d overlap others or "
          "lie outside of it",
          chunk.packed, last, elements));
    }
    end = last + 1;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Rnn>> Rnn::Create(Device& device, cudnnHandle_t handle,
                                                 const StackConfig& config,
                                                 cudnnRNNAlgo_t algorithm) {
  auto rnn = std::unique_ptr<Rnn>(new Rnn(device, config));
  const DataType type = TypeOf(config.precision);
  const CudnnCalls& cudnn = device.calls().cudnn;
  Attempt attempt(device);
  // Without dropout there is no state of its random numbers either.
  attempt.Make(rnn->dropout_, "cudnnCreateDropoutDescriptor", cudnn.CreateDropoutDescriptor,
               cudnn.DestroyDropoutDescriptor) &&
      attempt(cudnn.SetDropoutDescriptor(rnn->dropout_.get(), handle, 0, nullptr, 0, 0),
              "cudnnSetDropoutDescriptor") &&
      attempt.Make(rnn->rnn_, "cudnnCreateRNNDescriptor", cudnn.CreateRNNDescriptor,
                   cudnn.DestroyRNNDescriptor) &&
      attempt(cudnn.SetRNNDescriptor_v8(
                  rnn->rnn_.get(), algorithm, ModeOf(config.cell), CUDNN_RNN_DOUBLE_BIAS,
                  CUDNN_UNIDIRECTIONAL, CUDNN_LINEAR_INPUT, type.data, CUDNN_DATA_FLOAT, type.math,
                  InputColumns(config), config.hidden, config.hidden, config.layers,
                  rnn->dropout_.get(), CUDNN_RNN_PADDED_IO_DISABLED),
              "cudnnSetRNNDescriptor_v8") &&
      attempt(cudnn.GetRNNWeightSpaceSize(handle, rnn->rnn_.get(), &rnn->weight_bytes_),
              "cudnnGetRNNWeightSpaceSize");
  if (!attempt.status().ok()) return attempt.status();
  return rnn;
}

absl::StatusOr<std::vector<Chunk>> Rnn::WeightMap(cudnnHandle_t handle, void* weight_space) const {
  const CudnnCalls& cudnn = device_.calls().cudnn;
  const std::vector<Slice> slices = StackSlices(config_);
  const int H = config_.hidden, G = GateCount(config_.cell);
  const cudnnDataType_t data = TypeOf(config_.precision).data;
  const auto* origin = static_cast<const std::byte*>(weight_space);
  Owned<cudnnTensorDescriptor_t> matrix, bias;
  Attempt attempt(device_);
  for (auto* descriptor : {&matrix, &bias}) {
    if (!attempt.Make(*descriptor, "cudnnCreateTensorDescriptor", cudnn.CreateTensorDescriptor,
                      cudnn.DestroyTensorDescriptor)) {
      return attempt.status();
    }
  }
  const auto describe = [&](const Owned<cudnnTensorDescriptor_t>& from, Described& to) {
    return attempt(cudnn.GetTensorNdDescriptor(from.get(), 3, &to.type, &to.dimensions,
                                               to.sizes.data(), to.strides.data()),
                   "cudnnGetTensorNdDescriptor");
  };
  std::vector<Chunk> chunks;
  for (int layer = 0; layer < config_.layers; ++layer) {
    const LayerSlices at(layer);
    // Linear layers 0 ... G - 1 are the gates' input parts, G ... 2 G - 1 their recurrent parts, in
    // our order of the gates.
    for (int linear = 0; linear < 2 * G; ++linear) {
      const bool recurrent = linear >= G;
      const Slice& weight = slices[recurrent ? at.weight_hh : at.weight_ih];
      const Slice& of_bias = slices[recurrent ? at.bias_hh : at.bias_ih];
      const int gate = linear % G, columns = static_cast<int>(weight.shape[1]);
      const int stride = layer == 0 && !recurrent ? InputColumns(config_) : columns;
      void *matrix_at = nullptr, *bias_at = nullptr;
      Described of_matrix, of_vector;
      attempt(cudnn.GetRNNWeightParams(handle, rnn_.get(), layer, weight_bytes_, weight_space,
                                       linear, matrix.get(), &matrix_at, bias.get(), &bias_at),
              "cudnnGetRNNWeightParams") &&
          describe(matrix, of_matrix) && describe(bias, of_vector);
      if (!attempt.status().ok()) return attempt.status();
      if (matrix_at == nullptr || bias_at == nullptr || !of_matrix.Is(data, H, stride) ||
          !of_vector.Is(data, H, 1)) {
        return absl::InternalError(absl::StrFormat(
            "cudnnGetRNNWeightParams: layer %d, linear layer %d: got a matrix [%d, %d] and a bias "
            "[%d], wanted dense [%d, %d] and [%d]",
            layer, linear, of_matrix.sizes[1], of_matrix.sizes[2], of_vector.sizes[1], H, stride,
            H));
      }
      const auto offset = [&](const void* address) {
        return (static_cast<const std::byte*>(address) - origin) / ElementBytes(config_.precision);
      };
      AddChunks(weight.offset + int64_t{gate} * H * columns, offset(matrix_at), H, columns, stride,
                chunks);
      AddChunks(of_bias.offset + int64_t{gate} * H, offset(bias_at), 1, H, H, chunks);
    }
  }
  if (absl::Status status = CheckNoOverlap(chunks, static_cast<int64_t>(weights())); !status.ok()) {
    return status;
  }
  return chunks;
}

absl::StatusOr<Rnn::Window> Rnn::MakeWindow(cudnnHandle_t handle, int steps, int batch) const {
  const CudnnCalls& cudnn = device_.calls().cudnn;
  Window window;
  const cudnnDataType_t data = TypeOf(config_.precision).data;
  Attempt attempt(device_);
  const std::vector<int> lengths(batch, steps);
  const auto sequences = [&](Owned<cudnnRNNDataDescriptor_t>& to, int size) {
    return attempt.Make(to, "cudnnCreateRNNDataDescriptor", cudnn.CreateRNNDataDescriptor,
                        cudnn.DestroyRNNDataDescriptor) &&
           attempt(
               cudnn.SetRNNDataDescriptor(to.get(), data, CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED,
                                          steps, batch, size, lengths.data(), nullptr),
               "cudnnSetRNNDataDescriptor");
  };
  const int sizes[] = {config_.layers, batch, config_.hidden};
  const int strides[] = {batch * config_.hidden, config_.hidden, 1};
  const auto space = [&](cudnnForwardMode_t mode, TemporarySpace& to) {
    return attempt(cudnn.GetRNNTempSpaceSizes(handle, rnn_.get(), mode, window.x.get(),
                                              &to.workspace, &to.reserve),
                   "cudnnGetRNNTempSpaceSizes");
  };
  sequences(window.x, InputColumns(config_)) && sequences(window.y, config_.hidden) &&
      attempt.Make(window.state, "cudnnCreateTensorDescriptor", cudnn.CreateTensorDescriptor,
                   cudnn.DestroyTensorDescriptor) &&
      attempt(cudnn.SetTensorNdDescriptor(window.state.get(), data, 3, sizes, strides),
              "cudnnSetTensorNdDescriptor") &&
      space(CUDNN_FWD_MODE_TRAINING, window.training) &&
      space(CUDNN_FWD_MODE_INFERENCE, window.inference);
  if (!attempt.status().ok()) return attempt.status();
  return window;
}

absl::StatusOr<Rnn::Window> Rnn::MakeWindowWithin(cudnnHandle_t handle, int steps, int batch,
                                                  const StackExtent& extent,
                                                  const TemporarySpace& space) const {
  auto window = MakeWindow(handle, steps, batch);
  if (!window.ok()) return window;
  if (std::max(window->training.workspace, window->inference.workspace) > space.workspace ||
      (extent.training && window->training.reserve > space.reserve)) {
    return absl::InternalError(absl::StrFormat(
        "cudnnGetRNNTempSpaceSizes: %d steps of %d sequences want more than %d steps of %d", steps,
        batch, extent.steps, extent.batch));
  }
  return window;
}

}  // namespace derin::cuda
