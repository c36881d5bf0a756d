#include "model/backend/cuda/matrix_product.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/cuda/cuda_queue.h"
#include "model/backend/cuda/kernels/half.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

class MatrixProductTest : public testing::Test {
 protected:
  int64_t Choices() const {
    return std::count(gpu_.log().begin(), gpu_.log().end(), "cublasLtMatmulAlgoGetHeuristic");
  }
  FakeGpu gpu_{};
  std::shared_ptr<Device> device_ = *Device::Open(FakeGpu::calls(), 0);
  std::unique_ptr<CudaQueue> queue_ = *CudaQueue::Create(device_, QueuePriority::kTraining);
};

TEST_F(MatrixProductTest, IsRowMajorWithEveryTranspositionAndABias) {
  // [2, 3] times [3, 2], written either way.
  const std::vector<float> a = {1, 2, 3, 4, 5, 6}, a_transposed = {1, 4, 2, 5, 3, 6};
  const std::vector<float> b = {1, 0, 2, 1, 0, 3}, b_transposed = {1, 2, 0, 0, 1, 3};
  const std::vector<float> bias = {100, 200};
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      for (const bool with_bias : {false, true}) {
        std::vector<float> c(4, -1);
        queue_->Multiply({.a = (ta ? a_transposed : a).data(),
                          .b = (tb ? b_transposed : b).data(),
                          .c = c.data(),
                          .bias = with_bias ? bias.data() : nullptr,
                          .transpose_a = ta,
                          .transpose_b = tb,
                          .rows = 2,
                          .columns = 2,
                          .inner = 3});
        ASSERT_TRUE(queue_->status().ok()) << queue_->status();
        if (with_bias) {
          EXPECT_THAT(c, testing::ElementsAre(105, 211, 114, 223));
        } else {
          EXPECT_THAT(c, testing::ElementsAre(5, 11, 14, 23));
        }
      }
    }
  }
}

TEST_F(MatrixProductTest, HasFactorsOf16BitsAndOfTf32) {
  // 1 + 2^-12 has more digits than TF32, 1 + 2^-8 more than Bf16.
  const std::vector<float> wide = {1 + 0x1p-12f}, ones = {1};
  const std::vector<F16> f16 = {RoundTo<F16>(1 + 0x1p-8f)}, one_f16 = {RoundTo<F16>(1)};
  const std::vector<Bf16> bf16 = {RoundTo<Bf16>(1 + 0x1p-8f)}, one_bf16 = {RoundTo<Bf16>(1)};
  const auto product = [&](Precision factors, const void* a, const void* b) {
    float c = 0;
    queue_->Multiply(
        {.a = a, .b = b, .c = &c, .factors = factors, .rows = 1, .columns = 1, .inner = 1});
    EXPECT_TRUE(queue_->Finish().ok());
    return c;
  };
  EXPECT_EQ(product(Precision::kF32, wide.data(), ones.data()), 1 + 0x1p-12f);
  EXPECT_EQ(product(Precision::kTf32, wide.data(), ones.data()), 1);
  EXPECT_EQ(product(Precision::kF16, f16.data(), one_f16.data()), 1 + 0x1p-8f);
  EXPECT_EQ(product(Precision::kBf16, bf16.data(), one_bf16.data()), 1);
}

TEST_F(MatrixProductTest, ChoosesOnceForAShapeAndAnAlignment) {
  Buffer memory = *device_->Allocate(ElementType::kF32, 1000);
  float* at = memory.view().As<float>();
  MatrixProduct product{.a = at, .b = at + 64, .c = at + 128, .rows = 2, .columns = 2, .inner = 2};
  queue_->Multiply(product);
  queue_->Multiply(product);
  EXPECT_EQ(Choices(), 1);
  product.b = at + 65;  // of 4 bytes only; the fake refuses what was chosen for 256
  queue_->Multiply(product);
  EXPECT_EQ(Choices(), 2);
  product.rows = 3;
  queue_->Multiply(product);
  EXPECT_EQ(Choices(), 3);
  EXPECT_TRUE(queue_->Finish().ok());
}

TEST_F(MatrixProductTest, AFailureNamesTheCall) {
  float x = 1;
  gpu_.FailNext("cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_NOT_SUPPORTED);
  queue_->Multiply({.a = &x, .b = &x, .c = &x, .rows = 1, .columns = 1, .inner = 1});
  EXPECT_THAT(std::string(queue_->Finish().message()),
              testing::StartsWith("cublasLtMatmulAlgoGetHeuristic: "));
}

}  // namespace
}  // namespace derin::cuda
