#include "model/backend/cuda/device.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

class DeviceTest : public testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<Device>> Open(int ordinal = 0) {
    return Device::Open(FakeGpu::calls(), ordinal);
  }
  FakeGpu gpu_{};
};

TEST_F(DeviceTest, SaysWhatItIs) {
  auto device = *Open();
  EXPECT_EQ(device->name(), "Fake H100");
  EXPECT_EQ(device->architecture(), "sm_90");
  EXPECT_LT(device->priority_of_generation(), device->priority_of_training());
}

TEST_F(DeviceTest, WithoutAGpuSaysTheRuntimesReason) {
  gpu_.FailNext("cudaGetDeviceCount", cudaErrorNoDevice);
  EXPECT_EQ(Open().status().code(), StatusCode::kUnavailable);
  gpu_.FailNext("cudaGetDeviceCount", cudaErrorNoDevice);
  EXPECT_EQ(Message(Open().status()), "no GPU: no CUDA-capable device is detected");
  gpu_.devices = 0;
  EXPECT_EQ(Message(Open().status()), "no GPU: there is none");
}

TEST_F(DeviceTest, ADriverThatIsTooOldIsNamedWithBothVersions) {
  gpu_.driver_version = 12040;
  gpu_.FailNext("cudaGetDeviceCount", cudaErrorInsufficientDriver);
  EXPECT_EQ(Message(Open().status()),
            "the NVIDIA driver is too old: it is for CUDA 12.4, wanted one for CUDA 13.0 or newer "
            "(version 580 or newer)");
  gpu_.driver_version = 0;  // of none
  gpu_.FailNext("cudaGetDeviceCount", cudaErrorInsufficientDriver);
  EXPECT_EQ(Message(Open().status()), "no GPU: it went wrong");
}

TEST_F(DeviceTest, ANumberBeyondTheGpusIsRefusedWithHowManyThereAre) {
  EXPECT_EQ(Open(1).status().code(), StatusCode::kNotFound);
  EXPECT_THAT(Message(Open(1).status()), HasSubstr("got GPU number 1, and this process sees 1"));
}

TEST_F(DeviceTest, AGpuThatIsTooOldIsRefused) {
  gpu_.compute_major = 7;
  EXPECT_EQ(Open().status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(Open().status()), HasSubstr("compute capability 7.0, wanted 8.0"));
}

TEST_F(DeviceTest, AnErrorNamesItsCall) {
  auto device = *Open();
  EXPECT_EQ(Message(device->Check(cudaErrorInvalidValue, "cudaMemcpyAsync")),
            "cudaMemcpyAsync: it went wrong (cudaErrorOfTheFake)");
  EXPECT_EQ(device->Check(CUDNN_STATUS_NOT_SUPPORTED, "cudnnRNNForward").message(),
            "cudnnRNNForward: a stack went wrong");
  EXPECT_EQ(device->Check(CUBLAS_STATUS_ALLOC_FAILED, "cublasLtMatmul").code(),
            StatusCode::kResourceExhausted);
  EXPECT_TRUE(device->lost().ok());
}

TEST_F(DeviceTest, AfterAnErrorThatEndsItsUseNothingIsTriedAnyMore) {
  auto device = *Open();
  Buffer buffer = *device->Allocate(ElementType::kF32, 4);
  EXPECT_EQ(device->Check(cudaErrorIllegalAddress, "cudaEventSynchronize").code(),
            StatusCode::kUnavailable);
  gpu_.ClearLog();
  EXPECT_THAT(Message(device->Allocate(ElementType::kF32, 4).status()),
              HasSubstr("the GPU is lost to this process: cudaEventSynchronize"));
  EXPECT_THAT(gpu_.log(), testing::IsEmpty());
}

TEST_F(DeviceTest, WhatTheRuntimeSaysOnlyAnotherProcessGetsOverEndsItsUse) {
  for (const cudaError_t error : {cudaErrorContained, cudaErrorMpsClientTerminated}) {
    auto device = *Open();
    EXPECT_EQ(device->Check(error, "cudaEventSynchronize").code(), StatusCode::kUnavailable);
    EXPECT_FALSE(device->lost().ok());
  }
}

TEST_F(DeviceTest, WhatEndsItsUseInsideALibraryIsSeen) {
  auto device = *Open();
  gpu_.last_error = cudaErrorInvalidValue;
  EXPECT_EQ(device->Check(CUDNN_STATUS_EXECUTION_FAILED, "cudnnRNNForward").code(),
            StatusCode::kInternal);
  gpu_.last_error = cudaErrorIllegalAddress;
  EXPECT_EQ(device->Check(CUDNN_STATUS_EXECUTION_FAILED, "cudnnRNNForward").code(),
            StatusCode::kUnavailable);
  EXPECT_THAT(Message(device->lost()), HasSubstr("cudnnRNNForward: a stack went wrong: it went "
                                                 "wrong (cudaErrorIllegalAddress)"));
}

TEST_F(DeviceTest, TellsOnceThatItIsLost) {
  auto device = *Open();
  std::vector<std::string> told;
  const auto tell = [&](const absl::Status& status) { told.push_back(Message(status)); };
  device->OnLost([](const absl::Status&) { FAIL() << "another one took its place"; });
  device->OnLost(tell);
  device->Check(cudaErrorMemoryAllocation, "cudaMalloc").IgnoreError();
  EXPECT_THAT(told, testing::IsEmpty());
  device->Check(cudaErrorIllegalAddress, "cudaMalloc").IgnoreError();
  device->Check(cudaErrorLaunchFailure, "cudaFree").IgnoreError();
  EXPECT_THAT(told, testing::ElementsAre(Message(device->lost())));
  device->OnLost(tell);  // at once, now that it is
  EXPECT_EQ(told.size(), 2u);
}

TEST_F(DeviceTest, MemoryComesAndGoes) {
  auto device = *Open();
  const int64_t free = device->FreeBytes();
  {
    Buffer buffer = *device->Allocate(ElementType::kF64, 100);
    Buffer on_host = *device->AllocateOnHost(ElementType::kF64, 3);
    EXPECT_EQ(on_host.view().As<double>()[2], 0);
    EXPECT_LT(device->FreeBytes(), free);
  }
  EXPECT_EQ(device->FreeBytes(), free);
  EXPECT_EQ(gpu_.live_allocations(), 0u);
  EXPECT_TRUE(device->Allocate(ElementType::kF64, 0)->view().empty());
}

TEST_F(DeviceTest, TooMuchMemoryIsRefusedWithBothNumbers) {
  gpu_.total_bytes = 1000;
  auto device = *Open();
  EXPECT_EQ(Message(device->Allocate(ElementType::kByte, 1001).status()),
            "wanted 1001 bytes of the GPU's memory, 1000 are free");
  gpu_.FailNext("cudaMalloc", cudaErrorMemoryAllocation);
  EXPECT_EQ(device->Allocate(ElementType::kByte, 10).status().code(),
            StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace derin::cuda
