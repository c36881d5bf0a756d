#include "model/network/parameters.h"

#include <algorithm>
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace derin {
namespace {

using testing::ElementsAre;

const StackConfig kConfig{.cell = Cell::kLstm, .layers = 2, .hidden = 16, .vocabulary = 28};

TEST(ParameterLayout, PutsTheHeadAfterTheStack) {
  const ParameterLayout layout(kConfig);
  EXPECT_EQ(layout.head_weight().name, "head.weight");
  EXPECT_THAT(layout.head_weight().shape, ElementsAre(28, 16));
  EXPECT_EQ(layout.head_weight().offset, layout.stack_count());
  EXPECT_EQ(layout.head_bias().name, "head.bias");
  EXPECT_EQ(layout.head_bias().offset + 28, layout.count());
}

TEST(ParameterLayout, ATiedHeadIsTheEmbedding) {
  StackConfig config = kConfig;
  config.embedding = 16;
  const ParameterLayout own(config);
  EXPECT_EQ(own.head_weight().name, "head.weight");
  config.tied_head = true;
  const ParameterLayout tied(config);
  EXPECT_EQ(tied.head_weight().name, "embedding.weight");
  EXPECT_EQ(tied.head_weight().offset + 28 * 16, tied.stack_count());
  EXPECT_EQ(tied.head_bias().offset, tied.stack_count());
  EXPECT_EQ(tied.count(), own.count() - 28 * 16);
}

TEST(ParameterLayout, CountsTheSeedRecipesParameters) {
  const ParameterLayout layout({.layers = 2, .hidden = 256, .vocabulary = 28});
  const int64_t first = 1024 * (28 + 256 + 2), second = 1024 * (256 + 256 + 2);
  EXPECT_EQ(layout.count(), first + second + 28 * 256 + 28);
}

TEST(InitialParameters, AreUniformWithinOneOverTheRootOfHidden) {
  const Parameters parameters = InitialParameters(kConfig, 1);
  double sum = 0, squares = 0;
  for (const float value : parameters.values) {
    ASSERT_LT(std::abs(value), 0.25f + 1e-7f);
    sum += value;
    squares += value * value;
  }
  const double n = static_cast<double>(parameters.values.size());
  EXPECT_NEAR(sum / n, 0, 0.01);
  EXPECT_NEAR(squares / n, 0.25 * 0.25 / 3, 0.001);
}

TEST(InitialParameters, FollowFromTheSeedAlone) {
  EXPECT_EQ(InitialParameters(kConfig, 5).values, InitialParameters(kConfig, 5).values);
  EXPECT_NE(InitialParameters(kConfig, 5).values, InitialParameters(kConfig, 6).values);
}

TEST(InitialParameters, DifferFromTensorToTensor) {
  const Parameters parameters = InitialParameters(kConfig, 5);
  const auto& slices = parameters.layout.slices();
  const float* first = &parameters.values[slices[1].offset];
  const float* second = &parameters.values[slices[5].offset];
  EXPECT_FALSE(std::equal(first, first + slices[1].count, second));
}

TEST(ForgetBias, IsWhatTheForgetGatesBeginWithAndNothingElseChanges) {
  const StackConfig config{.layers = 2, .hidden = 3, .vocabulary = 5};
  const Parameters drawn = InitialParameters(config, 9);
  Parameters set = drawn;
  SetForgetBias(config, 1.5f, set);
  for (const Slice& slice : drawn.layout.slices()) {
    const bool input = slice.name.starts_with("rnn.bias_ih_l");
    const bool bias = input || slice.name.starts_with("rnn.bias_hh_l");
    for (int64_t i = 0; i < slice.count; ++i) {
      const bool forget = bias && i >= 3 && i < 6;
      const float before = drawn.values[slice.offset + i];
      const float forgets = input ? 1.5f : 0.0f;
      EXPECT_EQ(set.values[slice.offset + i], forget ? forgets : before) << slice.name << " " << i;
    }
  }
}

}  // namespace
}  // namespace derin
