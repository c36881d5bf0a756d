#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/backend/view.h"
#include "model/host_device.h"

namespace derin {

// The recurrent cell, with PyTorch's and cuDNN's conventions: gate order i,f,g,o (LSTM) and r,z,n
// (GRU), the reset gate applied after the recurrent product, two bias vectors.
enum class Cell { kVanillaTanh, kVanillaRelu, kGru, kLstm };

// `vanilla-tanh`, `vanilla-relu`, `gru`, `lstm`: the names used in files and on the command line.
std::string_view CellName(Cell cell);
absl::StatusOr<Cell> ParseCell(std::string_view name);

// What products are computed in. Parameters, gradients, moments, accumulators and states are f32,
// but f64 with kF64. The factors of a product are rounded with kBf16 to bfloat16 and with kF16 to
// half precision, to nearest even, with kTf32 to the 10 bits of fraction of NVIDIA's
// TensorFloat-32.
enum class Precision { kF32, kF64, kBf16, kTf32, kF16 };
inline constexpr Precision kPrecisions[] = {Precision::kF32, Precision::kTf32, Precision::kF16,
                                            Precision::kBf16, Precision::kF64};

// `f32`, `tf32`, `f16`, `bf16`, `f64`: the names used in files, engine ids and on the command line.
std::string_view PrecisionName(Precision precision);
absl::StatusOr<Precision> ParsePrecision(std::string_view name);

constexpr ElementType StateType(Precision precision) {
  return precision == Precision::kF64 ? ElementType::kF64 : ElementType::kF32;
}

// Whether gradients are computed scaled up, or the small ones would be lost
// (RecurrentStack::Backward).
constexpr bool NeedsLossScale(Precision precision) { return precision == Precision::kF16; }

// The largest vocabulary that a stack may have over one-hot tokens, and over a learned embedding.
inline constexpr int kMostOneHotTokens = 1024, kMostEmbeddedTokens = 65536;

// A stack of `layers` recurrent layers over one-hot tokens, or over a learned embedding of them.
struct StackConfig {
  Cell cell = Cell::kLstm;
  int layers = 2;      // L, 1 to 8
  int hidden = 256;    // H, units of each layer, 1 to 2,048
  int vocabulary = 0;  // V, from 2
  Precision precision = Precision::kF32;
  int embedding = 0;  // elements of a token's vector, 1 to 2,048; 0: one-hot
  // The head's weight is the embedding's, which is then as wide as a layer.
  bool tied_head = false;

  bool operator==(const StackConfig&) const = default;
};

// G: rows of a layer's weights are G * H.
DERIN_HOST_DEVICE constexpr int GateCount(Cell cell) {
  return cell == Cell::kLstm ? 4 : cell == Cell::kGru ? 3 : 1;
}
// S: vectors of H that a layer carries from step to step: (h, c) for LSTM, h otherwise.
DERIN_HOST_DEVICE constexpr int StateVectors(Cell cell) { return cell == Cell::kLstm ? 2 : 1; }

// Elements of one sequence's state, [L, S, H].
constexpr int64_t StateElements(const StackConfig& config) {
  return int64_t{config.layers} * StateVectors(config.cell) * config.hidden;
}

// How large the work on a stack can get.
struct StackExtent {
  int steps = 0;          // T of Forward; 0: Forward is never called
  int batch = 0;          // B of Forward
  bool training = false;  // Backward is called too
  int step_rows = 0;      // N of Step; 0: Step is never called
  // Share of each layer's output, but the last one's, that a Forward for training drops, in [0, 1);
  // see dropout.h.
  double dropout = 0;
};

// Whether windows for training lose something between layers.
constexpr bool Drops(const StackConfig& config, const StackExtent& extent) {
  return extent.training && extent.dropout > 0 && config.layers > 1;
}

}  // namespace derin
