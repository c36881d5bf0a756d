#include "model/backend/cuda/kernel_list.h"
#include "model/backend/cuda/kernels/block.h"
#include "model/backend/cuda/kernels/launch_shape.h"

namespace derin::cuda {
namespace {

template <class Registers>
struct OwnRegisters {
  Registers* own;
  __device__ Registers& operator()(int) const { return *own; }
};

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
__global__ void __launch_bounds__(Kernel::kThreads, 1) RunSteps(const Kernel kernel) {
  extern __shared__ __align__(16) unsigned char memory[];
  auto& shared = *reinterpret_cast<typename Kernel::Shared*>(memory);
  typename Kernel::Registers registers;
  const OwnRegisters<typename Kernel::Registers> of{&registers};
  const Block block{blockIdx.x, Kernel::kThreads};
  kernel.Begin(block, shared, of);
#pragma unroll 1
  for (int step = 0; step < kernel.steps; ++step) kernel.Step(block, shared, of, step);
}

// As a cooperative launch, which has all blocks on the device at once or fails.
template <class Kernel>
cudaError_t LaunchSteps(const Kernel& kernel, unsigned blocks, cudaStream_t stream) {
  const void* function = reinterpret_cast<const void*>(&RunSteps<Kernel>);
  constexpr size_t kShared = sizeof(typename Kernel::Shared);
  const cudaError_t error = cudaFuncSetAttribute(
      function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(kShared));
  if (error != cudaSuccess) return error;
  void* arguments[] = {const_cast<Kernel*>(&kernel)};
  return cudaLaunchCooperativeKernel(function, blocks, Kernel::kThreads, arguments, kShared,
                                     stream);
}

template <class Kernel>
cudaError_t Launch(const Kernel& kernel, cudaStream_t stream) {
  const LaunchShape shape = ShapeOf(kernel);
  if (shape.blocks == 0) return cudaSuccess;
  if (shape.blocks > kMostBlocks) return cudaErrorInvalidConfiguration;
  const auto blocks = static_cast<unsigned>(shape.blocks);
  if constexpr (requires { kernel.items(); }) {
    RunItems<<<blocks, kItemThreads, 0, stream>>>(kernel);
  } else if constexpr (requires { typename Kernel::Registers; }) {
    return LaunchSteps(kernel, blocks, stream);
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
