#include "server/jobs/optimizer_spec.h"

#include <gtest/gtest.h>

namespace derin::server {
namespace {

// training_spec_test.cc has the bounds of every field.

TEST(OptimizerSpec, ADefaultIsThatOfItsOptimizer) {
  for (const auto& [kind, rate] :
       {std::pair(OptimizerKind::kSgd, 2.0), std::pair(OptimizerKind::kMomentum, 2.0),
        std::pair(OptimizerKind::kAdam, 0.001)}) {
    v1::TrainingSpec spec;
    LearningRateConfig config;
    ASSERT_TRUE(ResolveLearningRate(spec, kind, config).ok());
    EXPECT_EQ(config.peak, rate);
    EXPECT_EQ(spec.learning_rate().peak(), rate);
  }
}

TEST(OptimizerSpec, FillsInWhatIsUnsetOfEachKind) {
  v1::TrainingSpec spec;
  OptimizerConfig config;
  ASSERT_TRUE(ResolveOptimizer(spec, config).ok());
  EXPECT_EQ(config.kind, OptimizerKind::kSgd);
  EXPECT_EQ(spec.clip(), 1);

  spec.mutable_optimizer()->mutable_adamw()->set_beta1(0.5);
  config = {};
  ASSERT_TRUE(ResolveOptimizer(spec, config).ok());
  EXPECT_EQ(config.kind, OptimizerKind::kAdam);
  EXPECT_EQ(config.beta1, 0.5);
  EXPECT_EQ(spec.optimizer().adamw().beta2(), 0.999);
  EXPECT_EQ(spec.optimizer().adamw().weight_decay(), 0.01);

  spec.mutable_optimizer()->mutable_adam();
  config = {};
  ASSERT_TRUE(ResolveOptimizer(spec, config).ok());
  EXPECT_EQ(config.kind, OptimizerKind::kAdam);
  EXPECT_EQ(config.weight_decay, 0);
}

}  // namespace
}  // namespace derin::server
