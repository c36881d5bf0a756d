#include "client/cli/optimizer_flags.h"

#include <gtest/gtest.h>

namespace derin::cli {
namespace {

using Kind = OptimizerFlags::Kind;

TEST(OptimizerFlags, SayNothingWhereNoneWasGiven) {
  EXPECT_EQ(OptimizerOf({}), std::nullopt);
  EXPECT_EQ(MistakeOf({}), "");
}

TEST(OptimizerFlags, AreTheFieldsOfTheirOptimizer) {
  EXPECT_EQ(OptimizerOf({.kind = Kind::kSgd}), client::Optimizer(client::Sgd{}));
  EXPECT_EQ(OptimizerOf({.momentum = 0.9}), client::Optimizer(client::Sgd{.momentum = 0.9}));
  EXPECT_EQ(OptimizerOf({.kind = Kind::kAdam}), client::Optimizer(client::Adam{}));
  EXPECT_EQ(OptimizerOf({.weight_decay = 0.1}),
            client::Optimizer(client::AdamW{.weight_decay = 0.1}));
}

TEST(OptimizerFlags, OfAnotherOptimizerAreAMistake) {
  EXPECT_EQ(MistakeOf({.kind = Kind::kSgd, .momentum = 0.9}), "");
  EXPECT_EQ(MistakeOf({.kind = Kind::kAdamW, .weight_decay = 0.1}), "");
  EXPECT_EQ(MistakeOf({.kind = Kind::kAdam, .momentum = 0.9}), "--momentum wants --optimizer sgd");
  EXPECT_EQ(MistakeOf({.kind = Kind::kSgd, .weight_decay = 0.1}),
            "--weight-decay wants --optimizer adamw");
}

}  // namespace
}  // namespace derin::cli
