#include "model/backend/cuda/cuda_stack.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/cuda/cuda_backend.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;

class CudaStackTest : public testing::Test {
 protected:
  FakeGpu gpu_{};
  std::unique_ptr<Backend> backend_ = *NewCudaBackend(FakeGpu::calls(), 0);
  std::unique_ptr<Queue> queue_ = *backend_->NewQueue(QueuePriority::kTraining);
};

TEST_F(CudaStackTest, PlanIsWhatIsAllocatedOnceTheAlgorithmIsChosen) {
  for (const StackExtent extent :
       {StackExtent{.steps = 7, .batch = 5, .training = true}, StackExtent{.steps = 7, .batch = 5},
        StackExtent{.step_rows = 9}, StackExtent{.steps = 3, .batch = 2, .step_rows = 4},
        StackExtent{.steps = 7, .batch = 5, .training = true, .dropout = 0.5}}) {
    for (const Precision precision : backend_->capabilities().precisions) {
      const StackConfig config{.layers = 3, .hidden = 8, .vocabulary = 11, .precision = precision};
      const auto total = [&] {
        const StackPlan plan = backend_->Plan(config, extent);
        return plan.weight_bytes + plan.workspace_bytes + plan.reserve_bytes;
      };
      const int64_t at_most = total();
      ASSERT_TRUE(backend_->NewStack(config, extent).ok());
      const int64_t planned = total();
      EXPECT_LE(planned, at_most);
      const int64_t before = backend_->FreeBytes();
      auto stack = *backend_->NewStack(config, extent);
      const int64_t used = before - backend_->FreeBytes();
      // All but the table of chunks.
      EXPECT_GE(used, planned);
      EXPECT_LE(used, planned + 65536);
    }
  }
}

TEST_F(CudaStackTest, TheWayBackIsTheDataThenTheWeightsOnceTheirMemoryIsClean) {
  const StackConfig config{.layers = 1, .hidden = 2, .vocabulary = 3};
  auto stack = *backend_->NewStack(config, {.steps = 2, .batch = 1, .training = true});
  const auto floats = [&](size_t count) { return *backend_->Allocate(ElementType::kF32, count); };
  Buffer parameters = floats(StackSlices(config).back().offset + 8), gradients = floats(64),
         in = floats(4), out = floats(4), top = floats(4), d_top = floats(4);
  Buffer tokens = *backend_->Allocate(ElementType::kI32, 2);
  stack->SetParameters(*queue_, parameters.view());
  stack->Forward(*queue_, ForwardMode::kTraining, 2, 1, tokens.view(), in.view(), out.view(),
                 top.view());
  gpu_.ClearLog();
  stack->Backward(*queue_, d_top.view(), View{}, gradients.view());
  EXPECT_THAT(gpu_.log(),
              ElementsAre("cudnnRNNBackwardData_v8", "cudaEventRecord", "cudaStreamWaitEvent",
                          "cudnnRNNBackwardWeights_v8", "UnpackGradients"));
  gpu_.ClearLog();
  stack->Backward(*queue_, d_top.view(), View{}, gradients.view());
  EXPECT_THAT(gpu_.log(),
              ElementsAre("cudnnRNNBackwardData_v8", "cudaEventRecord", "cudaStreamWaitEvent",
                          "cudaMemsetAsync", "set", "cudaEventRecord", "cudaStreamWaitEvent",
                          "cudnnRNNBackwardWeights_v8", "UnpackGradients"))
      << "a second time there is something in it";
  EXPECT_TRUE(queue_->Finish().ok());
}

TEST_F(CudaStackTest, NumbersOf16BitsAreMadeAndTakenAtTheEdges) {
  const StackConfig config{
      .layers = 1, .hidden = 2, .vocabulary = 3, .precision = Precision::kBf16};
  auto stack = *backend_->NewStack(config, {.steps = 2, .batch = 1, .training = true});
  const auto floats = [&](size_t count) { return *backend_->Allocate(ElementType::kF32, count); };
  Buffer parameters = floats(StackSlices(config).back().offset + 8), gradients = floats(64),
         in = floats(4), out = floats(4), top = floats(4), d_top = floats(4);
  Buffer tokens = *backend_->Allocate(ElementType::kI32, 2);
  static_cast<CudaQueue&>(*queue_).Fork();  // which makes the branch
  static_cast<CudaQueue&>(*queue_).Join();
  gpu_.ClearLog();
  stack->SetParameters(*queue_, parameters.view());
  stack->Forward(*queue_, ForwardMode::kTraining, 2, 1, tokens.view(), in.view(), out.view(),
                 top.view());
  stack->Backward(*queue_, d_top.view(), View{}, gradients.view());
  EXPECT_THAT(
      gpu_.log(),
      ElementsAre("PackWeights", "cudaEventRecord", "cudaStreamWaitEvent", "cudaMemsetAsync", "set",
                  "OneHot", "Narrow", "cudnnRNNForward", "cudaEventRecord", "cudaStreamWaitEvent",
                  "Widen", "Widen", "Narrow", "cudnnRNNBackwardData_v8", "cudaEventRecord",
                  "cudaStreamWaitEvent", "cudnnRNNBackwardWeights_v8", "UnpackGradients"));
  EXPECT_TRUE(queue_->Finish().ok());
}

TEST_F(CudaStackTest, AStackForStepsAloneNeedsNoCudnn) {
  gpu_.ClearLog();
  ASSERT_TRUE(backend_->NewStack({.vocabulary = 3}, {.step_rows = 2}).ok());
  for (const std::string& call : gpu_.log())
    EXPECT_THAT(call, testing::Not(testing::HasSubstr("cudnn")));
}

TEST_F(CudaStackTest, WhatCudnnRefusesFailsTheQueueWithTheCallsName) {
  const StackConfig config{.layers = 1, .hidden = 2, .vocabulary = 3};
  auto stack = *backend_->NewStack(config, {.steps = 2, .batch = 1});
  Buffer state = *backend_->Allocate(ElementType::kF32, 4),
         out = *backend_->Allocate(ElementType::kF32, 4),
         top = *backend_->Allocate(ElementType::kF32, 4);
  Buffer tokens = *backend_->Allocate(ElementType::kI32, 2);
  gpu_.FailNext("cudnnRNNForward", CUDNN_STATUS_NOT_SUPPORTED);
  stack->Forward(*queue_, ForwardMode::kInference, 2, 1, tokens.view(), state.view(), out.view(),
                 top.view());
  EXPECT_THAT(std::string(queue_->Finish().message()), testing::StartsWith("cudnnRNNForward: "));
}

TEST_F(CudaStackTest, PrecisionsThatAreNotThereAreRefused) {
  EXPECT_EQ(backend_->NewStack({.vocabulary = 3, .precision = Precision::kF64}, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace derin::cuda
