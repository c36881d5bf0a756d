#include "model/backend/cuda/layered_windows.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/cuda/cuda_backend.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;

class LayeredWindowsTest : public testing::Test {
 protected:
  void Make(Precision precision) {
    const StackConfig config{
        .cell = Cell::kGru, .layers = 2, .hidden = 3, .vocabulary = 5, .precision = precision};
    stack_ =
        *backend_->NewStack(config, {.steps = 2, .batch = 1, .training = true, .dropout = 0.5});
    const auto floats = [&](size_t count) { return *backend_->Allocate(ElementType::kF32, count); };
    const Slice last = StackSlices(config).back();
    parameters_ = floats(last.offset + last.count);
    gradients_ = floats(last.offset + last.count);
    in_ = floats(6);
    out_ = floats(6);
    top_ = floats(6);
    d_top_ = floats(6);
    tokens_ = *backend_->Allocate(ElementType::kI32, 2);
    dropout_ = *backend_->Allocate(ElementType::kI64, 2);
    scale_ = *backend_->Allocate(ElementType::kF64, NeedsLossScale(precision) ? 2 : 0);
    gpu_.ClearLog();
  }
  void Forward(ForwardMode mode, int steps = 2) {
    stack_->Forward(*queue_, mode, steps, 1, tokens_.view().Slice(0, steps), in_.view(),
                    out_.view(), top_.view().Slice(0, 3 * steps), dropout_.view());
  }

  FakeGpu gpu_{};
  std::unique_ptr<Backend> backend_ = *NewCudaBackend(FakeGpu::calls(), 0);
  std::unique_ptr<Queue> queue_ = *backend_->NewQueue(QueuePriority::kTraining);
  std::unique_ptr<RecurrentStack> stack_;
  Buffer parameters_, gradients_, in_, out_, top_, d_top_, tokens_, dropout_, scale_;
};

TEST_F(LayeredWindowsTest, IsACallForEachLayerWithDropoutBetween) {
  Make(Precision::kF32);
  stack_->SetParameters(*queue_, parameters_.view());
  Forward(ForwardMode::kTraining);
  stack_->Backward(*queue_, d_top_.view(), View{}, gradients_.view());
  EXPECT_THAT(gpu_.log(), ElementsAre("PackWeights", "PackWeights",                            //
                                      "OneHot", "cudnnRNNForward", "Drop", "cudnnRNNForward",  //
                                      "cudnnRNNBackwardData_v8", "cudaMemsetAsync", "set",
                                      "cudnnRNNBackwardWeights_v8", "UnpackGradients", "Drop",  //
                                      "cudnnRNNBackwardData_v8", "cudaMemsetAsync", "set",
                                      "cudnnRNNBackwardWeights_v8", "UnpackGradients"));
  EXPECT_TRUE(queue_->Finish().ok());
}

TEST_F(LayeredWindowsTest, NumbersOf16BitsAreMadeAndTakenAtTheEdges) {
  Make(Precision::kF16);
  stack_->SetParameters(*queue_, parameters_.view());
  Forward(ForwardMode::kTraining);
  stack_->Backward(*queue_, d_top_.view(), scale_.view(), gradients_.view());
  EXPECT_THAT(gpu_.log(),
              ElementsAre("PackWeights", "PackWeights",  //
                          "Narrow", "OneHot", "cudnnRNNForward", "Drop", "cudnnRNNForward", "Widen",
                          "Widen",  //
                          "Narrow", "cudnnRNNBackwardData_v8", "cudaMemsetAsync", "set",
                          "cudnnRNNBackwardWeights_v8", "UnpackGradients", "Drop",  //
                          "cudnnRNNBackwardData_v8", "cudaMemsetAsync", "set",
                          "cudnnRNNBackwardWeights_v8", "UnpackGradients"));
  EXPECT_TRUE(queue_->Finish().ok());
}

TEST_F(LayeredWindowsTest, ASmallerWindowHasDescriptorsOfItsOwn) {
  Make(Precision::kF32);
  stack_->SetParameters(*queue_, parameters_.view());
  const auto described = [&] {
    gpu_.ClearLog();
    Forward(ForwardMode::kInference, 1);
    return std::count(gpu_.log().begin(), gpu_.log().end(), "cudnnSetRNNDataDescriptor");
  };
  EXPECT_EQ(described(), 4) << "what each of two layers reads and writes";
  EXPECT_EQ(described(), 0);
  EXPECT_TRUE(queue_->Finish().ok());
}

TEST_F(LayeredWindowsTest, WhatCudnnRefusesFailsTheQueueWithTheCallsName) {
  Make(Precision::kF32);
  stack_->SetParameters(*queue_, parameters_.view());
  gpu_.FailNext("cudnnRNNForward", CUDNN_STATUS_NOT_SUPPORTED);
  Forward(ForwardMode::kTraining);
  EXPECT_THAT(std::string(queue_->Finish().message()), testing::StartsWith("cudnnRNNForward: "));
}

}  // namespace
}  // namespace derin::cuda
