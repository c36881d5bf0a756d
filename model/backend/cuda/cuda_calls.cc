#include "model/backend/cuda/cuda_calls.h"

namespace derin::cuda {

const CudaCalls& DeviceCalls() {
  static const CudaCalls calls = {
      .runtime =
          {
              .GetErrorName = &cudaGetErrorName,
              .GetErrorString = &cudaGetErrorString,
              .PeekAtLastError = &cudaPeekAtLastError,
              .DriverGetVersion = &cudaDriverGetVersion,
              .GetDeviceCount = &cudaGetDeviceCount,
              .GetDeviceProperties = &cudaGetDeviceProperties,
              .SetDevice = &cudaSetDevice,
              .DeviceGetStreamPriorityRange = &cudaDeviceGetStreamPriorityRange,
              .MemGetInfo = &cudaMemGetInfo,
              .Malloc = &cudaMalloc,
              .Free = &cudaFree,
              .HostAlloc = &cudaHostAlloc,
              .FreeHost = &cudaFreeHost,
              .MemcpyAsync = &cudaMemcpyAsync,
              .MemsetAsync = &cudaMemsetAsync,
              .StreamCreateWithPriority = &cudaStreamCreateWithPriority,
              .StreamDestroy = &cudaStreamDestroy,
              .StreamSynchronize = &cudaStreamSynchronize,
              .StreamWaitEvent = &cudaStreamWaitEvent,
              .StreamBeginCapture = &cudaStreamBeginCapture,
              .StreamEndCapture = &cudaStreamEndCapture,
              .EventCreateWithFlags = &cudaEventCreateWithFlags,
              .EventDestroy = &cudaEventDestroy,
              .EventRecord = &cudaEventRecord,
              .EventSynchronize = &cudaEventSynchronize,
              .EventElapsedTime = &cudaEventElapsedTime,
              .GraphInstantiate = &cudaGraphInstantiate,
              .GraphDestroy = &cudaGraphDestroy,
              .GraphLaunch = &cudaGraphLaunch,
              .GraphExecDestroy = &cudaGraphExecDestroy,
          },
      .cudnn =
          {
              .GetErrorString = &cudnnGetErrorString,
              .GetVersion = &cudnnGetVersion,
              .Create = &cudnnCreate,
              .Destroy = &cudnnDestroy,
              .SetStream = &cudnnSetStream,
              .CreateTensorDescriptor = &cudnnCreateTensorDescriptor,
              .DestroyTensorDescriptor = &cudnnDestroyTensorDescriptor,
              .SetTensorNdDescriptor = &cudnnSetTensorNdDescriptor,
              .GetTensorNdDescriptor = &cudnnGetTensorNdDescriptor,
              .CreateDropoutDescriptor = &cudnnCreateDropoutDescriptor,
              .DestroyDropoutDescriptor = &cudnnDestroyDropoutDescriptor,
              .SetDropoutDescriptor = &cudnnSetDropoutDescriptor,
              .CreateRNNDescriptor = &cudnnCreateRNNDescriptor,
              .DestroyRNNDescriptor = &cudnnDestroyRNNDescriptor,
              .SetRNNDescriptor_v8 = &cudnnSetRNNDescriptor_v8,
              .CreateRNNDataDescriptor = &cudnnCreateRNNDataDescriptor,
              .DestroyRNNDataDescriptor = &cudnnDestroyRNNDataDescriptor,
              .SetRNNDataDescriptor = &cudnnSetRNNDataDescriptor,
              .GetRNNWeightSpaceSize = &cudnnGetRNNWeightSpaceSize,
              .GetRNNWeightParams = &cudnnGetRNNWeightParams,
              .GetRNNTempSpaceSizes = &cudnnGetRNNTempSpaceSizes,
              .RNNForward = &cudnnRNNForward,
              .RNNBackwardData_v8 = &cudnnRNNBackwardData_v8,
              .RNNBackwardWeights_v8 = &cudnnRNNBackwardWeights_v8,
          },
      .blas =
          {
              .GetStatusString = &cublasLtGetStatusString,
              .Create = &cublasLtCreate,
              .Destroy = &cublasLtDestroy,
              .MatmulDescCreate = &cublasLtMatmulDescCreate,
              .MatmulDescDestroy = &cublasLtMatmulDescDestroy,
              .MatmulDescSetAttribute = &cublasLtMatmulDescSetAttribute,
              .MatrixLayoutCreate = &cublasLtMatrixLayoutCreate,
              .MatrixLayoutDestroy = &cublasLtMatrixLayoutDestroy,
              .MatmulPreferenceCreate = &cublasLtMatmulPreferenceCreate,
              .MatmulPreferenceDestroy = &cublasLtMatmulPreferenceDestroy,
              .MatmulPreferenceSetAttribute = &cublasLtMatmulPreferenceSetAttribute,
              .MatmulAlgoGetHeuristic = &cublasLtMatmulAlgoGetHeuristic,
              .Matmul = &cublasLtMatmul,
          },
      .kernels = DeviceKernels(),
  };
  return calls;
}

}  // namespace derin::cuda
