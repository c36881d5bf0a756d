#pragma once

#include <cstring>

#include "model/backend/cuda/kernels/block.h"
#include "model/backend/cuda/kernels/launch_shape.h"

namespace derin::cuda {

// Runs a kernel on the calling thread: its items, or its blocks and their threads, one by one.
template <class Kernel>
void RunOnHost(const Kernel& kernel) {
  if constexpr (requires { kernel.items(); }) {
    for (int64_t item = 0; item < kernel.items(); ++item) kernel(item);
  } else {
    for (int64_t index = 0; index < kernel.blocks(); ++index) {
      typename Kernel::Shared shared;
      std::memset(&shared, 0xff, sizeof shared);  // NaN
      kernel(Block{index, Kernel::kThreads}, shared);
    }
  }
}

}  // namespace derin::cuda
