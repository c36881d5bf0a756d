#pragma once

#include <cstdint>

#include "model/host_device.h"

// How the own kernels are written, so that host and device run the same source and get the same
// bits. A kernel is a plain struct of addresses and sizes, with its name in kName, and of one of
// three shapes:
//   - independent items: items() of them, and operator()(item) for each;
//   - blocks of kThreads threads that share memory: blocks() of them, and operator()(block, shared)
//     for each, where all that a thread does stands inside Block::ForEachThread, and what it keeps
//     from one of those to the next in a PerThread;
//   - blocks that stay for `steps` steps: Begin(block, shared, of) and then Step(block, shared, of,
//     step) for each, where of(thread) are a thread's Registers, which stay as `shared` does. A
//     step may read what the other blocks' steps before it have written.
// kernel_list.cu runs them on the device, tests/model/backend/cuda/host_launch.h on the host.

namespace derin::cuda {

inline constexpr int kWarpThreads = 32;

// A value of each thread of a block: on the device its registers.
template <class Value, int kThreads>
class PerThread {
 public:
  DERIN_HOST_DEVICE Value& operator[](int thread) {
#ifdef __CUDA_ARCH__
    return value_;
#else
    return values_[thread];
#endif
  }

 private:
#ifdef __CUDA_ARCH__
  Value value_;
#else
  Value values_[kThreads];
#endif
};

// Four neighbours, which the device moves at once.
struct alignas(16) Quad {
  float of[4];
};

struct Block {
  int64_t index;
  int threads;

  // Calls body(thread) for each thread, then waits for all of them.
  template <class Body>
  DERIN_HOST_DEVICE void ForEachThread(const Body& body) const {
#ifdef __CUDA_ARCH__
    body(static_cast<int>(threadIdx.x));
    __syncthreads();
#else
    for (int thread = 0; thread < threads; ++thread) body(thread);
#endif
  }

  // Calls body(thread) for each thread, then waits for those of the thread's warp alone.
  template <class Body>
  DERIN_HOST_DEVICE void ForEachThreadOfWarps(const Body& body) const {
#ifdef __CUDA_ARCH__
    body(static_cast<int>(threadIdx.x));
    __syncwarp();
#else
    for (int thread = 0; thread < threads; ++thread) body(thread);
#endif
  }

  // values[0] = values[0] + ... + values[threads - 1] as a tree of halves; `threads` is a power of
  // two.
  template <class Value>
  DERIN_HOST_DEVICE void SumTree(Value* values) const {
    for (int half = threads / 2; half > 0; half /= 2) {
      ForEachThread([&](int thread) {
        if (thread < half) values[thread] += values[thread + half];
      });
    }
  }
};

}  // namespace derin::cuda
