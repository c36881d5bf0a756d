#include "model/backend/cuda/kernels/dropout.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

using testing::Each;

constexpr double kShare = 0.5;
const int64_t kRandom[] = {7, 3};

float FactorOf(int64_t element) {
  return DropoutFactorsOf<float>({.share = kShare, .seed = 7, .step = 3, .layer = 2}, element / 4)
      .of[element % 4];
}

// Rows of 3 do not begin with a group of four.
TEST(Drop, MultipliesTheRowsItIsGivenAndNothingElse) {
  constexpr int64_t kHidden = 3, kRows = 9;
  std::vector<float> from(kRows * 5, 2.0f), to(kRows * 4, -1.0f);
  for (const auto& [first, last] : {std::pair{1, 4}, std::pair{4, 4}, std::pair{4, 8}}) {
    RunOnHost(Drop<float, float>{from.data(), to.data(), kRandom, kShare, 2, first, last, kHidden,
                                 /*from_columns=*/5, /*to_columns=*/4});
  }
  int dropped = 0;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t column = 0; column < 4; ++column) {
      const bool given = row >= 1 && row < 8 && column < kHidden;
      const float factor = FactorOf(row * kHidden + column);
      EXPECT_EQ(to[row * 4 + column], given ? 2 * factor : -1) << row << ", " << column;
      dropped += given && factor == 0;
    }
  }
  EXPECT_GT(dropped, 0);
  EXPECT_LT(dropped, 21);
}

TEST(Drop, IsACopyWithoutNumbersToDropBy) {
  const std::vector<float> from(12, 0.3f);
  std::vector<float> to(12);
  RunOnHost(Drop<float, float>{from.data(), to.data(), nullptr, kShare, 2, 0, 4, 3, 3, 3});
  EXPECT_THAT(to, Each(0.3f));
}

TEST(Drop, RoundsWhatIsKeptTo16Bits) {
  const std::vector<float> from(64, 0.3f);
  std::vector<Bf16> to(64);
  RunOnHost(Drop<float, Bf16>{from.data(), to.data(), kRandom, kShare, 2, 0, 8, 8, 8, 8});
  for (int64_t i = 0; i < 64; ++i) {
    EXPECT_EQ(to[i].bits, RoundTo<Bf16>(0.3f * FactorOf(i)).bits) << i;
  }
}

}  // namespace
}  // namespace derin::cuda
