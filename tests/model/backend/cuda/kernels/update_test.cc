#include "model/backend/cuda/kernels/update.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;

class UpdateKernels : public testing::Test {
 protected:
  void Run(OptimizerKind kind, double squared_norm, double* loss_scale) {
    const double rate = 0.5;
    PreparedUpdate update;
    RunOnHost(PrepareUpdate{{.kind = kind}, &rate, &squared_norm, &step_, loss_scale, &update});
    switch (kind) {
      case OptimizerKind::kSgd:
        RunOnHost(UpdateBySgd{weights_.data(), gradients_.data(), &update, 2});
        break;
      case OptimizerKind::kMomentum:
        RunOnHost(
            UpdateByMomentum{weights_.data(), gradients_.data(), moment1_.data(), &update, 2});
        break;
      case OptimizerKind::kAdam:
        RunOnHost(UpdateByAdam{weights_.data(), gradients_.data(), moment1_.data(), moment2_.data(),
                               &update, 2});
        break;
    }
  }

  int64_t step_ = 3;
  std::vector<float> weights_ = {1, 2}, gradients_ = {0.5f, -0.25f};
  std::vector<float> moment1_ = {1, 1}, moment2_ = {2, 2};
};

TEST_F(UpdateKernels, AStepWhoseGradientOverflowedAdvancesNothingButTheScale) {
  for (const OptimizerKind kind :
       {OptimizerKind::kSgd, OptimizerKind::kMomentum, OptimizerKind::kAdam}) {
    for (const double norm :
         {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
      double scale[] = {64, 17};
      Run(kind, norm, scale);
      EXPECT_THAT(scale, ElementsAre(32, 0));
      EXPECT_EQ(step_, 3);
      EXPECT_THAT(weights_, ElementsAre(1, 2));
      EXPECT_THAT(moment1_, ElementsAre(1, 1));
      EXPECT_THAT(moment2_, ElementsAre(2, 2));
    }
  }
}

TEST_F(UpdateKernels, AGoodStepIsTheSameWithAScale) {
  Run(OptimizerKind::kSgd, 0.3125, nullptr);
  const std::vector<float> wanted = weights_;
  weights_ = {1, 2};
  double scale[] = {64, 17};
  Run(OptimizerKind::kSgd, 0.3125, scale);
  EXPECT_EQ(weights_, wanted);
  EXPECT_THAT(weights_, ElementsAre(0.75f, 2.125f));
  EXPECT_THAT(scale, ElementsAre(64, 18));
  EXPECT_EQ(step_, 5);
}

TEST_F(UpdateKernels, WithoutAScaleEveryStepCounts) {
  Run(OptimizerKind::kSgd, std::numeric_limits<double>::quiet_NaN(), nullptr);
  EXPECT_EQ(step_, 4);
}

TEST(UpdateKernel, IsTheArithmeticOfTheOptimizers) {
  const OptimizerConfig config{
      .kind = OptimizerKind::kAdam, .clip = 0.5, .momentum = 0.75, .weight_decay = 0.25};
  const double rate = 0.01, norm2 = 4;
  int64_t step = 2;
  PreparedUpdate update;
  RunOnHost(PrepareUpdate{config, &rate, &norm2, &step, nullptr, &update});
  EXPECT_EQ(step, 3);
  const UpdateFactors<float>& factors = update.factors;
  const auto wanted_factors = MakeUpdateFactors<float>(config, rate, norm2, 3);
  EXPECT_EQ(factors.clip, wanted_factors.clip);
  EXPECT_EQ(factors.correction2, wanted_factors.correction2);

  std::vector<float> weights = {1, -2}, moment1 = {0.1f, 0.2f}, moment2 = {0.3f, 0.4f};
  const std::vector<float> gradients = {0.5f, -1.5f}, before = weights;
  std::vector<float> wanted1 = moment1, wanted2 = moment2;
  RunOnHost(
      UpdateByAdam{weights.data(), gradients.data(), moment1.data(), moment2.data(), &update, 2});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(weights[i], AdamUpdate(before[i], gradients[i], wanted1[i], wanted2[i], factors));
    EXPECT_EQ(moment1[i], wanted1[i]);
    EXPECT_EQ(moment2[i], wanted2[i]);
  }
  weights = before;
  RunOnHost(UpdateBySgd{weights.data(), gradients.data(), &update, 2});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(weights[i], SgdUpdate(before[i], gradients[i], factors));
  }
  weights = before;
  RunOnHost(UpdateByMomentum{weights.data(), gradients.data(), moment1.data(), &update, 2});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(weights[i], MomentumUpdate(before[i], gradients[i], wanted1[i], factors));
    EXPECT_EQ(moment1[i], wanted1[i]);
  }
}

TEST(UpdateKernel, HasTheBitsOfSingleElementsWhateverTheirPlaceAndNumber) {
  constexpr int kMost = 11, kRoom = kMost + 4;
  PreparedUpdate update{
      .factors = MakeUpdateFactors<float>({.clip = 0.5, .momentum = 0.75}, 0.01, 4, 3),
      .skipped = false};
  for (int count = 0; count <= kMost; ++count) {
    for (int place = 0; place < 4; ++place) {
      SCOPED_TRACE(testing::Message() << count << " from " << place);
      // Of weights, gradients and moments.
      alignas(Quad) float got[4][kRoom], wanted[4][kRoom];
      for (int array = 0; array < 4; ++array) {
        for (int i = 0; i < kRoom; ++i) {
          got[array][i] = wanted[array][i] = 0.3f * static_cast<float>(1 + array + i % 5);
        }
      }
      auto& [w, g, m1, m2] = wanted;
      const auto of_each = [&](const auto& body) {
        for (int i = place; i < place + count; ++i) w[i] = body(i);
      };
      of_each([&](int i) { return SgdUpdate(w[i], g[i], update.factors); });
      of_each([&](int i) { return MomentumUpdate(w[i], g[i], m1[i], update.factors); });
      of_each([&](int i) { return AdamUpdate(w[i], g[i], m1[i], m2[i], update.factors); });
      float* at[4];
      for (int array = 0; array < 4; ++array) at[array] = got[array] + place;
      RunOnHost(UpdateBySgd{at[0], at[1], &update, count});
      RunOnHost(UpdateByMomentum{at[0], at[1], at[2], &update, count});
      RunOnHost(UpdateByAdam{at[0], at[1], at[2], at[3], &update, count});
      EXPECT_EQ(std::memcmp(got, wanted, sizeof got), 0);
    }
  }
}

}  // namespace
}  // namespace derin::cuda
