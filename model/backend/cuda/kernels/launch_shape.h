#pragma once

#include <cstdint>

namespace derin::cuda {

inline constexpr int kItemThreads = 256;

// How many blocks of how many threads run a kernel; no blocks: there is nothing to launch.
struct LaunchShape {
  int64_t blocks = 0;
  int threads = 0;
};

template <class Kernel>
LaunchShape ShapeOf(const Kernel& kernel) {
  if constexpr (requires { kernel.items(); }) {
    return {(kernel.items() + kItemThreads - 1) / kItemThreads, kItemThreads};
  } else {
    return {kernel.blocks(), Kernel::kThreads};
  }
}

// Whether a kernel of so many blocks may begin while the one before it still runs (see
// kernel_list.cu) without loss: its blocks go where there is room then, and more than half as many
// as there are multiprocessors would share some of them while others are idle.
constexpr bool MayBeginEarly(int64_t blocks, int multiprocessors) {
  return 2 * blocks <= multiprocessors;
}

// A grid's limit along x (CUDA programming guide, table of technical specifications).
inline constexpr int64_t kMostBlocks = (int64_t{1} << 31) - 1;

}  // namespace derin::cuda
