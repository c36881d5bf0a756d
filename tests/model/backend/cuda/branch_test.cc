#include "model/backend/cuda/branch.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/cuda/cuda_backend.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BranchTest : public testing::Test {
 protected:
  // sum = a + b, beside the queue.
  SumOfTwo Sum() { return {At(0), At(1), At(2), 1}; }
  float* At(int i) { return values_.view().As<float>() + i; }
  void Work(Queue& queue) {
    auto& cuda = static_cast<CudaQueue&>(queue);
    branch_->Fork(cuda);
    branch_->Launch(cuda, Sum());
  }

  FakeGpu gpu_{};
  std::shared_ptr<Device> device_ = *Device::Open(FakeGpu::calls(), 0);
  std::unique_ptr<Backend> backend_ = *NewCudaBackend(FakeGpu::calls(), 0);
  std::unique_ptr<Queue> queue_ = *backend_->NewQueue(QueuePriority::kTraining);
  std::unique_ptr<Branch> branch_ = *Branch::Create(*device_, QueuePriority::kTraining);
  Buffer values_ = *backend_->Allocate(ElementType::kF32, 3);
};

TEST_F(BranchTest, ComesAfterTheQueueAndTheQueueAfterIt) {
  gpu_.ClearLog();
  Work(*queue_);
  branch_->Join(static_cast<CudaQueue&>(*queue_));
  EXPECT_THAT(gpu_.log(), ElementsAre("cudaEventRecord", "cudaStreamWaitEvent", "SumOfTwo",
                                      "cudaEventRecord", "cudaStreamWaitEvent"));
}

TEST_F(BranchTest, IsRecordedWithTheQueue) {
  auto recording = backend_->Record([&](Queue& queue) {
    Work(queue);
    branch_->Join(static_cast<CudaQueue&>(queue));
  });
  for (const float a : {1.0f, 2.0f, 3.0f}) {
    *At(0) = a;
    *At(1) = 10;
    recording->Run(*queue_);
    EXPECT_EQ(*At(2), a + 10);
  }
  EXPECT_TRUE(queue_->Finish().ok());
}

TEST_F(BranchTest, ARecordingThatForgetsItFails) {
  auto recording = backend_->Record([&](Queue& queue) { Work(queue); });
  recording->Run(*queue_);
  EXPECT_TRUE(queue_->Finish().ok());
  recording->Run(*queue_);
  EXPECT_THAT(std::string(queue_->Finish().message()), HasSubstr("cudaStreamEndCapture"));
}

TEST_F(BranchTest, AFailureIsTheQueues) {
  gpu_.FailNext("SumOfTwo", cudaErrorInvalidValue);
  Work(*queue_);
  EXPECT_THAT(std::string(queue_->Finish().message()), HasSubstr("SumOfTwo"));
}

}  // namespace
}  // namespace derin::cuda
