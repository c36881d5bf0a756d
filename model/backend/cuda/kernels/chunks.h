#pragma once

#include <cstdint>

#include "model/host_device.h"

namespace derin::cuda {

// A run of elements that are neighbours both in the canonical flat buffer and in a backend's own
// packing of it.
struct Chunk {
  static constexpr int kMost = 1024;
  int64_t canonical;  // offsets in elements
  int64_t packed;
  int32_t count;  // at most kMost
};

// packed[chunk] = canonical[chunk]
struct PackWeights {
  static constexpr const char* kName = "PackWeights";
  const Chunk* chunks;
  const float* canonical;
  float* packed;
  int64_t chunk_count;

  DERIN_HOST_DEVICE int64_t items() const { return chunk_count * Chunk::kMost; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const Chunk& chunk = chunks[item / Chunk::kMost];
    const int64_t i = item % Chunk::kMost;
    if (i < chunk.count) packed[chunk.packed + i] = canonical[chunk.canonical + i];
  }
};

// canonical[chunk] = packed[chunk]
struct UnpackGradients {
  static constexpr const char* kName = "UnpackGradients";
  const Chunk* chunks;
  const float* packed;
  float* canonical;
  int64_t chunk_count;

  DERIN_HOST_DEVICE int64_t items() const { return chunk_count * Chunk::kMost; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const Chunk& chunk = chunks[item / Chunk::kMost];
    const int64_t i = item % Chunk::kMost;
    if (i < chunk.count) canonical[chunk.canonical + i] = packed[chunk.packed + i];
  }
};

}  // namespace derin::cuda
