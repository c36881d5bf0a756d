#include "model/backend/cuda/cuda_queue.h"

#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/cuda/cuda_backend.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CudaQueueTest : public testing::Test {
 protected:
  FakeGpu gpu_{};
  std::shared_ptr<Device> device_ = *Device::Open(FakeGpu::calls(), 0);
  std::unique_ptr<CudaQueue> queue_ = *CudaQueue::Create(device_, QueuePriority::kTraining);
};

TEST_F(CudaQueueTest, GenerationComesFirst) {
  auto generation = *CudaQueue::Create(device_, QueuePriority::kGeneration);
  const auto priority = [](const CudaQueue& queue) {
    return reinterpret_cast<FakeGpu::Stream*>(queue.stream())->priority;
  };
  EXPECT_LT(priority(*generation), priority(*queue_));
}

TEST_F(CudaQueueTest, TheFirstErrorStaysAndNothingIsCalledAfterIt) {
  Buffer to = *device_->Allocate(ElementType::kF32, 1);
  const float one = 1;
  gpu_.FailNext("CopyBytes", cudaErrorInvalidValue);
  queue_->Upload(&one, to.view().data, sizeof one);
  gpu_.ClearLog();
  queue_->Launch(SumOfDoubles{nullptr, nullptr, 1});
  queue_->Multiply({});
  EXPECT_EQ(queue_->Scratch(16), nullptr);
  const absl::Status status = queue_->Finish();
  EXPECT_THAT(std::string(status.message()), HasSubstr("CopyBytes"));
  // What was enqueued before it still has to end.
  EXPECT_THAT(gpu_.log(), ElementsAre("cudaStreamSynchronize"));
}

TEST_F(CudaQueueTest, AfterAnErrorWaitsForItsBranchToo) {
  ASSERT_NE(queue_->Fork(), nullptr);
  queue_->Fail(absl::InternalError("it went wrong"));
  gpu_.ClearLog();
  EXPECT_EQ(queue_->Finish().message(), "it went wrong");
  EXPECT_THAT(gpu_.log(), ElementsAre("cudaStreamSynchronize", "cudaStreamSynchronize"));
  gpu_.ClearLog();
  queue_.reset();
  EXPECT_THAT(std::vector(gpu_.log().begin(), gpu_.log().begin() + 3),
              ElementsAre("cudaStreamSynchronize", "cudaStreamSynchronize", HasSubstr("cudaFree")))
      << "before the memory goes";
}

TEST_F(CudaQueueTest, AnErrorOfTheWorkComesBackFromWait) {
  const Queue::Ticket ticket = queue_->Signal();
  gpu_.FailNext("cudaEventSynchronize", cudaErrorIllegalAddress);
  EXPECT_EQ(queue_->Wait(ticket).code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(device_->lost().ok());
}

TEST_F(CudaQueueTest, AFaultOfTheDataComesBackFromWait) {
  const Queue::Ticket ticket = queue_->Signal();
  RaiseFault(queue_->fault(), FaultKind::kTarget, 77);
  const absl::Status status = queue_->Wait(ticket);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("got target 77"));
  EXPECT_TRUE(device_->lost().ok());
}

TEST_F(CudaQueueTest, UploadsOfAnySizeArriveAndOnlyLargeOnesWait) {
  for (const size_t count : {1, 2048, 2049, 10000}) {
    std::vector<float> values(count);
    std::iota(values.begin(), values.end(), 1.0f);
    Buffer to = *device_->Allocate(ElementType::kF32, count);
    // More than there are stages.
    for (int i = 0; i < 20; ++i) {
      gpu_.ClearLog();
      queue_->Upload(values.data(), to.view().data, count * sizeof(float));
      const bool large = count > 2048;
      const auto called = [&](const char* call) {
        return std::count(gpu_.log().begin(), gpu_.log().end(), call);
      };
      EXPECT_EQ(called("cudaStreamSynchronize"), large ? 1 : 0);
      EXPECT_EQ(called("CopyBytes"), large ? 0 : 1);
    }
    const float* got = to.view().As<float>();
    EXPECT_EQ(std::vector<float>(got, got + count), values);
  }
  EXPECT_TRUE(queue_->Finish().ok());
}

TEST_F(CudaQueueTest, ScratchMemoryThatWasGivenStaysWhereItIs) {
  void* small = queue_->Scratch(100);
  EXPECT_EQ(queue_->Scratch(50), small);
  const size_t before = gpu_.live_allocations();
  EXPECT_NE(queue_->Scratch(1000), small);
  EXPECT_EQ(gpu_.live_allocations(), before + 1);
}

TEST_F(CudaQueueTest, ScratchMemoryOfGrowingSizesLeavesLittleBehind) {
  const size_t before = gpu_.used_bytes();
  queue_->Scratch(999);
  EXPECT_EQ(gpu_.used_bytes(), before + 999) << "what comes first, and may be large, is not more";
  constexpr size_t kMost = 64'000;
  for (size_t bytes = 1000; bytes <= kMost; bytes += 1000) queue_->Scratch(bytes);
  EXPECT_LT(gpu_.used_bytes() - before, 4 * kMost);
}

}  // namespace
}  // namespace derin::cuda
