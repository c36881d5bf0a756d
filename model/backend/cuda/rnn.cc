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

// A tensor that cuDNN described: nothing but `count` f32 without gaps will do.
struct Described {
  cudnnDataType_t type;
  int dimensions = 0;
  std::array<int, 3> sizes{}, strides{};

  bool Is(int rows, int columns) const {
    return type == CUDNN_DATA_FLOAT && dimensions == 3 && sizes == std::array{1, rows, columns} &&
           (columns == 1 || strides[2] == 1) && (rows == 1 || strides[1] == columns);
  }
};

void AddChunks(int64_t canonical, int64_t packed, int64_t count, std::vector<Chunk>& chunks) {
  for (int64_t done = 0; done < count; done += Chunk::kMost) {
    chunks.push_back({canonical + done, packed + done,
                      static_cast<int32_t>(std::min<int64_t>(Chunk::kMost, count - done))});
  }
}

absl::Status CheckNoOverlap(std::vector<Chunk> chunks, int64_t elements) {
  std::sort(chunks.begin(), chunks.end(),
            [](const Chunk& a, const Chunk& b) { return a.packed < b.packed; });
  int64_t end = 0;
  for (const Chunk& chunk : chunks) {
    if (chunk.packed < end || chunk.packed + chunk.count > elements) {
      return absl::InternalError(absl::StrFormat(
          "cudnnGetRNNWeightParams: elements %d to %d of a weight space of %d overlap others or "
          "lie outside of it",
          chunk.packed, chunk.packed + chunk.count, elements));
    }
    end = chunk.packed + chunk.count;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Rnn>> Rnn::Create(Device& device, cudnnHandle_t handle,
                                                 const StackConfig& config) {
  auto rnn = std::unique_ptr<Rnn>(new Rnn(device, config));
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
                  rnn->rnn_.get(), CUDNN_RNN_ALGO_STANDARD, ModeOf(config.cell),
                  CUDNN_RNN_DOUBLE_BIAS, CUDNN_UNIDIRECTIONAL, CUDNN_LINEAR_INPUT, CUDNN_DATA_FLOAT,
                  CUDNN_DATA_FLOAT, CUDNN_FMA_MATH, config.vocabulary, config.hidden, config.hidden,
                  config.layers, rnn->dropout_.get(), CUDNN_RNN_PADDED_IO_DISABLED),
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
      void *matrix_at = nullptr, *bias_at = nullptr;
      Described of_matrix, of_vector;
      attempt(cudnn.GetRNNWeightParams(handle, rnn_.get(), layer, weight_bytes_, weight_space,
                                       linear, matrix.get(), &matrix_at, bias.get(), &bias_at),
              "cudnnGetRNNWeightParams") &&
          describe(matrix, of_matrix) && describe(bias, of_vector);
      if (!attempt.status().ok()) return attempt.status();
      if (matrix_at == nullptr || bias_at == nullptr || !of_matrix.Is(H, columns) ||
          !of_vector.Is(H, 1)) {
        return absl::InternalError(absl::StrFormat(
            "cudnnGetRNNWeightParams: layer %d, linear layer %d: got a matrix [%d, %d] and a bias "
            "[%d], wanted dense [%d, %d] and [%d]",
            layer, linear, of_matrix.sizes[1], of_matrix.sizes[2], of_vector.sizes[1], H, columns,
            H));
      }
      const auto offset = [&](const void* address) {
        return (static_cast<const std::byte*>(address) - origin) /
               static_cast<int64_t>(sizeof(float));
      };
      AddChunks(weight.offset + int64_t{gate} * H * columns, offset(matrix_at),
                int64_t{H} * columns, chunks);
      AddChunks(of_bias.offset + int64_t{gate} * H, offset(bias_at), H, chunks);
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
  Attempt attempt(device_);
  const std::vector<int> lengths(batch, steps);
  const auto sequences = [&](Owned<cudnnRNNDataDescriptor_t>& to, int size) {
    return attempt.Make(to, "cudnnCreateRNNDataDescriptor", cudnn.CreateRNNDataDescriptor,
                        cudnn.DestroyRNNDataDescriptor) &&
           attempt(cudnn.SetRNNDataDescriptor(to.get(), CUDNN_DATA_FLOAT,
                                              CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED, steps, batch,
                                              size, lengths.data(), nullptr),
                   "cudnnSetRNNDataDescriptor");
  };
  const int sizes[] = {config_.layers, batch, config_.hidden};
  const int strides[] = {batch * config_.hidden, config_.hidden, 1};
  const auto space = [&](cudnnForwardMode_t mode, TemporarySpace& to) {
    return attempt(cudnn.GetRNNTempSpaceSizes(handle, rnn_.get(), mode, window.x.get(),
                                              &to.workspace, &to.reserve),
                   "cudnnGetRNNTempSpaceSizes");
  };
  sequences(window.x, config_.vocabulary) && sequences(window.y, config_.hidden) &&
      attempt.Make(window.state, "cudnnCreateTensorDescriptor", cudnn.CreateTensorDescriptor,
                   cudnn.DestroyTensorDescriptor) &&
      attempt(cudnn.SetTensorNdDescriptor(window.state.get(), CUDNN_DATA_FLOAT, 3, sizes, strides),
              "cudnnSetTensorNdDescriptor") &&
      space(CUDNN_FWD_MODE_TRAINING, window.training) &&
      space(CUDNN_FWD_MODE_INFERENCE, window.inference);
  if (!attempt.status().ok()) return attempt.status();
  return window;
}

}  // namespace derin::cuda
