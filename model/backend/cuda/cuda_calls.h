#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "model/backend/cuda/kernel_list.h"

namespace derin::cuda {

// Every function of NVIDIA's libraries that the backend calls, by its name without the prefix, and
// the own kernels: tests put a GPU of their own in their place. One that is called is here.

struct RuntimeCalls {
  decltype(&cudaGetErrorName) GetErrorName;
  decltype(&cudaGetErrorString) GetErrorString;
  decltype(&cudaPeekAtLastError) PeekAtLastError;
  decltype(&cudaDriverGetVersion) DriverGetVersion;
  decltype(&cudaGetDeviceCount) GetDeviceCount;
  decltype(&cudaGetDeviceProperties) GetDeviceProperties;
  decltype(&cudaSetDevice) SetDevice;
  decltype(&cudaDeviceGetStreamPriorityRange) DeviceGetStreamPriorityRange;
  decltype(&cudaMemGetInfo) MemGetInfo;
  decltype(&cudaMalloc) Malloc;
  decltype(&cudaFree) Free;
  decltype(&cudaHostAlloc) HostAlloc;
  decltype(&cudaFreeHost) FreeHost;
  decltype(&cudaMemcpyAsync) MemcpyAsync;
  decltype(&cudaMemsetAsync) MemsetAsync;
  decltype(&cudaStreamCreateWithPriority) StreamCreateWithPriority;
  decltype(&cudaStreamDestroy) StreamDestroy;
  decltype(&cudaStreamSynchronize) StreamSynchronize;
  decltype(&cudaStreamWaitEvent) StreamWaitEvent;
  decltype(&cudaStreamBeginCapture) StreamBeginCapture;
  decltype(&cudaStreamEndCapture) StreamEndCapture;
  decltype(&cudaEventCreateWithFlags) EventCreateWithFlags;
  decltype(&cudaEventDestroy) EventDestroy;
  decltype(&cudaEventRecord) EventRecord;
  decltype(&cudaEventSynchronize) EventSynchronize;
  decltype(&cudaEventElapsedTime) EventElapsedTime;
  decltype(&cudaGraphInstantiate) GraphInstantiate;
  decltype(&cudaGraphDestroy) GraphDestroy;
  decltype(&cudaGraphLaunch) GraphLaunch;
  decltype(&cudaGraphExecDestroy) GraphExecDestroy;
};

struct CudnnCalls {
  decltype(&cudnnGetErrorString) GetErrorString;
  decltype(&cudnnGetVersion) GetVersion;
  decltype(&cudnnCreate) Create;
  decltype(&cudnnDestroy) Destroy;
  decltype(&cudnnSetStream) SetStream;
  decltype(&cudnnCreateTensorDescriptor) CreateTensorDescriptor;
  decltype(&cudnnDestroyTensorDescriptor) DestroyTensorDescriptor;
  decltype(&cudnnSetTensorNdDescriptor) SetTensorNdDescriptor;
  decltype(&cudnnGetTensorNdDescriptor) GetTensorNdDescriptor;
  decltype(&cudnnCreateDropoutDescriptor) CreateDropoutDescriptor;
  decltype(&cudnnDestroyDropoutDescriptor) DestroyDropoutDescriptor;
  decltype(&cudnnSetDropoutDescriptor) SetDropoutDescriptor;
  decltype(&cudnnCreateRNNDescriptor) CreateRNNDescriptor;
  decltype(&cudnnDestroyRNNDescriptor) DestroyRNNDescriptor;
  decltype(&cudnnSetRNNDescriptor_v8) SetRNNDescriptor_v8;
  decltype(&cudnnCreateRNNDataDescriptor) CreateRNNDataDescriptor;
  decltype(&cudnnDestroyRNNDataDescriptor) DestroyRNNDataDescriptor;
  decltype(&cudnnSetRNNDataDescriptor) SetRNNDataDescriptor;
  decltype(&cudnnGetRNNWeightSpaceSize) GetRNNWeightSpaceSize;
  decltype(&cudnnGetRNNWeightParams) GetRNNWeightParams;
  decltype(&cudnnGetRNNTempSpaceSizes) GetRNNTempSpaceSizes;
  decltype(&cudnnRNNForward) RNNForward;
  decltype(&cudnnRNNBackwardData_v8) RNNBackwardData_v8;
  decltype(&cudnnRNNBackwardWeights_v8) RNNBackwardWeights_v8;
};

struct CublasLtCalls {
  decltype(&cublasLtGetStatusString) GetStatusString;
  decltype(&cublasLtCreate) Create;
  decltype(&cublasLtDestroy) Destroy;
  decltype(&cublasLtMatmulDescCreate) MatmulDescCreate;
  decltype(&cublasLtMatmulDescDestroy) MatmulDescDestroy;
  decltype(&cublasLtMatmulDescSetAttribute) MatmulDescSetAttribute;
  decltype(&cublasLtMatrixLayoutCreate) MatrixLayoutCreate;
  decltype(&cublasLtMatrixLayoutDestroy) MatrixLayoutDestroy;
  decltype(&cublasLtMatmulPreferenceCreate) MatmulPreferenceCreate;
  decltype(&cublasLtMatmulPreferenceDestroy) MatmulPreferenceDestroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) MatmulPreferenceSetAttribute;
  decltype(&cublasLtMatmulAlgoGetHeuristic) MatmulAlgoGetHeuristic;
  decltype(&cublasLtMatmul) Matmul;
};

struct CudaCalls {
  RuntimeCalls runtime;
  CudnnCalls cudnn;
  CublasLtCalls blas;
  Kernels kernels;
};

// The real ones.
const CudaCalls& DeviceCalls();

}  // namespace derin::cuda
