// The stages of the proof, small, on a GPU that is none.

#include "tests/gpu/proof.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/cuda/cuda_backend.h"
#include "tests/gpu/eager_backend.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin {
namespace {

class ProofTest : public testing::Test {
 protected:
  cuda::FakeGpu gpu_{};
  std::unique_ptr<Backend> backend_ = *cuda::NewCudaBackend(cuda::FakeGpu::calls(), 0);
  const StackConfig config_{.layers = 2, .hidden = 8, .vocabulary = 5};
};

TEST_F(ProofTest, LearnsATextByHeart) {
  for (const Precision precision : backend_->capabilities().precisions) {
    const nlohmann::json found = *Smoke(*backend_, precision);
    EXPECT_TRUE(found["passed"]) << found;
  }
}

TEST_F(ProofTest, FindsTheSameDigestWithAndWithoutGraphAndAnotherForOtherSteps) {
  const nlohmann::json found = *TrainingDigests(*backend_, config_, 4);
  EXPECT_TRUE(found["passed"]) << found;
  EXPECT_NE(found["first"], (*TrainingDigests(*backend_, config_, 5))["first"]);
}

TEST_F(ProofTest, FindsTheSameBitsForEachRow) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    StackConfig config = config_;
    config.precision = precision;
    const nlohmann::json found = *StepBits(*backend_, config, 70);
    EXPECT_TRUE(found["passed"]) << found;
    EXPECT_EQ(found["batches"].size(), 8);  // of 1, 7, 64 and 70 rows
  }
}

// A backend whose logits depend on how many rows there are.
class Careless : public EagerBackend {
 public:
  using EagerBackend::EagerBackend;
  void Logits(Queue& queue, View top, const HeadViews& head, View logits) override {
    EagerBackend::Logits(queue, top, head, logits);
    if (top.count < 70 * 8) Zero(queue, logits.Slice(0, 1));
  }
};

TEST_F(ProofTest, NoticesARowThatDependsOnTheOthers) {
  Careless careless(*backend_);
  const nlohmann::json found = *StepBits(careless, config_, 70);
  EXPECT_FALSE(found["passed"]);
  for (const nlohmann::json& batch : found["batches"]) {
    EXPECT_EQ(batch["differ"], batch["rows"] == 70 ? 0 : 1) << batch;
  }
}

TEST_F(ProofTest, RunsTheOwnKernelsAndComparesTheirBits) {
  const nlohmann::json found = *KernelBits(cuda::FakeGpu::calls());
  EXPECT_TRUE(found["passed"]) << found;
  EXPECT_EQ(found["compared"], 13);
  EXPECT_TRUE((*Operations(*backend_))["passed"]);
  gpu_.FailNext("OneHot", cudaErrorInvalidConfiguration);
  EXPECT_THAT(std::string(KernelBits(cuda::FakeGpu::calls()).status().message()),
              testing::StartsWith("OneHot"));
}

TEST_F(ProofTest, WritesWhereEachTensorLies) {
  const nlohmann::json found = *WeightOffsets(cuda::FakeGpu::calls(), {config_});
  EXPECT_TRUE(found["passed"]) << found;
  int64_t elements = 0;
  for (const nlohmann::json& run : found["stacks"][0]["runs"]) elements += run[2].get<int64_t>();
  EXPECT_EQ(elements, 4 * 8 * (5 + 8 + 2) + 4 * 8 * (8 + 8 + 2));
}

TEST_F(ProofTest, SaysWhichCallFailed) {
  gpu_.FailNext("SoftmaxCrossEntropy", cudaErrorInvalidConfiguration);
  EXPECT_THAT(std::string(Smoke(*backend_, Precision::kF32).status().message()),
              testing::HasSubstr("SoftmaxCrossEntropy"));
}

TEST_F(ProofTest, MeasuresTokensPerSecond) {
  for (const nlohmann::json& found :
       {*TrainingSpeed(*backend_, config_, 0.01), *SamplingSpeed(*backend_, config_, 3, 1, 0.01),
        *SamplingSpeed(*backend_, config_, 3, 8, 0.01)}) {
    EXPECT_GT(found["tokens_per_second"], 0);
    EXPECT_LE(found["least"], found["most"]);
    EXPECT_EQ(found["precision"], "f32");
  }
}

TEST_F(ProofTest, TheRecipeNeedsItsText) {
  EXPECT_THAT(
      std::string(Recipe(*backend_, Precision::kF32, "/nowhere/text", 1, 1).status().message()),
      testing::HasSubstr("/nowhere/text"));
}

}  // namespace
}  // namespace derin
