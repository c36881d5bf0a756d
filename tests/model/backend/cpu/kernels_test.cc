#include "model/backend/cpu/kernels.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/model/backend/cpu/kernels_test.h"
#include "tests/model/backend/cpu/random_values.h"

namespace derin::cpu {
namespace {

TEST_P(KernelsTest, LogitsAreRightHaveTheBitsOfAvx2AndAreWrittenNowhereElse) {
  std::mt19937 random(5);
  for (const int hidden : {1, 3, 8, 15, 16, 17, 31, 33, 100}) {
    for (const int rows : {1, 2, 3, 4, 5, 9}) {
      for (const int vocabulary : {1, 2, 3, 4, 5, 28, 61}) {
        SCOPED_TRACE(testing::Message() << rows << " x " << hidden << ", V " << vocabulary);
        const std::vector<float> top = RandomFloats(rows * hidden, random),
                                 weight = RandomFloats(vocabulary * hidden, random),
                                 bias = RandomFloats(vocabulary, random);
        const int stride = vocabulary + 3;
        const auto run = [&](const Kernels& kernels) {
          std::vector<float> logits(rows * stride, kNan);
          kernels.logits({.top = top.data(),
                          .weight = weight.data(),
                          .bias = bias.data(),
                          .logits = logits.data(),
                          .logits_row = stride,
                          .rows = rows,
                          .hidden = hidden,
                          .vocabulary = vocabulary});
          return logits;
        };
        const std::vector<float> logits = run(kernels_);
        for (int r = 0; r < rows; ++r) {
          for (int v = 0; v < stride; ++v) {
            if (v >= vocabulary) {
              ASSERT_TRUE(std::isnan(logits[r * stride + v]));
              continue;
            }
            double sum = bias[v];
            for (int k = 0; k < hidden; ++k) {
              sum += double{top[r * hidden + k]} * double{weight[v * hidden + k]};
            }
            ASSERT_NEAR(logits[r * stride + v], sum, 1e-5);
          }
        }
        ASSERT_THAT(logits, HasTheBitsOf(run(avx2_)));
      }
    }
  }
}

TEST_P(KernelsTest, ExponentialsAreThoseOfTheDistancesFromTheHighest) {
  std::mt19937 random(6);
  for (const int count : {1, 2, 7, 8, 15, 16, 17, 28, 1000, 1023, 1024, 1025, 2048, 5003}) {
    SCOPED_TRACE(count);
    std::vector<float> logits = RandomFloats(count, random, -30, 30), of_avx2 = logits;
    logits.push_back(kNan);
    of_avx2.push_back(kNan);
    const std::vector<float> before = logits;
    const SoftmaxSum got = kernels_.exponentials(logits.data(), count);
    const float highest = *std::max_element(before.begin(), before.end() - 1);
    EXPECT_EQ(got.highest, highest);
    double sum = 0;
    for (int i = 0; i < count; ++i) {
      const double wanted = std::exp(double{before[i]} - double{highest});
      ASSERT_NEAR(logits[i] / wanted, 1, 1e-5) << i;
      sum += wanted;
    }
    EXPECT_NEAR(got.sum / sum, 1, 1e-6);
    EXPECT_TRUE(std::isnan(logits[count]));

    const SoftmaxSum wanted = avx2_.exponentials(of_avx2.data(), count);
    EXPECT_THAT(logits, HasTheBitsOf(of_avx2));
    EXPECT_EQ(got.highest, wanted.highest);
    EXPECT_EQ(got.sum, wanted.sum);
  }
}

TEST_P(KernelsTest, ExponentialsOfLogitsWithNanSumToNan) {
  for (const int at : {0, 5, 17, 30}) {
    std::vector<float> logits(31, 1);
    logits[at] = kNan;
    EXPECT_TRUE(std::isnan(kernels_.exponentials(logits.data(), 31).sum)) << at;
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, KernelsTest,
                         testing::ValuesIn(SupportedInstructionSets()), InstructionSetOf);

}  // namespace
}  // namespace derin::cpu
