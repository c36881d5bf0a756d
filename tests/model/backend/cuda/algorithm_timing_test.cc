#include "model/backend/cuda/algorithm_timing.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

class AlgorithmTiming : public testing::Test {
 protected:
  absl::StatusOr<double> Time(WindowAlgorithm algorithm, int hidden = 4,
                              Precision precision = Precision::kF16) {
    auto queue = *CudaQueue::Create(device_, QueuePriority::kTraining);
    return TimeOfTraining(*queue,
                          {.layers = 1, .hidden = hidden, .vocabulary = 3, .precision = precision},
                          {.steps = 2, .batch = 2, .training = true}, algorithm);
  }

  FakeGpu gpu_{};
  std::shared_ptr<Device> device_ = *Device::Open(FakeGpu::calls(), 0);
};

TEST_F(AlgorithmTiming, IsThatOfOneWindowOnTheGpusClock) {
  gpu_.milliseconds_of[CUDNN_RNN_ALGO_STANDARD] = 3;
  gpu_.milliseconds_of[CUDNN_RNN_ALGO_PERSIST_STATIC] = 0.25;
  EXPECT_EQ(*Time(WindowAlgorithm::kStandard), 3);
  EXPECT_EQ(*Time(WindowAlgorithm::kPersistStatic), 0.25);
  EXPECT_EQ(*Time(WindowAlgorithm::kStandard, 4, Precision::kTf32), 3);
  gpu_.milliseconds_of_own = 2;
  EXPECT_EQ(*Time(WindowAlgorithm::kOwnKernels), 2);
  EXPECT_EQ(*Time(WindowAlgorithm::kStepProducts), 4) << "there are two steps";
}

TEST_F(AlgorithmTiming, LeavesNoMemoryBehind) {
  const size_t before = gpu_.used_bytes();
  ASSERT_TRUE(Time(WindowAlgorithm::kStandard).ok());
  EXPECT_EQ(gpu_.used_bytes(), before);
}

TEST_F(AlgorithmTiming, WhatCudnnHasNotGotIsUnimplementedAndAnyFailureNamesItsCall) {
  EXPECT_EQ(Time(WindowAlgorithm::kSmallH, 129).status().code(), absl::StatusCode::kUnimplemented);
  for (const char* call : {"cudnnRNNForward", "cudaGraphLaunch", "cudaEventElapsedTime"}) {
    gpu_.FailNext(call, 13);
    EXPECT_THAT(std::string(Time(WindowAlgorithm::kStandard).status().message()),
                testing::StartsWith(call));
  }
}

}  // namespace
}  // namespace derin::cuda
