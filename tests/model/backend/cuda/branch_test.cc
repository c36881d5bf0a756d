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
    Branch* branch = static_cast<CudaQueue&>(queue).Fork();
    ASSERT_NE(branch, nullptr);
    branch->Launch(Sum());
  }

  FakeGpu gpu_{};
  std::unique_ptr<Backend> backend_ = *NewCudaBackend(FakeGpu::calls(), 0);
  std::unique_ptr<Queue> queue_ = *backend_->NewQueue(QueuePriority::kTraining);
  Buffer values_ = *backend_->Allocate(ElementType::kF32, 3);
};

TEST_F(BranchTest, ComesAfterTheQueueAndTheQueueAfterIt) {
  Work(*queue_);  // which makes it
  static_cast<CudaQueue&>(*queue_).Join();
  gpu_.ClearLog();
  Work(*queue_);
  static_cast<CudaQueue&>(*queue_).Join();
  EXPECT_THAT(gpu_.log(), ElementsAre("cudaEventRecord", "cudaStreamWaitEvent", "SumOfTwo",
                                      "cudaEventRecord", "cudaStreamWaitEvent"));
}

TEST_F(BranchTest, IsRecordedWithTheQueue) {
  auto recording = backend_->Record([&](Queue& queue) { Work(queue); });
  for (const float a : {1.0f, 2.0f, 3.0f}) {
    *At(0) = a;
    *At(1) = 10;
    recording->Run(*queue_);
    EXPECT_EQ(*At(2), a + 10);
  }
  EXPECT_TRUE(queue_->Finish().ok());
}

TEST_F(BranchTest, TheNextOperationComesAfterItUnlessItIsToGoOnBeside) {
  auto& cuda = static_cast<CudaQueue&>(*queue_);
  Work(cuda);
  gpu_.ClearLog();
  EXPECT_TRUE(cuda.BeginBeside());
  EXPECT_THAT(gpu_.log(), ElementsAre());
  backend_->Copy(cuda, values_.view().Slice(2, 1), values_.view().Slice(0, 1));
  EXPECT_THAT(gpu_.log(), ElementsAre("cudaEventRecord", "cudaStreamWaitEvent", "CopyBytes"));
  gpu_.ClearLog();
  EXPECT_TRUE(cuda.Begin());
  EXPECT_THAT(gpu_.log(), ElementsAre()) << "it has come already";
}

TEST_F(BranchTest, AFailureIsTheQueues) {
  gpu_.FailNext("SumOfTwo", cudaErrorInvalidValue);
  Work(*queue_);
  EXPECT_THAT(std::string(queue_->Finish().message()), HasSubstr("SumOfTwo"));
}

}  // namespace
}  // namespace derin::cuda
