#include "model/backend/cpu/cpu_head.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tests/model/backend/cpu/random_values.h"
#include "tests/model/backend/device_model.h"

namespace derin::cpu {
namespace {

struct HeadShape {
  int rows, hidden, vocabulary;
};

void PrintTo(const HeadShape& shape, std::ostream* out) {
  *out << shape.rows << " rows of " << shape.hidden << ", vocabulary " << shape.vocabulary;
}

struct HeadResult {
  std::vector<double> logits, d_top, d_weight, d_bias, loss, inference_loss;
};

// The head's operations on one engine, with the same numbers on every one.
HeadResult RunHead(const Engine& engine, const HeadShape& shape, bool no_targets = false) {
  auto backend = MakeBackend(engine);
  auto queue = *backend->NewQueue(QueuePriority::kTraining);
  const ElementType real = StateType(engine.precision);
  const auto buffer = [&](const std::vector<double>& values, ElementType type) {
    Buffer result = *backend->Allocate(type, values.size());
    const std::vector<float> narrow(values.begin(), values.end());
    backend->Upload(
        *queue, type == ElementType::kF64 ? static_cast<const void*>(values.data()) : narrow.data(),
        result.view());
    return result;
  };
  std::mt19937 random(shape.vocabulary);
  const auto random_buffer = [&](size_t count, float size) {
    const std::vector<float> values = RandomFloats(count, random, -size, size);
    return buffer({values.begin(), values.end()}, real);
  };
  const auto poisoned = [&](size_t count, ElementType type) {
    return buffer(std::vector<double>(count, std::numeric_limits<double>::quiet_NaN()), type);
  };
  const auto read = [&](const Buffer& of) {
    std::vector<double> values(of.view().count);
    std::vector<float> narrow(values.size());
    const bool wide = of.view().type == ElementType::kF64;
    EXPECT_TRUE(
        backend
            ->Download(*queue, of.view(), wide ? static_cast<void*>(values.data()) : narrow.data())
            .ok());
    if (!wide) values.assign(narrow.begin(), narrow.end());
    return values;
  };

  const size_t top_count = size_t(shape.rows) * shape.hidden,
               weight_count = size_t(shape.vocabulary) * shape.hidden;
  Buffer top = random_buffer(top_count, 1), weight = random_buffer(weight_count, 0.5),
         bias = random_buffer(shape.vocabulary, 1);
  std::vector<int32_t> target(shape.rows, -1);
  for (int row = 0; row < shape.rows && !no_targets; ++row) {
    target[row] = row % 7 == 3 ? -1 : RandomInteger(0, shape.vocabulary - 1, random);
  }
  Buffer targets = *backend->Allocate(ElementType::kI32, target.size());
  backend->Upload(*queue, target.data(), targets.view());

  Buffer logits = poisoned(size_t(shape.rows) * shape.vocabulary, real),
         loss = poisoned(2, ElementType::kF64), inference_loss = poisoned(2, ElementType::kF64),
         d_top = poisoned(top_count, real), d_weight = poisoned(weight_count, real),
         d_bias = poisoned(shape.vocabulary, real);
  const HeadViews head{weight.view(), bias.view()};
  backend->Logits(*queue, top.view(), head, logits.view());
  backend->ProjectAndLoss(*queue, top.view(), head, targets.view(), loss.view(), d_top.view(),
                          {d_weight.view(), d_bias.view()});
  backend->ProjectAndLoss(*queue, top.view(), head, targets.view(), inference_loss.view(), View{},
                          HeadViews{});
  return {.logits = read(logits),
          .d_top = read(d_top),
          .d_weight = read(d_weight),
          .d_bias = read(d_bias),
          .loss = read(loss),
          .inference_loss = read(inference_loss)};
}

constexpr HeadShape kShapes[] = {
    {.rows = 1, .hidden = 1, .vocabulary = 2},
    {.rows = 5, .hidden = 7, .vocabulary = 2},
    {.rows = 67, .hidden = 70, .vocabulary = 28},
    {.rows = 1200, .hidden = 33, .vocabulary = 28},
    {.rows = 50, .hidden = 130, .vocabulary = 1000},
    {.rows = 3, .hidden = 64, .vocabulary = 5003},
    // More rows than there is scratch for.
    {.rows = 850, .hidden = 3, .vocabulary = 5003},
};

class CpuHeadTest : public testing::TestWithParam<HeadShape> {};

TEST_P(CpuHeadTest, IsTheReferencesWithinTheTolerance) {
  const HeadResult wanted = RunHead({"reference", Precision::kF64}, GetParam());
  for (const Engine& engine : AllEngines()) {
    if (engine.backend != "cpu" || engine.precision != Precision::kF32) continue;
    SCOPED_TRACE(EngineName(engine));
    const HeadResult got = RunHead(engine, GetParam());
    // An order better than what is asked of a whole network.
    const double tolerance = Tolerance(engine) / 10;
    EXPECT_LT(RelativeError(got.logits, wanted.logits), tolerance);
    EXPECT_LT(RelativeError(got.d_top, wanted.d_top), tolerance);
    EXPECT_LT(RelativeError(got.d_weight, wanted.d_weight), tolerance);
    EXPECT_LT(RelativeError(got.d_bias, wanted.d_bias), tolerance);
    EXPECT_NEAR(got.loss[0] / wanted.loss[0], 1, tolerance);
    EXPECT_EQ(got.loss[1], wanted.loss[1]);
    EXPECT_EQ(got.inference_loss, got.loss);
  }
}

TEST_P(CpuHeadTest, HasTheSameBitsWithEveryInstructionSetAndNumberOfThreads) {
  const HeadResult wanted = RunHead({"cpu", Precision::kF32}, GetParam());
  for (const InstructionSet set : SupportedInstructionSets()) {
    for (const int threads : {1, 3}) {
      const Engine engine{"cpu", Precision::kF32, set, threads};
      SCOPED_TRACE(EngineName(engine));
      const HeadResult got = RunHead(engine, GetParam());
      EXPECT_THAT(got.logits, HasTheBitsOf(wanted.logits));
      EXPECT_THAT(got.d_top, HasTheBitsOf(wanted.d_top));
      EXPECT_THAT(got.d_weight, HasTheBitsOf(wanted.d_weight));
      EXPECT_THAT(got.d_bias, HasTheBitsOf(wanted.d_bias));
      EXPECT_EQ(got.loss, wanted.loss);
    }
  }
}

TEST_P(CpuHeadTest, WithoutAnyTargetLossAndGradientsAreZero) {
  const HeadResult got =
      RunHead({"cpu", Precision::kF32, SupportedInstructionSets().back(), 2}, GetParam(), true);
  EXPECT_EQ(got.loss, (std::vector<double>{0, 0}));
  EXPECT_THAT(got.d_top, testing::Each(0));
  EXPECT_THAT(got.d_weight, testing::Each(0));
  EXPECT_THAT(got.d_bias, testing::Each(0));
}

// Few rows are computed by the calling thread, many by all workers.
TEST(CpuHead, WhatIsLessThanANormalNumberIsNothingInAnyNumberOfRows) {
  constexpr size_t kHidden = 8, kVocabulary = 28;
  const auto backend = MakeBackend({"cpu", Precision::kF32});
  const auto queue = *backend->NewQueue(QueuePriority::kGeneration);
  const auto filled = [&](size_t count, float value) {
    Buffer buffer = *backend->Allocate(ElementType::kF32, count);
    backend->Upload(*queue, std::vector<float>(count, value).data(), buffer.view());
    return buffer;
  };
  const Buffer weight = filled(kVocabulary * kHidden, 1e-20f), bias = filled(kVocabulary, 0);
  for (const size_t rows : {1, 1000}) {
    const Buffer top = filled(rows * kHidden, 1e-20f), logits = filled(rows * kVocabulary, 1);
    backend->Logits(*queue, top.view(), {weight.view(), bias.view()}, logits.view());
    std::vector<float> values(rows * kVocabulary);
    ASSERT_TRUE(backend->Download(*queue, logits.view(), values.data()).ok());
    EXPECT_THAT(values, testing::Each(0.0f)) << rows << " rows";
  }
}

TEST(CpuHead, IsInThePlan) {
  const auto backend = MakeBackend({"cpu", Precision::kF32});
  const StackConfig config{.hidden = 16, .vocabulary = 1000};
  EXPECT_EQ(backend->Plan(config, {.steps = 2, .batch = 3, .training = true}).scratch_bytes,
            LossScratchBytes(6, 1000));
  EXPECT_EQ(backend->Plan(config, {.step_rows = 4}).scratch_bytes,
            SampleScratchBytes(1000, backend->capabilities().threads));
  EXPECT_GT(LossScratchBytes(6, 1000), 6 * 1000 * 4);
}

INSTANTIATE_TEST_SUITE_P(Shapes, CpuHeadTest, testing::ValuesIn(kShapes), [](const auto& info) {
  const HeadShape& shape = info.param;
  return std::to_string(shape.rows) + "_rows_of_" + std::to_string(shape.hidden) + "_vocabulary_" +
         std::to_string(shape.vocabulary);
});

}  // namespace
}  // namespace derin::cpu
