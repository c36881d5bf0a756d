#include "model/backend/cuda/kernel_list.h"
#include "model/backend/cuda/kernels/block.h"
#include "model/backend/cuda/kernels/launch_shape.h"

namespace derin::cuda {
namespace {

template <class Kernel>
__global__ void __launch_bounds__(kItemThreads) RunItems(const Kernel kernel) {
  const int64_t item = int64_t{blockIdx.x} * kItemThreads + threadIdx.x;
  if (item < kernel.items()) kernel(item);
}

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads) RunBlocks(const Kernel kernel) {
  __shared__ typename Kernel::Shared shared;
  kernel(Block{blockIdx.x, Kernel::kThreads}, shared);
}

template <class Kernel>
cudaError_t Launch(const Kernel& kernel, cudaStream_t stream) {
  const LaunchShape shape = ShapeOf(kernel);
  if (shape.blocks == 0) return cudaSuccess;
  if (shape.blocks > kMostBlocks) return cudaErrorInvalidConfiguration;
  const auto blocks = static_cast<unsigned>(shape.blocks);
  if constexpr (requires { kernel.items(); }) {
    RunItems<<<blocks, kItemThreads, 0, stream>>>(kernel);
  } else {
    RunBlocks<<<blocks, Kernel::kThreads, 0, stream>>>(kernel);
  }
  return cudaGetLastError();
}

template <class... Kernel>
Kernels LaunchersOf(KernelList<Kernel...>) {
  return {&Launch<Kernel>...};
}

}  // namespace

const Kernels& DeviceKernels() {
  static const Kernels kernels = LaunchersOf(OwnKernels{});
  return kernels;
}

}  // namespace derin::cuda
