#pragma once

#include <cmath>
#include <cstdint>

#include "model/backend/cuda/kernels/activation.h"
#include "model/backend/cuda/kernels/fault.h"
#include "model/backend/stack_config.h"

namespace derin::cuda {

// to[column, row] = from[row, column]
struct Transpose {
  static constexpr const char* kName = "Transpose";
  const float* from;  // [rows, columns]
  float* to;          // [columns, rows]
  int64_t rows, columns;

  DERIN_HOST_DEVICE int64_t items() const { return rows * columns; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    to[item] = from[item % rows * columns + item / rows];
  }
};

// One layer of one step for independent sequences: a unit of a row for each item. Each gate has one
// accumulator, which starts at the bias and takes W_ih x and then W_hh h with k ascending, so that
// a row's bits depend on nothing but the row. Reads old states from the pool and writes new ones
// beside it.
template <Cell kCell>
struct StepLayer {
  static constexpr const char* kName = "StepLayer";
  static constexpr int S = StateVectors(kCell);
  static constexpr int G = GateCount(kCell);
  static constexpr bool kGru = kCell == Cell::kGru;

  const float* weight_ih;  // [in, G*H], transposed
  const float* weight_hh;  // [H, G*H], transposed
  const float* bias_ih;    // [G*H]
  const float* bias_hh;    // [G*H]
  const int32_t* tokens;   // [rows]; the first layer's input
  const int32_t* slots;    // [rows]; negative is padding
  const float* pool;       // [slots, L, S, H]
  float* states;  // [rows, L, S, H]: new states; the input of other layers is h of the one below
  FaultWord* fault;
  int32_t layer, layers, hidden, vocabulary;
  int64_t rows;

  DERIN_HOST_DEVICE int64_t items() const { return rows * hidden; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t row = item / hidden, unit = item % hidden, H = hidden;
    const int32_t slot = slots[row], token = tokens[row];
    if (slot < 0) return;
    if (token < 0 || token >= vocabulary) {
      RaiseFault(fault, FaultKind::kToken, token);
      return;
    }
    const int64_t state = layers * S * H;
    const float* before = pool + slot * state + layer * S * H;
    float* after = states + row * state + layer * S * H;

    // LSTM: i, f, g, o.  GRU: r, z, the input's part of n, the state's.  Vanilla: one.
    float sum[4] = {};
    for (int g = 0; g < G; ++g) {
      const int64_t at = g * H + unit;
      sum[g] = kGru && g == 2 ? bias_ih[at] : bias_ih[at] + bias_hh[at];
    }
    if (kGru) sum[3] = bias_hh[2 * H + unit];
    if (layer == 0) {
      for (int g = 0; g < G; ++g) sum[g] += weight_ih[token * G * H + g * H + unit];
    } else {
      const float* x = after - S * H;
      for (int64_t k = 0; k < H; ++k) {
        for (int g = 0; g < G; ++g) {
          sum[g] = std::fma(x[k], weight_ih[(k * G + g) * H + unit], sum[g]);
        }
      }
    }
    for (int64_t k = 0; k < H; ++k) {
      for (int g = 0; g < G; ++g) {
        const int to = kGru && g == 2 ? 3 : g;
        sum[to] = std::fma(before[k], weight_hh[(k * G + g) * H + unit], sum[to]);
      }
    }
    Finish(sum, before, after, unit);
  }

 private:
  // The cell's equations; see reference/cell_equations.h.
  DERIN_HOST_DEVICE void Finish(const float* sum, const float* before, float* after,
                                int64_t unit) const {
    if constexpr (kCell == Cell::kVanillaTanh) {
      after[unit] = Tanh(sum[0]);
    } else if constexpr (kCell == Cell::kVanillaRelu) {
      after[unit] = sum[0] < 0 ? 0 : sum[0];
    } else if constexpr (kCell == Cell::kGru) {
      const float r = Sigmoid(sum[0]), z = Sigmoid(sum[1]);
      const float n = Tanh(std::fma(r, sum[3], sum[2]));
      after[unit] = std::fma(z, before[unit] - n, n);
    } else {
      const float i = Sigmoid(sum[0]), f = Sigmoid(sum[1]), g = Tanh(sum[2]), o = Sigmoid(sum[3]);
      const float c = std::fma(f, before[hidden + unit], i * g);
      after[hidden + unit] = c;
      after[unit] = o * Tanh(c);
    }
  }
};

// What StepLayer left beside the pool goes into it, and the top layer's h into `top`.
struct FinishStep {
  static constexpr const char* kName = "FinishStep";
  const float* states;    // [rows, L, S, H]
  const int32_t* slots;   // [rows]; negative is padding
  const int32_t* tokens;  // [rows]; a row whose token is none, a fault, keeps its state
  float* pool;            // [slots, L, S, H]
  float* top;             // [rows, H]
  int64_t rows, slot_elements, top_offset;  // of the top layer's h in a slot
  int32_t hidden, vocabulary;

  DERIN_HOST_DEVICE int64_t items() const { return rows * slot_elements; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t row = item / slot_elements, element = item % slot_elements;
    if (slots[row] < 0 || tokens[row] < 0 || tokens[row] >= vocabulary) return;
    pool[slots[row] * slot_elements + element] = states[item];
    const int64_t of_top = element - top_offset;
    if (of_top >= 0 && of_top < hidden) top[row * hidden + of_top] = states[item];
  }
};

}  // namespace derin::cuda
