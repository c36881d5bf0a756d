#include "tests/model/backend/cuda/fake_cudnn.h"

#include <Eigen/Core>
#include <map>
#include <memory>
#include <vector>

#include "model/backend/cuda/kernels/half.h"
#include "model/backend/host_backend.h"
#include "model/backend/reference/reference_stack.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

struct Handle {
  FakeGpu::Stream* stream = nullptr;
};
struct Tensor {
  cudnnDataType_t type;
  std::vector<int> sizes, strides;
};
struct Sequences {
  cudnnDataType_t type;
  int steps, batch, size;
};
struct Stack {
  cudnnDataType_t type;
  cudnnRNNAlgo_t algorithm;
  StackConfig config;
};
struct Dropout {
  bool set = false;
};

// Aligned as a GPU's memory is: the order of Eigen's sums depends on where an array begins.
using Numbers = std::vector<float, Eigen::aligned_allocator<float>>;

size_t Bytes(cudnnDataType_t type) { return type == CUDNN_DATA_FLOAT ? 4 : 2; }

float Load(cudnnDataType_t type, const void* from, int64_t i) {
  if (type == CUDNN_DATA_HALF) return ToFloat(static_cast<const F16*>(from)[i]);
  if (type == CUDNN_DATA_BFLOAT16) return ToFloat(static_cast<const Bf16*>(from)[i]);
  return static_cast<const float*>(from)[i];
}
void Store(cudnnDataType_t type, float value, void* to, int64_t i) {
  if (type == CUDNN_DATA_HALF) {
    static_cast<F16*>(to)[i] = RoundTo<F16>(value);
  } else if (type == CUDNN_DATA_BFLOAT16) {
    static_cast<Bf16*>(to)[i] = RoundTo<Bf16>(value);
  } else {
    static_cast<float*>(to)[i] = value;
  }
}
Numbers LoadAll(cudnnDataType_t type, const void* from, int64_t count) {
  Numbers values(count);
  for (int64_t i = 0; i < count; ++i) values[i] = Load(type, from, i);
  return values;
}
void StoreAll(cudnnDataType_t type, const float* values, int64_t count, void* to) {
  for (int64_t i = 0; i < count; ++i) Store(type, values[i], to, i);
}

// One stack's passes; it lies where the caller's reserve does, as long as the fake lasts. The
// reference reads tokens, and here the input is dense: so each row of it is a token of its own,
// whose column of the first weights is what that row gives.
struct Pass {
  reference::ReferenceStack<float> stack;
  HostQueue queue;
  Numbers input;      // [rows, columns]
  Numbers weight_ih;  // [G*H, columns], of layer 0
  Numbers gradients;
  bool data_done = false;
};
std::map<const void*, std::unique_ptr<Pass>>& Passes() {
  static auto& passes = *new std::map<const void*, std::unique_ptr<Pass>>;
  return passes;
}

Handle* Fake(cudnnHandle_t handle) { return reinterpret_cast<Handle*>(handle); }
Tensor* Fake(cudnnTensorDescriptor_t handle) { return reinterpret_cast<Tensor*>(handle); }
Sequences* Fake(cudnnRNNDataDescriptor_t handle) { return reinterpret_cast<Sequences*>(handle); }
Stack* Fake(cudnnRNNDescriptor_t handle) { return reinterpret_cast<Stack*>(handle); }
Dropout* Fake(cudnnDropoutDescriptor_t handle) { return reinterpret_cast<Dropout*>(handle); }

#define DERIN_FAKE_CALL(name)                                      \
  do {                                                             \
    FakeGpu::current()->Log(name);                                 \
    if (const int error = FakeGpu::current()->TakeFailure(name)) { \
      return static_cast<cudnnStatus_t>(error);                    \
    }                                                              \
  } while (false)

template <class Object, class Pointer>
cudnnStatus_t Create(Pointer* to) {
  *to = reinterpret_cast<Pointer>(new Object);
  return CUDNN_STATUS_SUCCESS;
}
template <class Object, class Pointer>
cudnnStatus_t Destroy(Pointer handle) {
  delete reinterpret_cast<Object*>(handle);
  return CUDNN_STATUS_SUCCESS;
}

constexpr int64_t kGap = 5;  // elements before each tensor of the weight space

int64_t Parameters(const StackConfig& config) {
  const Slice last = StackSlices(config).back();
  return last.offset + last.count;
}

// A gate's part of each tensor lies alone, the last one first, with gaps between.
struct Part {
  int64_t canonical, packed, rows, columns;
};
std::vector<Part> PartsOf(const StackConfig& config) {
  std::vector<Part> parts;
  int64_t packed = 0;
  const std::vector<Slice> slices = StackSlices(config);
  const int G = GateCount(config.cell);
  for (int i = static_cast<int>(slices.size()) - 1; i >= 0; --i) {
    for (int gate = G - 1; gate >= 0; --gate) {
      const int64_t count = slices[i].count / G;
      packed += kGap;
      parts.push_back(
          {slices[i].offset + gate * count, packed, config.hidden, count / config.hidden});
      packed += count;
    }
  }
  return parts;
}
size_t WeightBytes(const Stack& stack) {
  const Part last = PartsOf(stack.config).back();
  return Bytes(stack.type) * (last.packed + last.rows * last.columns + kGap);
}

cudnnStatus_t SetStack(cudnnRNNDescriptor_t to, cudnnRNNAlgo_t algorithm, cudnnRNNMode_t mode,
                       cudnnRNNBiasMode_t bias, cudnnDirectionMode_t direction,
                       cudnnRNNInputMode_t input, cudnnDataType_t data, cudnnDataType_t math,
                       cudnnMathType_t math_type, int32_t input_size, int32_t hidden,
                       int32_t projection, int32_t layers, cudnnDropoutDescriptor_t dropout,
                       uint32_t flags) {
  DERIN_FAKE_CALL("cudnnSetRNNDescriptor_v8");
  // DEFAULT_MATH is TF32.
  const bool narrow = data == CUDNN_DATA_HALF || data == CUDNN_DATA_BFLOAT16;
  if ((narrow ? math_type != CUDNN_TENSOR_OP_MATH
              : math_type != CUDNN_FMA_MATH && math_type != CUDNN_DEFAULT_MATH) ||
      (algorithm != CUDNN_RNN_ALGO_STANDARD && data == CUDNN_DATA_BFLOAT16) ||
      bias != CUDNN_RNN_DOUBLE_BIAS || direction != CUDNN_UNIDIRECTIONAL ||
      input != CUDNN_LINEAR_INPUT || (!narrow && data != CUDNN_DATA_FLOAT) ||
      math != CUDNN_DATA_FLOAT || projection != hidden || dropout == nullptr ||
      !Fake(dropout)->set || flags != CUDNN_RNN_PADDED_IO_DISABLED) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  const Cell cell = mode == CUDNN_LSTM       ? Cell::kLstm
                    : mode == CUDNN_GRU      ? Cell::kGru
                    : mode == CUDNN_RNN_TANH ? Cell::kVanillaTanh
                                             : Cell::kVanillaRelu;
  *Fake(to) = {data,
               algorithm,
               {.cell = cell, .layers = layers, .hidden = hidden, .vocabulary = input_size}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t GetWeightParams(cudnnHandle_t, cudnnRNNDescriptor_t stack, int32_t layer,
                              size_t bytes, const void* space, int32_t linear,
                              cudnnTensorDescriptor_t matrix, void** matrix_at,
                              cudnnTensorDescriptor_t bias, void** bias_at) {
  DERIN_FAKE_CALL("cudnnGetRNNWeightParams");
  const StackConfig& config = Fake(stack)->config;
  if (bytes != WeightBytes(*Fake(stack))) return CUDNN_STATUS_BAD_PARAM;
  const int G = GateCount(config.cell), tensors = 4 * config.layers;
  const std::vector<Part> parts = PartsOf(config);
  const LayerSlices at(layer);
  const auto part_of = [&](int slice) {
    return parts[(tensors - 1 - slice) * G + (G - 1 - linear % G)];
  };
  const auto give = [&](const Part& part, cudnnTensorDescriptor_t to, void** address) {
    const int rows = static_cast<int>(part.rows), columns = static_cast<int>(part.columns);
    const cudnnDataType_t type = Fake(stack)->type;
    *Fake(to) = {type, {1, rows, columns}, {rows * columns, columns, 1}};
    *address = static_cast<std::byte*>(const_cast<void*>(space)) +
               part.packed * static_cast<int64_t>(Bytes(type));
  };
  give(part_of(linear >= G ? at.weight_hh : at.weight_ih), matrix, matrix_at);
  give(part_of(linear >= G ? at.bias_hh : at.bias_ih), bias, bias_at);
  return CUDNN_STATUS_SUCCESS;
}

size_t WorkspaceBytes(const Sequences& x) { return size_t{64} * x.steps * x.batch; }
size_t ReserveBytes(const StackConfig& config, const Sequences& x) {
  return sizeof(float) * config.layers * x.steps * x.batch * config.hidden *
         (GateCount(config.cell) + 2);
}

View Floats(const void* data, size_t count) {
  return {const_cast<void*>(data), count, ElementType::kF32};
}

// The state of two parts as the reference has it, [S, L, B, H].
Numbers Join(const Stack& stack, int batch, const void* h, const void* c) {
  const int64_t count = int64_t{stack.config.layers} * batch * stack.config.hidden;
  Numbers joined = LoadAll(stack.type, h, count);
  if (c == nullptr) return joined;
  const Numbers of_c = LoadAll(stack.type, c, count);
  joined.insert(joined.end(), of_c.begin(), of_c.end());
  return joined;
}

using Matrix = reference::Matrix<float>;
using MatrixMap = reference::MatrixMap<float>;

// Rows of the first weights; those have `columns` columns, and whatever follows them lies alike.
int64_t GateRows(const StackConfig& config) {
  return int64_t{GateCount(config.cell)} * config.hidden;
}

struct ForwardCall {
  Stack stack;
  Sequences x;
  bool training;
  const void* input;
  void *y, *hy, *cy;
  const void *hx, *cx, *weights;
  void* reserve;

  void operator()() const {
    const StackConfig& config = stack.config;
    FakeGpu::current()->milliseconds += FakeGpu::current()->milliseconds_of[stack.algorithm];
    const int rows = x.steps * x.batch;
    const int64_t gates = GateRows(config);
    StackConfig by_row = config;
    by_row.vocabulary = rows;
    auto pass = std::make_unique<Pass>(
        Pass{{by_row, {.steps = x.steps, .batch = x.batch, .training = training}},
             {},
             LoadAll(stack.type, input, int64_t{rows} * x.size),
             Numbers(gates * x.size),
             {},
             false});
    std::vector<int32_t> tokens(rows);
    for (int row = 0; row < rows; ++row) tokens[row] = row;
    Numbers flat(Parameters(config));
    for (const Part& part : PartsOf(config)) {
      for (int64_t i = 0; i < part.rows * part.columns; ++i) {
        flat[part.canonical + i] = Load(stack.type, weights, part.packed + i);
      }
    }
    std::copy_n(flat.begin(), pass->weight_ih.size(), pass->weight_ih.begin());
    Numbers of_rows(Parameters(by_row));
    MatrixMap(of_rows.data(), gates, rows).noalias() =
        MatrixMap(pass->weight_ih.data(), gates, x.size) *
        MatrixMap(pass->input.data(), rows, x.size).transpose();
    std::copy(flat.begin() + gates * x.size, flat.end(), of_rows.begin() + gates * rows);
    Numbers before = Join(stack, x.batch, hx, cx), after(before.size()),
            top(size_t{1} * rows * config.hidden);
    pass->stack.SetParameters(pass->queue, Floats(of_rows.data(), of_rows.size()));
    pass->stack.Forward(pass->queue, training ? ForwardMode::kTraining : ForwardMode::kInference,
                        x.steps, x.batch, {tokens.data(), tokens.size(), ElementType::kI32},
                        Floats(before.data(), before.size()), Floats(after.data(), after.size()),
                        Floats(top.data(), top.size()));
    StoreAll(stack.type, top.data(), static_cast<int64_t>(top.size()), y);
    const int64_t count = int64_t{config.layers} * x.batch * config.hidden;
    StoreAll(stack.type, after.data(), count, hy);
    if (cy != nullptr) StoreAll(stack.type, after.data() + count, count, cy);
    if (training) Passes()[reserve] = std::move(pass);
  }
};

cudnnStatus_t Run(const char* call, cudnnHandle_t handle, std::function<void()> work) {
  return FakeGpu::current()->Enqueue(call, Fake(handle)->stream, std::move(work)) == cudaSuccess
             ? CUDNN_STATUS_SUCCESS
             : CUDNN_STATUS_EXECUTION_FAILED;
}

bool IsState(cudnnTensorDescriptor_t tensor, const Stack& stack, int batch) {
  const StackConfig& config = stack.config;
  return Fake(tensor)->type == stack.type &&
         Fake(tensor)->sizes == std::vector{config.layers, batch, config.hidden} &&
         Fake(tensor)->strides == std::vector{batch * config.hidden, config.hidden, 1};
}

cudnnStatus_t Forward(cudnnHandle_t handle, cudnnRNNDescriptor_t stack, cudnnForwardMode_t mode,
                      const int32_t* lengths, cudnnRNNDataDescriptor_t x_of, const void* x,
                      cudnnRNNDataDescriptor_t y_of, void* y, cudnnTensorDescriptor_t h_of,
                      const void* hx, void* hy, cudnnTensorDescriptor_t c_of, const void* cx,
                      void* cy, size_t weight_bytes, const void* weights, size_t workspace_bytes,
                      void* workspace, size_t reserve_bytes, void* reserve) {
  if (const int error = FakeGpu::current()->TakeFailure("cudnnRNNForward")) {
    return static_cast<cudnnStatus_t>(error);
  }
  const StackConfig& config = Fake(stack)->config;
  const Sequences in = *Fake(x_of), out = *Fake(y_of);
  const bool training = mode == CUDNN_FWD_MODE_TRAINING, lstm = config.cell == Cell::kLstm;
  if (lengths != nullptr || in.size != config.vocabulary || out.size != config.hidden ||
      in.steps != out.steps || in.batch != out.batch || in.type != Fake(stack)->type ||
      out.type != in.type || !IsState(h_of, *Fake(stack), in.batch) ||
      !IsState(c_of, *Fake(stack), in.batch) || (cx != nullptr) != lstm ||
      (cy != nullptr) != lstm || hx == hy || weight_bytes != WeightBytes(*Fake(stack)) ||
      workspace_bytes < WorkspaceBytes(in) || workspace == nullptr ||
      (training && reserve_bytes < ReserveBytes(config, in)) || (reserve != nullptr) != training) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  return Run("cudnnRNNForward", handle,
             ForwardCall{*Fake(stack), in, training, x, y, hy, cy, hx, cx, weights, reserve});
}

cudnnStatus_t BackwardData(cudnnHandle_t handle, cudnnRNNDescriptor_t stack, const int32_t* lengths,
                           cudnnRNNDataDescriptor_t y_of, const void*, const void* dy,
                           cudnnRNNDataDescriptor_t x_of, void* dx, cudnnTensorDescriptor_t h_of,
                           const void*, const void* dhy, void* dhx, cudnnTensorDescriptor_t,
                           const void*, const void* dcy, void* dcx, size_t weight_bytes,
                           const void*, size_t workspace_bytes, void*, size_t reserve_bytes,
                           void* reserve) {
  const StackConfig config = Fake(stack)->config;
  const Sequences in = *Fake(x_of), out = *Fake(y_of);
  if (lengths != nullptr || dx == nullptr || dhy != nullptr || dhx != nullptr || dcy != nullptr ||
      dcx != nullptr || !IsState(h_of, *Fake(stack), in.batch) ||
      weight_bytes != WeightBytes(*Fake(stack)) || workspace_bytes < WorkspaceBytes(in) ||
      reserve_bytes < ReserveBytes(config, in)) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  const int64_t count = int64_t{out.steps} * out.batch * out.size;
  return Run("cudnnRNNBackwardData_v8", handle, [=, type = out.type] {
    Pass& pass = *Passes().at(reserve);
    const Numbers d_top = LoadAll(type, dy, count);
    const int64_t gates = GateRows(config), rows = int64_t{in.steps} * in.batch;
    StackConfig by_row = config;
    by_row.vocabulary = static_cast<int>(rows);
    Numbers of_rows(Parameters(by_row));
    pass.stack.Backward(pass.queue, Floats(d_top.data(), d_top.size()), View{},
                        Floats(of_rows.data(), of_rows.size()));
    const MatrixMap d_gates(of_rows.data(), gates, rows);
    const Matrix d_input = d_gates.transpose() * MatrixMap(pass.weight_ih.data(), gates, in.size);
    StoreAll(type, d_input.data(), d_input.size(), dx);
    pass.gradients.resize(Parameters(config));
    MatrixMap(pass.gradients.data(), gates, in.size).noalias() =
        d_gates * MatrixMap(pass.input.data(), rows, in.size);
    std::copy(of_rows.begin() + gates * rows, of_rows.end(),
              pass.gradients.begin() + gates * in.size);
    pass.data_done = true;
  });
}

cudnnStatus_t BackwardWeights(cudnnHandle_t handle, cudnnRNNDescriptor_t stack,
                              cudnnWgradMode_t mode, const int32_t* lengths,
                              cudnnRNNDataDescriptor_t x_of, const void*, cudnnTensorDescriptor_t,
                              const void*, cudnnRNNDataDescriptor_t, const void*,
                              size_t weight_bytes, void* gradients, size_t workspace_bytes, void*,
                              size_t reserve_bytes, void* reserve) {
  const StackConfig config = Fake(stack)->config;
  const Sequences in = *Fake(x_of);
  if (mode != CUDNN_WGRAD_MODE_ADD || lengths != nullptr ||
      weight_bytes != WeightBytes(*Fake(stack)) || workspace_bytes < WorkspaceBytes(in) ||
      reserve_bytes < ReserveBytes(config, in)) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  return Run("cudnnRNNBackwardWeights_v8", handle, [=, type = in.type] {
    const Pass& pass = *Passes().at(reserve);
    for (const Part& part : PartsOf(config)) {
      for (int64_t i = 0; i < part.rows * part.columns; ++i) {
        // Without the data's gradients there is nothing to make the weights' of.
        const float gradient = pass.data_done ? pass.gradients[part.canonical + i] : NAN;
        Store(type, Load(type, gradients, part.packed + i) + gradient, gradients, part.packed + i);
      }
    }
  });
}

}  // namespace

CudnnCalls FakeCudnn() {
  return {
      .GetErrorString = [](cudnnStatus_t) -> const char* { return "a stack went wrong"; },
      .GetVersion = []() -> size_t { return 90000; },
      .Create = &Create<Handle>,
      .Destroy = &Destroy<Handle, cudnnHandle_t>,
      .SetStream =
          [](cudnnHandle_t handle, cudaStream_t stream) {
            Fake(handle)->stream = reinterpret_cast<FakeGpu::Stream*>(stream);
            return CUDNN_STATUS_SUCCESS;
          },
      .CreateTensorDescriptor = &Create<Tensor>,
      .DestroyTensorDescriptor = &Destroy<Tensor, cudnnTensorDescriptor_t>,
      .SetTensorNdDescriptor =
          [](cudnnTensorDescriptor_t to, cudnnDataType_t type, int dimensions, const int* sizes,
             const int* strides) {
            if (dimensions != 3) return CUDNN_STATUS_BAD_PARAM;
            *Fake(to) = {type, {sizes, sizes + 3}, {strides, strides + 3}};
            return CUDNN_STATUS_SUCCESS;
          },
      .GetTensorNdDescriptor =
          [](const cudnnTensorDescriptor_t from, int wanted, cudnnDataType_t* type, int* dimensions,
             int* sizes, int* strides) {
            if (wanted < 3) return CUDNN_STATUS_BAD_PARAM;
            *type = Fake(from)->type;
            *dimensions = 3;
            std::copy_n(Fake(from)->sizes.begin(), 3, sizes);
            std::copy_n(Fake(from)->strides.begin(), 3, strides);
            return CUDNN_STATUS_SUCCESS;
          },
      .CreateDropoutDescriptor = &Create<Dropout>,
      .DestroyDropoutDescriptor = &Destroy<Dropout, cudnnDropoutDescriptor_t>,
      .SetDropoutDescriptor =
          [](cudnnDropoutDescriptor_t to, cudnnHandle_t, float dropout, void*, size_t,
             unsigned long long) {
            Fake(to)->set = true;
            return dropout == 0 ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
          },
      .CreateRNNDescriptor = &Create<Stack>,
      .DestroyRNNDescriptor = &Destroy<Stack, cudnnRNNDescriptor_t>,
      .SetRNNDescriptor_v8 = &SetStack,
      .CreateRNNDataDescriptor = &Create<Sequences>,
      .DestroyRNNDataDescriptor = &Destroy<Sequences, cudnnRNNDataDescriptor_t>,
      .SetRNNDataDescriptor =
          [](cudnnRNNDataDescriptor_t to, cudnnDataType_t type, cudnnRNNDataLayout_t layout,
             int steps, int batch, int size, const int* lengths, void*) {
            DERIN_FAKE_CALL("cudnnSetRNNDataDescriptor");
            if (layout != CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED || steps < 1 || batch < 1) {
              return CUDNN_STATUS_BAD_PARAM;
            }
            for (int b = 0; b < batch; ++b) {
              if (lengths[b] != steps) return CUDNN_STATUS_BAD_PARAM;
            }
            *Fake(to) = {type, steps, batch, size};
            return CUDNN_STATUS_SUCCESS;
          },
      .GetRNNWeightSpaceSize =
          [](cudnnHandle_t, cudnnRNNDescriptor_t stack, size_t* bytes) {
            *bytes = WeightBytes(*Fake(stack));
            return CUDNN_STATUS_SUCCESS;
          },
      .GetRNNWeightParams = &GetWeightParams,
      .GetRNNTempSpaceSizes =
          [](cudnnHandle_t, cudnnRNNDescriptor_t stack, cudnnForwardMode_t mode,
             cudnnRNNDataDescriptor_t x, size_t* workspace, size_t* reserve) {
            // As the real one, which lets the descriptor pass.
            const StackConfig& config = Fake(stack)->config;
            if (Fake(stack)->algorithm == CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H &&
                config.hidden > (GateCount(config.cell) == 1 ? 256 : 128)) {
              return CUDNN_STATUS_NOT_SUPPORTED;
            }
            DERIN_FAKE_CALL("cudnnGetRNNTempSpaceSizes");
            *workspace = WorkspaceBytes(*Fake(x));
            *reserve =
                mode == CUDNN_FWD_MODE_TRAINING ? ReserveBytes(Fake(stack)->config, *Fake(x)) : 0;
            return CUDNN_STATUS_SUCCESS;
          },
      .RNNForward = &Forward,
      .RNNBackwardData_v8 = &BackwardData,
      .RNNBackwardWeights_v8 = &BackwardWeights,
  };
}

}  // namespace derin::cuda
