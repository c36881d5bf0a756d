#pragma once

#include <cstdint>

#include "model/backend/cuda/kernels/block.h"

namespace derin::cuda {

// `to` = `from`, either of which may be page-locked memory of the host's: for little it takes a
// third of the time of the GPU's copying engine, which costs about 6 microseconds in a graph.
struct CopyBytes {
  static constexpr const char* kName = "CopyBytes";
  const void* from;
  void* to;
  int64_t bytes;

  DERIN_HOST_DEVICE int64_t items() const {
    return (bytes + int64_t{sizeof(Quad)} - 1) / int64_t{sizeof(Quad)};
  }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t begin = item * int64_t{sizeof(Quad)};
    const char* source = static_cast<const char*>(from) + begin;
    char* target = static_cast<char*>(to) + begin;
    const auto misaligned =
        (reinterpret_cast<uintptr_t>(source) | reinterpret_cast<uintptr_t>(target)) % sizeof(Quad);
    if (misaligned == 0 && begin + int64_t{sizeof(Quad)} <= bytes) {
      *reinterpret_cast<Quad*>(target) = *reinterpret_cast<const Quad*>(source);
      return;
    }
    for (int64_t i = begin; i < bytes && i < begin + int64_t{sizeof(Quad)}; ++i) {
      static_cast<char*>(to)[i] = static_cast<const char*>(from)[i];
    }
  }
};

}  // namespace derin::cuda
