#include "model/backend/cuda/lstm_windows.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/cuda/cuda_backend.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class LstmWindowsTest : public testing::Test {
 protected:
  bool HasRoom(const StackConfig& config, int batch) {
    return LstmWindows::HasRoom(**Device::Open(FakeGpu::calls(), 0), config,
                                {.steps = 2, .batch = batch, .training = true});
  }

  FakeGpu gpu_{};
};

TEST_F(LstmWindowsTest, HasRoomForWhatFitsTheDevice) {
  EXPECT_TRUE(HasRoom({.hidden = 256}, 32));
  EXPECT_TRUE(HasRoom({.hidden = 256}, 128));
  EXPECT_FALSE(HasRoom({.hidden = 256}, 129));
  EXPECT_TRUE(HasRoom({.hidden = 1024}, 32));
  EXPECT_FALSE(HasRoom({.hidden = 1024}, 33));
  EXPECT_FALSE(HasRoom({.hidden = 1028}, 1));
  EXPECT_FALSE(HasRoom({.hidden = 6}, 1));  // not in fours
  EXPECT_FALSE(HasRoom({.cell = Cell::kGru, .hidden = 256}, 32));
  EXPECT_TRUE(HasRoom({.hidden = 256, .precision = Precision::kBf16}, 32));
  gpu_.multiprocessors = 15;
  EXPECT_FALSE(HasRoom({.hidden = 256}, 1));
}

TEST_F(LstmWindowsTest, TheBlocksOfLargeLayersWantMoreSharedMemoryThanEachGpuHas) {
  gpu_.shared_bytes = 101'376;  // of sm_86, sm_89 and sm_120
  EXPECT_TRUE(HasRoom({.hidden = 256}, 32));
  EXPECT_FALSE(HasRoom({.hidden = 1024}, 32));
  const auto backend = *NewCudaBackend(FakeGpu::calls(), 0);
  EXPECT_EQ(
      (*backend->NewStack({.hidden = 1024, .vocabulary = 3}, {.steps = 1, .batch = 32}))->choice(),
      "standard");
}

TEST_F(LstmWindowsTest, WantsNothingOfCudnn) {
  const auto backend = *NewCudaBackend(FakeGpu::calls(), 0);
  gpu_.ClearLog();
  ASSERT_TRUE(backend->NewStack({.vocabulary = 3}, {.steps = 2, .batch = 2}).ok());
  EXPECT_THAT(gpu_.log(), Not(Contains(HasSubstr("cudnn"))));
}

TEST_F(LstmWindowsTest, DropsBeforeAProductReadsWhatIsBelowAndAfterItsGradientIsThere) {
  const auto backend = *NewCudaBackend(FakeGpu::calls(), 0);
  const auto queue = *backend->NewQueue(QueuePriority::kTraining);
  const StackConfig config{.layers = 2, .hidden = 4, .vocabulary = 3};
  const auto stack =
      *backend->NewStack(config, {.steps = 1, .batch = 2, .training = true, .dropout = 0.5});
  const auto floats = [&](size_t count) { return *backend->Allocate(ElementType::kF32, count); };
  const Slice last = StackSlices(config).back();
  Buffer parameters = floats(last.offset + last.count),
         gradients = floats(last.offset + last.count), in = floats(32), out = floats(32),
         top = floats(8), d_top = floats(8), tokens = *backend->Allocate(ElementType::kI32, 2),
         dropout = *backend->Allocate(ElementType::kI64, 2);
  stack->SetParameters(*queue, parameters.view());
  const auto forward = [&](ForwardMode mode) {
    gpu_.ClearLog();
    stack->Forward(*queue, mode, 1, 2, tokens.view(), in.view(), out.view(), top.view(),
                   dropout.view());
  };
  forward(ForwardMode::kTraining);  // which plans the products
  forward(ForwardMode::kTraining);
  EXPECT_THAT(gpu_.log(), ElementsAre("cudaMemsetAsync", "set", "LstmWindowForward", "Drop",
                                      "cublasLtMatmul", "LstmWindowForward"));
  gpu_.ClearLog();
  stack->Backward(*queue, d_top.view(), View{}, gradients.view());
  EXPECT_EQ(std::count(gpu_.log().begin(), gpu_.log().end(), "Drop"), 1);
  forward(ForwardMode::kInference);
  EXPECT_THAT(gpu_.log(), Not(Contains("Drop")));
  EXPECT_TRUE(queue->Finish().ok());
}

TEST_F(LstmWindowsTest, ATokenOutsideOfTheVocabularyIsAFault) {
  const auto backend = *NewCudaBackend(FakeGpu::calls(), 0);
  const auto queue = *backend->NewQueue(QueuePriority::kTraining);
  const StackConfig config{.layers = 1, .hidden = 4, .vocabulary = 3};
  const auto stack = *backend->NewStack(config, {.steps = 1, .batch = 2});
  const auto floats = [&](size_t count) { return *backend->Allocate(ElementType::kF32, count); };
  Buffer parameters = floats(StackSlices(config).back().offset + 16), in = floats(16),
         out = floats(16), top = floats(8), tokens = *backend->Allocate(ElementType::kI32, 2);
  const int32_t ids[] = {0, 3};
  backend->Upload(*queue, ids, tokens.view());
  stack->SetParameters(*queue, parameters.view());
  stack->Forward(*queue, ForwardMode::kInference, 1, 2, tokens.view(), in.view(), out.view(),
                 top.view());
  EXPECT_THAT(std::string(queue->Finish().message()), HasSubstr("3"));
}

}  // namespace
}  // namespace derin::cuda
