#pragma once

#include <cstdint>

#include "model/backend/cuda/kernels/half.h"
#include "model/host_device.h"

namespace derin::cuda {

// A run of elements that are neighbours in the canonical flat buffer and lie in rows of a backend's
// own packing of it: `columns` elements of each `stride`.
struct Chunk {
  static constexpr int kMost = 1024;
  int64_t canonical;  // offsets in elements
  int64_t packed;
  int32_t count;  // at most kMost
  // Of whole rows, the last of which may be shorter; both `count` where there is but one.
  int32_t columns, stride;

  DERIN_HOST_DEVICE int64_t PackedAt(int32_t i) const {
    const int32_t row = i / columns;
    return packed + int64_t{row} * stride + (i - row * columns);
  }
};

// packed[chunk] = canonical[chunk], rounded
template <class Number>
struct PackWeights {
  static constexpr const char* kName = "PackWeights";
  const Chunk* chunks;
  const float* canonical;
  Number* packed;
  int64_t chunk_count;

  DERIN_HOST_DEVICE int64_t items() const { return chunk_count * Chunk::kMost; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const Chunk& chunk = chunks[item / Chunk::kMost];
    const auto i = static_cast<int32_t>(item % Chunk::kMost);
    if (i >= chunk.count) return;
    packed[chunk.PackedAt(i)] = RoundTo<Number>(canonical[chunk.canonical + i]);
  }
};

// canonical[chunk] = packed[chunk], divided by *scale where there is one
template <class Number>
struct UnpackGradients {
  static constexpr const char* kName = "UnpackGradients";
  const Chunk* chunks;
  const Number* packed;
  float* canonical;
  const double* scale;  // a power of two, or null
  int64_t chunk_count;

  DERIN_HOST_DEVICE int64_t items() const { return chunk_count * Chunk::kMost; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const Chunk& chunk = chunks[item / Chunk::kMost];
    const auto i = static_cast<int32_t>(item % Chunk::kMost);
    if (i >= chunk.count) return;
    const float value = ToFloat(packed[chunk.PackedAt(i)]);
    canonical[chunk.canonical + i] =
        scale == nullptr ? value : value * static_cast<float>(1 / *scale);
  }
};

}  // namespace derin::cuda
