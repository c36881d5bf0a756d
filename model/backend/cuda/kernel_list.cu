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

// Kernels of 9.0 and later overlap their beginnings (programmatic dependent launch): each lets the
// next of its stream come to the device at once, and itself waits here until all before it is done.
constexpr int kEarlyArchitecture = 900;
__device__ void WaitForThoseBefore() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaTriggerProgrammaticLaunchCompletion();
  cudaGridDependencySynchronize();
#endif
}

template <class Kernel>
__global__ void __launch_bounds__(kItemThreads) RunItems(const Kernel kernel) {
  WaitForThoseBefore();
  const int64_t item = int64_t{blockIdx.x} * kItemThreads + threadIdx.x;
  if (item < kernel.items()) kernel(item);
}

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads) RunBlocks(const Kernel kernel) {
  __shared__ typename Kernel::Shared shared;
  WaitForThoseBefore();
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

// The multiprocessors of the current device where its code of `function` waits for what is before
// it; 0 where that is of an earlier architecture.
int EarlyMultiprocessors(const void* function) {
  cudaFuncAttributes attributes = {};
  int device = 0, multiprocessors = 0;
  if (cudaFuncGetAttributes(&attributes, function) != cudaSuccess ||
      10 * attributes.ptxVersion < kEarlyArchitecture || cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device) !=
          cudaSuccess) {
    return 0;
  }
  return multiprocessors;
}

template <class Kernel>
cudaError_t LaunchEarly(void (*function)(Kernel), const Kernel& kernel, const LaunchShape& shape,
                        cudaStream_t stream) {
  // A process works with one device.
  static const int multiprocessors = EarlyMultiprocessors(reinterpret_cast<const void*>(function));
  cudaLaunchAttribute early = {};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = static_cast<unsigned>(shape.blocks);
  config.blockDim = static_cast<unsigned>(shape.threads);
  config.stream = stream;
  config.attrs = &early;
  config.numAttrs = MayBeginEarly(shape.blocks, multiprocessors) ? 1 : 0;
  return cudaLaunchKernelEx(&config, function, kernel);
}

template <class Kernel>
cudaError_t Launch(const Kernel& kernel, cudaStream_t stream) {
  const LaunchShape shape = ShapeOf(kernel);
  if (shape.blocks == 0) return cudaSuccess;
  if (shape.blocks > kMostBlocks) return cudaErrorInvalidConfiguration;
  if constexpr (requires { kernel.items(); }) {
    return LaunchEarly<Kernel>(&RunItems<Kernel>, kernel, shape, stream);
  } else if constexpr (requires { typename Kernel::Registers; }) {
    return LaunchSteps(kernel, static_cast<unsigned>(shape.blocks), stream);
  } else {
    return LaunchEarly<Kernel>(&RunBlocks<Kernel>, kernel, shape, stream);
  }
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
