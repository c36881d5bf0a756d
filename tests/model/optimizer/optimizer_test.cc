#include "model/optimizer/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace derin {
namespace {

TEST(ClipFactor, IsOneUpToTheClipAndScalesDownAbove) {
  EXPECT_EQ(ClipFactor(0, 1), 1);
  EXPECT_EQ(ClipFactor(0.99 * 0.99, 1), 1);
  EXPECT_DOUBLE_EQ(ClipFactor(1, 1),
                   1 / (1 + 1e-6));  // as torch: at the clip itself, a little less
  EXPECT_DOUBLE_EQ(ClipFactor(25, 1), 1 / (5 + 1e-6));
  EXPECT_DOUBLE_EQ(ClipFactor(25, 2.5), 2.5 / (5 + 1e-6));
}

TEST(IntegerPower, EqualsThePower) {
  EXPECT_EQ(IntegerPower(0.9, 0), 1);
  EXPECT_EQ(IntegerPower(0.9, 1), 0.9);
  EXPECT_EQ(IntegerPower(2, 62), 0x1p62);
  EXPECT_EQ(IntegerPower(0, 5), 0);
  for (const int64_t exponent : {2, 3, 10, 1000, 4321}) {
    EXPECT_NEAR(IntegerPower(0.999, exponent) / std::pow(0.999, exponent), 1, 1e-12);
  }
  EXPECT_EQ(IntegerPower(0.9, int64_t{1} << 40), 0);
}

TEST(Optimizer, KeepsAMomentForMomentumAndTwoForAdam) {
  EXPECT_EQ(MomentCount(OptimizerKind::kSgd), 0);
  EXPECT_EQ(MomentCount(OptimizerKind::kMomentum), 1);
  EXPECT_EQ(MomentCount(OptimizerKind::kAdam), 2);
}

template <typename Real>
class Update : public ::testing::Test {};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Update, Reals);

template <typename Real>
constexpr double kTolerance = std::is_same_v<Real, float> ? 2e-6 : 1e-14;

TYPED_TEST(Update, OfSgdSubtractsTheRateTimesTheClippedGradient) {
  const OptimizerConfig config{.clip = 1};
  const auto f = MakeUpdateFactors<TypeParam>(config, 2, 16, 1);  // norm 4
  const double factor = 1 / (4 + 1e-6);
  for (const double gradient : {-3.0, -0.01, 0.0, 0.5, 2.0}) {
    EXPECT_NEAR(SgdUpdate<TypeParam>(0.25, gradient, f), 0.25 - 2 * factor * gradient,
                kTolerance<TypeParam>);
  }
}

// torch.optim.SGD's formula in double precision, over some steps.
TYPED_TEST(Update, OfMomentumKeepsAShareOfTheLastDirection) {
  const OptimizerConfig config{.kind = OptimizerKind::kMomentum, .clip = 1e6, .momentum = 0.75};
  TypeParam weight = 0.75, moment = 0;
  double wanted = 0.75, direction = 0;
  for (const double gradient : {0.5, -1.5, 0.0, 2.0, 0.25}) {
    const auto f = MakeUpdateFactors<TypeParam>(config, 0.125, gradient * gradient, 1);
    weight = MomentumUpdate<TypeParam>(weight, gradient, moment, f);
    direction = 0.75 * direction + gradient;
    wanted -= 0.125 * direction;
    EXPECT_NEAR(moment, direction, kTolerance<TypeParam>);
    EXPECT_NEAR(weight, wanted, kTolerance<TypeParam>);
  }
}

// The decay is of the weight as it was, by the rate, and leaves the moments alone.
TYPED_TEST(Update, OfAdamWShrinksTheWeightBesides) {
  OptimizerConfig config{.kind = OptimizerKind::kAdam, .clip = 1e6};
  TypeParam plain1 = 0, plain2 = 0, moment1 = 0, moment2 = 0;
  const auto plain = MakeUpdateFactors<TypeParam>(config, 0.125, 0.25, 1);
  config.weight_decay = 0.5;
  const auto decaying = MakeUpdateFactors<TypeParam>(config, 0.125, 0.25, 1);
  EXPECT_NEAR(AdamUpdate<TypeParam>(2, 0.5, moment1, moment2, decaying),
              AdamUpdate<TypeParam>(2, 0.5, plain1, plain2, plain) - 0.125 * 0.5 * 2,
              kTolerance<TypeParam>);
  EXPECT_EQ(moment1, plain1);
  EXPECT_EQ(moment2, plain2);
}

// Algorithm 1 of the paper, in double precision, over some steps.
TYPED_TEST(Update, OfAdamFollowsThePaperStepByStep) {
  const OptimizerConfig config{
      .kind = OptimizerKind::kAdam, .clip = 1, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3};
  const double rate = 0.01;
  const std::vector<double> gradients = {0.5, -1.5, 0.0, 2.0, 0.25, -0.125};
  TypeParam weight = 0.75, moment1 = 0, moment2 = 0;
  double theta = 0.75, m = 0, v = 0;
  for (size_t i = 0; i < gradients.size(); ++i) {
    const double squared_norm = gradients[i] * gradients[i];
    const int t = static_cast<int>(i) + 1;
    const auto f = MakeUpdateFactors<TypeParam>(config, rate, squared_norm, t);
    weight = AdamUpdate<TypeParam>(weight, gradients[i], moment1, moment2, f);

    const double g = gradients[i] * std::min(1.0, 1 / (std::sqrt(squared_norm) + 1e-6));
    m = 0.8 * m + (1 - 0.8) * g;
    v = 0.95 * v + (1 - 0.95) * g * g;
    const double m_hat = m / (1 - std::pow(0.8, t));
    const double v_hat = v / (1 - std::pow(0.95, t));
    theta -= rate * m_hat / (std::sqrt(v_hat) + 1e-3);
    EXPECT_NEAR(weight, theta, kTolerance<TypeParam>) << "step " << t;
    EXPECT_NEAR(moment1, m, kTolerance<TypeParam>) << "step " << t;
    EXPECT_NEAR(moment2, v, kTolerance<TypeParam>) << "step " << t;
  }
}

// The first step of Adam has the size of the rate, whatever the gradient: what bias correction is
// for.
TYPED_TEST(Update, OfAdamStartsWithAStepOfTheRate) {
  const OptimizerConfig config{.kind = OptimizerKind::kAdam, .clip = 1e6};
  for (const double gradient : {-30.0, 0.002}) {
    TypeParam moment1 = 0, moment2 = 0;
    const auto f = MakeUpdateFactors<TypeParam>(config, 0.125, gradient * gradient, 1);
    EXPECT_NEAR(AdamUpdate<TypeParam>(1, gradient, moment1, moment2, f),
                1 - std::copysign(0.125, gradient), 1e-5);
  }
}

TEST(LossScale, HalvesWhenTheNormIsNotFiniteAndDoublesAfterSoManyGoodSteps) {
  double scale[] = {LossScale::kFirst, 0};
  for (int step = 1; step < LossScale::kGrowthInterval; ++step) {
    ASSERT_TRUE(AdvanceLossScale(1, scale));
    ASSERT_EQ(scale[0], LossScale::kFirst);
    ASSERT_EQ(scale[1], step);
  }
  ASSERT_TRUE(AdvanceLossScale(0, scale));
  EXPECT_EQ(scale[0], 2 * LossScale::kFirst);
  EXPECT_EQ(scale[1], 0);
  ASSERT_TRUE(AdvanceLossScale(1, scale));
  EXPECT_FALSE(AdvanceLossScale(INFINITY, scale));
  EXPECT_EQ(scale[0], LossScale::kFirst);
  EXPECT_EQ(scale[1], 0);
  EXPECT_FALSE(AdvanceLossScale(NAN, scale));
  EXPECT_EQ(scale[0], LossScale::kFirst / 2);
}

TEST(LossScale, StaysWithinItsBounds) {
  double least[] = {LossScale::kLeast, 0};
  EXPECT_FALSE(AdvanceLossScale(INFINITY, least));
  EXPECT_EQ(least[0], LossScale::kLeast);
  double most[] = {LossScale::kMost, LossScale::kGrowthInterval - 1};
  EXPECT_TRUE(AdvanceLossScale(1, most));
  EXPECT_EQ(most[0], LossScale::kMost);
  EXPECT_EQ(most[1], 0);
}

}  // namespace
}  // namespace derin
