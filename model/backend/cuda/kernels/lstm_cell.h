#pragma once

#include <cmath>
#include <cstdint>

#include "model/backend/cuda/kernels/activation.h"
#include "model/backend/cuda/kernels/fault.h"
#include "model/backend/cuda/kernels/half.h"
#include "model/host_device.h"

// An LSTM's cell, and a step of a layer of it between the products, which somebody else computes.

namespace derin::cuda {

struct LstmGates {
  float i, f, g, o;
};

struct LstmState {
  float h, c;
};

DERIN_HOST_DEVICE inline LstmGates Activated(const LstmGates& sums) {
  return {Sigmoid(sums.i), Sigmoid(sums.f), Tanh(sums.g), Sigmoid(sums.o)};
}

DERIN_HOST_DEVICE inline LstmState StateAfter(const LstmGates& gates, float c_before) {
  const float c = std::fma(gates.f, c_before, gates.i * gates.g);
  return {gates.o * Tanh(c), c};
}

// The gradients of the sums that the gates were made of. d_c is that of the step after, through its
// f, and becomes this step's.
DERIN_HOST_DEVICE inline LstmGates GradientsOfSums(const LstmGates& gates, float c_before, float c,
                                                   float d_h, float& d_c) {
  const auto [i, f, g, o] = gates;
  const float of_c = Tanh(c), all = std::fma(d_h * o, 1 - of_c * of_c, d_c);
  d_c = all * f;
  return {all * g * i * (1 - i), all * c_before * f * (1 - f), all * i * (1 - g * g),
          d_h * of_c * o * (1 - o)};
}

// Of a row [4H] with i, f, g and o, each of all units.
template <class Number>
DERIN_HOST_DEVICE inline LstmGates ReadGates(const Number* row, int64_t unit, int64_t hidden) {
  return {row[unit], row[hidden + unit], row[2 * hidden + unit], row[3 * hidden + unit]};
}
template <class Number>
DERIN_HOST_DEVICE inline void WriteGates(const LstmGates& gates, int64_t unit, int64_t hidden,
                                         Number* row) {
  row[unit] = RoundTo<Number>(gates.i);
  row[hidden + unit] = RoundTo<Number>(gates.f);
  row[2 * hidden + unit] = RoundTo<Number>(gates.g);
  row[3 * hidden + unit] = RoundTo<Number>(gates.o);
}

// The row of `input` that a sequence's step has: tokens[row], or `row` where there are no tokens.
DERIN_HOST_DEVICE inline int64_t InputRow(const int32_t* tokens, int32_t vocabulary, int64_t row,
                                          FaultWord* fault) {
  if (tokens == nullptr) return row;
  const int32_t token = tokens[row];
  if (token >= 0 && token < vocabulary) return token;
  RaiseFault(fault, FaultKind::kToken, token);
  return 0;
}

// A step of every sequence. Number is that of the next products' factors.
template <class Number>
struct LstmStepForward {
  static constexpr const char* kName = "LstmStepForward";
  const float* product;  // [batch, 4H], h's part of the gates
  // The input's part with both biases, [inputs, 4H], and which row of it each sequence has.
  const float* input;
  const int32_t* tokens;  // [batch], or null
  int32_t vocabulary;     // of the tokens
  FaultWord* fault;
  const float* c_before;  // [batch, H]
  float* h;               // [batch, H]
  float* c;               // [batch, H]
  Number* narrow_h;       // [batch, H], h once more, or null
  float* gates;           // [batch, 4H]: i, f, g, o
  float* top;             // [batch, H], h once more, or null
  float* h_after;         // [batch, H], of the last step, or null
  float* c_after;         // [batch, H], of the last step, or null
  int64_t batch, hidden;

  DERIN_HOST_DEVICE int64_t items() const { return batch * hidden; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t row = item / hidden, unit = item % hidden;
    LstmGates sums = ReadGates(product + row * 4 * hidden, unit, hidden);
    const LstmGates add =
        ReadGates(input + InputRow(tokens, vocabulary, row, fault) * 4 * hidden, unit, hidden);
    sums = {sums.i + add.i, sums.f + add.f, sums.g + add.g, sums.o + add.o};
    const LstmGates made = Activated(sums);
    const LstmState state = StateAfter(made, c_before[item]);
    WriteGates(made, unit, hidden, gates + row * 4 * hidden);
    h[item] = state.h;
    c[item] = state.c;
    if (narrow_h != nullptr) narrow_h[item] = RoundTo<Number>(state.h);
    if (top != nullptr) top[item] = state.h;
    if (h_after == nullptr) return;
    h_after[item] = state.h;
    c_after[item] = state.c;
  }
};

// The same on the way back, from the last step to the first.
template <class Number>
struct LstmStepBackward {
  static constexpr const char* kName = "LstmStepBackward";
  const float* gates;      // [batch, 4H]: i, f, g, o
  const float* c_before;   // [batch, H]
  const float* c;          // [batch, H]
  const float* d_h;        // [batch, H], from above
  const float* product;    // [batch, H], from the step after; null in the last one
  float* d_c;              // [batch, H], of the step after; becomes this one's
  float* d_gates;          // [batch, 4H], before the activations
  Number* narrow_d_gates;  // [batch, 4H], the same times *scale, or null
  // Powers of two that narrow gradients, and so the products of them, are larger by; or null.
  const double* scale;
  const double* scale_of_d_h;
  int64_t batch, hidden;

  DERIN_HOST_DEVICE int64_t items() const { return batch * hidden; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t row = item / hidden, unit = item % hidden;
    const float by = scale == nullptr ? 1.0f : static_cast<float>(*scale);
    float of_h =
        scale_of_d_h == nullptr ? d_h[item] : d_h[item] / static_cast<float>(*scale_of_d_h);
    float of_c = 0;
    if (product != nullptr) {
      of_h += product[item] / by;
      of_c = d_c[item];
    }
    const LstmGates made = GradientsOfSums(ReadGates(gates + row * 4 * hidden, unit, hidden),
                                           c_before[item], c[item], of_h, of_c);
    d_c[item] = of_c;
    WriteGates(made, unit, hidden, d_gates + row * 4 * hidden);
    if (narrow_d_gates == nullptr) return;
    WriteGates<Number>({made.i * by, made.f * by, made.g * by, made.o * by}, unit, hidden,
                       narrow_d_gates + row * 4 * hidden);
  }
};

// values[i] /= *scale
struct Unscale {
  static constexpr const char* kName = "Unscale";
  float* values;        // [count]
  const double* scale;  // a power of two
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return count; }
  DERIN_HOST_DEVICE void operator()(int64_t i) const { values[i] /= static_cast<float>(*scale); }
};

}  // namespace derin::cuda
