#pragma once

#include <cstring>
#include <vector>

#include "model/backend/cuda/kernels/block.h"
#include "model/backend/cuda/kernels/launch_shape.h"

namespace derin::cuda {

// Runs a kernel on the calling thread: its items, or its blocks and their threads, one by one.
template <class Kernel>
void RunOnHost(const Kernel& kernel) {
  if constexpr (requires { kernel.items(); }) {
    for (int64_t item = 0; item < kernel.items(); ++item) kernel(item);
  } else if constexpr (requires { typename Kernel::Registers; }) {
    // All blocks are there at once: a step of each, then the next one.
    using Registers = typename Kernel::Registers;
    using Shared = typename Kernel::Shared;
    const int64_t blocks = kernel.blocks();
    std::vector<Registers> registers(blocks * Kernel::kThreads);
    std::vector<Shared> shared(blocks);
    std::memset(static_cast<void*>(registers.data()), 0xff, registers.size() * sizeof(Registers));
    std::memset(static_cast<void*>(shared.data()), 0xff, shared.size() * sizeof(Shared));
    const auto of_block = [&](int64_t index) {
      return [own = &registers[index * Kernel::kThreads]](int thread) -> Registers& {
        return own[thread];
      };
    };
    for (int64_t index = 0; index < blocks; ++index) {
      kernel.Begin(Block{index, Kernel::kThreads}, shared[index], of_block(index));
    }
    for (int step = 0; step < kernel.steps; ++step) {
      for (int64_t index = 0; index < blocks; ++index) {
        kernel.Step(Block{index, Kernel::kThreads}, shared[index], of_block(index), step);
      }
    }
  } else {
    for (int64_t index = 0; index < kernel.blocks(); ++index) {
      typename Kernel::Shared shared;
      std::memset(&shared, 0xff, sizeof shared);  // NaN
      kernel(Block{index, Kernel::kThreads}, shared);
    }
  }
}

}  // namespace derin::cuda
