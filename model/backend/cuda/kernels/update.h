#pragma once

#include <cstdint>

#include "model/backend/cuda/kernels/block.h"
#include "model/host_device.h"
#include "model/optimizer/optimizer.h"

namespace derin::cuda {

// How many quads hold `count` elements; the last may have fewer than four.
DERIN_HOST_DEVICE inline int64_t QuadsOf(int64_t count) { return (count + 3) / 4; }

// Whether a quad of `array` [count] can be moved at once.
DERIN_HOST_DEVICE inline bool IsWhole(const float* array, int64_t quad, int64_t count) {
  return 4 * quad + 4 <= count && reinterpret_cast<uintptr_t>(array) % sizeof(Quad) == 0;
}

// Zeros stand for what is beyond the end.
DERIN_HOST_DEVICE inline Quad ReadQuad(const float* array, int64_t quad, int64_t count) {
  const float* from = array + 4 * quad;
  if (IsWhole(array, quad, count)) return *reinterpret_cast<const Quad*>(from);
  Quad read;
  DERIN_UNROLLED
  for (int i = 0; i < 4; ++i) read.of[i] = 4 * quad + i < count ? from[i] : 0;
  return read;
}

DERIN_HOST_DEVICE inline void WriteQuad(float* array, int64_t quad, int64_t count,
                                        const Quad& written) {
  float* to = array + 4 * quad;
  if (IsWhole(array, quad, count)) {
    *reinterpret_cast<Quad*>(to) = written;
    return;
  }
  DERIN_UNROLLED
  for (int i = 0; i < 4; ++i) {
    if (4 * quad + i < count) to[i] = written.of[i];
  }
}

// What PrepareUpdate leaves to the others.
struct PreparedUpdate {
  UpdateFactors<float> factors;
  bool skipped;
};

// Counts the step, and works out once what is the same for all elements; with a loss scale, moves
// it on, and where the gradient overflowed skips the step.
struct PrepareUpdate {
  static constexpr const char* kName = "PrepareUpdate";
  OptimizerConfig config;
  const double* learning_rate;
  const double* squared_norm;
  int64_t* step;
  double* loss_scale;  // [2], or null
  PreparedUpdate* update;

  DERIN_HOST_DEVICE int64_t items() const { return 1; }
  DERIN_HOST_DEVICE void operator()(int64_t) const {
    update->skipped = loss_scale != nullptr && !AdvanceLossScale(*squared_norm, loss_scale);
    if (update->skipped) return;
    update->factors = MakeUpdateFactors<float>(config, *learning_rate, *squared_norm, ++*step);
  }
};

struct UpdateBySgd {
  static constexpr const char* kName = "UpdateBySgd";
  float* weights;          // [count]
  const float* gradients;  // [count]
  const PreparedUpdate* update;
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return QuadsOf(count); }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    if (update->skipped) return;
    const UpdateFactors<float> factors = update->factors;
    const Quad g = ReadQuad(gradients, item, count);
    Quad w = ReadQuad(weights, item, count);
    DERIN_UNROLLED
    for (int i = 0; i < 4; ++i) w.of[i] = SgdUpdate(w.of[i], g.of[i], factors);
    WriteQuad(weights, item, count, w);
  }
};

struct UpdateByMomentum {
  static constexpr const char* kName = "UpdateByMomentum";
  float* weights;          // [count]
  const float* gradients;  // [count]
  float* moment1;          // [count]
  const PreparedUpdate* update;
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return QuadsOf(count); }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    if (update->skipped) return;
    const UpdateFactors<float> factors = update->factors;
    const Quad g = ReadQuad(gradients, item, count);
    Quad w = ReadQuad(weights, item, count), m1 = ReadQuad(moment1, item, count);
    DERIN_UNROLLED
    for (int i = 0; i < 4; ++i) w.of[i] = MomentumUpdate(w.of[i], g.of[i], m1.of[i], factors);
    WriteQuad(moment1, item, count, m1);
    WriteQuad(weights, item, count, w);
  }
};

struct UpdateByAdam {
  static constexpr const char* kName = "UpdateByAdam";
  float* weights;          // [count]
  const float* gradients;  // [count]
  float* moment1;          // [count]
  float* moment2;          // [count]
  const PreparedUpdate* update;
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return QuadsOf(count); }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    if (update->skipped) return;
    const UpdateFactors<float> factors = update->factors;
    const Quad g = ReadQuad(gradients, item, count);
    Quad w = ReadQuad(weights, item, count), m1 = ReadQuad(moment1, item, count),
         m2 = ReadQuad(moment2, item, count);
    DERIN_UNROLLED
    for (int i = 0; i < 4; ++i) w.of[i] = AdamUpdate(w.of[i], g.of[i], m1.of[i], m2.of[i], factors);
    WriteQuad(moment1, item, count, m1);
    WriteQuad(moment2, item, count, m2);
    WriteQuad(weights, item, count, w);
  }
};

}  // namespace derin::cuda
