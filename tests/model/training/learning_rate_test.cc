#include "model/training/learning_rate.h"

#include "gtest/gtest.h"

namespace derin {
namespace {

TEST(LearningRate, IsConstantByDefault) {
  EXPECT_EQ(LearningRate({.peak = 2}, 0, 100), 2);
  EXPECT_EQ(LearningRate({.peak = 2}, 99, 100), 2);
}

TEST(LearningRate, RisesLinearlyToItsPeak) {
  const LearningRateConfig config{.peak = 1, .warmup_steps = 4};
  EXPECT_DOUBLE_EQ(LearningRate(config, 0, 100), 0.25);
  EXPECT_DOUBLE_EQ(LearningRate(config, 2, 100), 0.75);
  EXPECT_DOUBLE_EQ(LearningRate(config, 3, 100), 1);
  EXPECT_DOUBLE_EQ(LearningRate(config, 4, 100), 1);
}

TEST(LearningRate, FollowsHalfACosineToItsFinalShareAtTheLastStep) {
  const LearningRateConfig config{
      .peak = 2, .schedule = LearningRateSchedule::kCosine, .final_share = 0.1};
  EXPECT_DOUBLE_EQ(LearningRate(config, 0, 101), 2);
  EXPECT_DOUBLE_EQ(LearningRate(config, 50, 101), 2 * (0.1 + 0.9 * 0.5));
  EXPECT_DOUBLE_EQ(LearningRate(config, 100, 101), 0.2);
}

TEST(LearningRate, CosineBeginsAfterTheWarmUp) {
  const LearningRateConfig config{
      .peak = 1, .schedule = LearningRateSchedule::kCosine, .warmup_steps = 10};
  EXPECT_DOUBLE_EQ(LearningRate(config, 9, 21), 1);
  EXPECT_DOUBLE_EQ(LearningRate(config, 10, 21), 1);
  EXPECT_NEAR(LearningRate(config, 20, 21), 0, 1e-15);
}

TEST(LearningRate, ATrainingOfWarmUpAloneHasNoCosine) {
  const LearningRateConfig config{
      .peak = 1, .schedule = LearningRateSchedule::kCosine, .warmup_steps = 5};
  EXPECT_DOUBLE_EQ(LearningRate(config, 4, 5), 1);
}

}  // namespace
}  // namespace derin
