// Single steps as a language model takes them, on a GPU that is none.

#include "model/backend/cuda/stepper.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "model/backend/cuda/cuda_backend.h"
#include "model/network/language_model.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

constexpr int kMostRows = 24;

class StepperTest : public testing::TestWithParam<Precision> {
 protected:
  StackConfig Config() const {
    return {.layers = 2, .hidden = 20, .vocabulary = 9, .precision = GetParam()};
  }
  // Weights large enough that the text depends on the state.
  Parameters Weights() const {
    Parameters parameters = InitialParameters(Config(), 3);
    for (float& value : parameters.values) value *= 4;
    return parameters;
  }
  void SetUp() override {
    model_ = *LanguageModel::Create(*backend_, Config(), Weights(), kMostRows);
    pool_ = *HiddenStatePool::Create(*backend_, ElementType::kF32, StateElements(Config()), 32);
  }

  // The `count` rows that start in slots from 1 on.
  static std::vector<LanguageModel::Row> Starting(int count) {
    std::vector<LanguageModel::Row> rows(count);
    for (int i = 0; i < count; ++i) {
      rows[i] = {
          .token = 1 + i % 8, .slot = 1 + i, .from_zero = true, .sample = {.seed = 100u + i}};
    }
    return rows;
  }
  static void GoOn(std::vector<LanguageModel::Row>& rows, const int32_t* next, int steps) {
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i].token = next[i];
      rows[i].from_zero = false;
      rows[i].sample.position += steps;
    }
  }
  // [steps, rows] tokens, `each` steps with one wait.
  std::vector<int32_t> Generate(int rows, int steps, int each) {
    std::vector<LanguageModel::Row> going = Starting(rows);
    std::vector<int32_t> tokens(rows * steps);
    for (int step = 0; step < steps; step += each) {
      const absl::Span<int32_t> next(tokens.data() + step * rows, each * rows);
      const absl::Status status = each == 1 ? model_->Step(*queue_, *pool_, going, next)
                                            : model_->Steps(*queue_, *pool_, going, each, next);
      EXPECT_TRUE(status.ok()) << status;
      GoOn(going, next.data() + (each - 1) * rows, each);
    }
    return tokens;
  }
  int64_t Calls(const std::string& call) const {
    return std::count(gpu_.log().begin(), gpu_.log().end(), call);
  }

  FakeGpu gpu_{};
  std::unique_ptr<Backend> backend_ = *NewCudaBackend(FakeGpu::calls(), 0);
  std::unique_ptr<Queue> queue_ = *backend_->NewQueue(QueuePriority::kGeneration);
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<HiddenStatePool> pool_;
};

TEST_P(StepperTest, SeveralStepsWithOneWaitAreThoseOneByOne) {
  // A batch that is a power of two, one with padding, and the largest, which is neither.
  for (const int rows : {1, 3, 8, kMostRows}) {
    EXPECT_EQ(Generate(rows, 12, 1), Generate(rows, 12, 4)) << rows;
  }
}

TEST_P(StepperTest, ARowDrawsTheSameInAnyBatch) {
  const auto many = Generate(kMostRows, 8, 1);
  const auto few = Generate(5, 8, 1);
  for (int step = 0; step < 8; ++step) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(few[step * 5 + i], many[step * kMostRows + i]);
  }
}

TEST_P(StepperTest, AStepThatWasRecordedIsOneGraphAndNothingElse) {
  std::vector<LanguageModel::Row> rows = Starting(3);
  std::vector<int32_t> next(3);
  for (int step = 0; step < 6; ++step) {
    gpu_.ClearLog();
    ASSERT_TRUE(model_->Step(*queue_, *pool_, rows, absl::MakeSpan(next)).ok());
    GoOn(rows, next.data(), 1);
    // The first runs, the second is captured; batches of four and of three share both.
    if (step == 3) rows.push_back({.token = 1, .slot = 9}), next.resize(4);
    if (step < 2) continue;
    EXPECT_EQ(Calls("cudaGraphLaunch"), 1);
    EXPECT_EQ(Calls("cudaMemcpyAsync"), 0);
    EXPECT_EQ(Calls("cudaStreamBeginCapture"), 0);
    EXPECT_EQ(gpu_.log().size(), 3u) << testing::PrintToString(gpu_.log());
  }
}

TEST_P(StepperTest, ATokenThatIsNoneIsAnErrorAndItsRowKeepsItsState) {
  std::vector<LanguageModel::Row> rows = Starting(2);
  std::vector<int32_t> next(2);
  ASSERT_TRUE(model_->Step(*queue_, *pool_, rows, absl::MakeSpan(next)).ok());
  GoOn(rows, next.data(), 1);
  const auto* states = pool_->view().As<float>() + pool_->slot_elements();
  const std::vector<float> before(states, states + pool_->slot_elements());
  rows[0].token = 9;
  EXPECT_EQ(model_->Step(*queue_, *pool_, rows, absl::MakeSpan(next)).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::vector<float>(states, states + pool_->slot_elements()), before);
}

INSTANTIATE_TEST_SUITE_P(Precisions, StepperTest,
                         testing::Values(Precision::kF32, Precision::kBf16),
                         [](const auto& info) { return std::string(PrecisionName(info.param)); });

}  // namespace
}  // namespace derin::cuda
