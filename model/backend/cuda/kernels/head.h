#pragma once

#include <cmath>
#include <cstdint>

#include "model/host_device.h"
#include "model/sampling/sampler_arithmetic.h"

namespace derin::cuda {

// logits[row, v] = bias[v] + top[row] weight[v], with one accumulator and k ascending: a row's bits
// depend on nothing but the row.
struct RowLogits {
  static constexpr const char* kName = "RowLogits";
  const float* top;     // [rows, hidden]
  const float* weight;  // [vocabulary, hidden]
  const float* bias;    // [vocabulary]
  float* logits;        // [rows, vocabulary]
  int64_t rows, vocabulary, hidden;

  DERIN_HOST_DEVICE int64_t items() const { return rows * vocabulary; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const float* h = top + item / vocabulary * hidden;
    const float* w = weight + item % vocabulary * hidden;
    float sum = bias[item % vocabulary];
    for (int64_t k = 0; k < hidden; ++k) sum = std::fma(h[k], w[k], sum);
    logits[item] = sum;
  }
};

// tokens[i] = what rows[i] draws from logits[i], and its ranking where it asks for one.
struct SampleRows {
  static constexpr const char* kName = "SampleRows";
  const SampleRow* sample;  // [rows]
  const LogitAdjustment* adjustments;
  const float* logits;            // [rows, vocabulary]
  float* scratch;                 // [rows, 2, vocabulary]
  int32_t* tokens;                // [rows]
  TokenLogProbability* rankings;  // [rows, kRankingSize]
  int64_t rows;
  int32_t vocabulary;

  DERIN_HOST_DEVICE int64_t items() const { return rows; }
  DERIN_HOST_DEVICE void operator()(int64_t row) const {
    const float* of_row = logits + row * vocabulary;
    const int32_t token = SampleRowToken(sample[row], adjustments, of_row, vocabulary,
                                         scratch + row * 2 * vocabulary);
    tokens[row] = token;
    if (sample[row].ranked < 0) return;
    RankTokens(of_row, vocabulary, token, sample[row].ranked, rankings + row * kRankingSize);
  }
};

}  // namespace derin::cuda
