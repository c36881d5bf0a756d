#include "model/text/partition_draw.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/sampling/philox.h"

namespace derin {
namespace {

TEST(PartitionDraw, IsOfItsSeedEpochAndNumber) {
  const auto wanted = [](uint32_t low, uint32_t high, uint32_t number, uint64_t seed) {
    return static_cast<int64_t>(
        IntegerBelow(Philox4x32({{low, high, number, 3}}, seed).word[0], 1000));
  };
  EXPECT_EQ(DrawBelow(9, 5, 2, 1000), wanted(5, 0, 2, 9));
  EXPECT_EQ(DrawBelow(9, int64_t{7} << 32, 0, 1000), wanted(0, 7, 0, 9));
  EXPECT_EQ(DrawBelow(9, -1, 1, 1000), wanted(0xffffffff, 0xffffffff, 1, 9));
}

TEST(PartitionDraw, ShufflesFromTheLastWithNumberedDraws) {
  std::vector<int64_t> values = {10, 11, 12, 13};
  std::vector<int64_t> wanted = values;
  std::swap(wanted[3], wanted[DrawBelow(9, 5, 1, 4)]);
  std::swap(wanted[2], wanted[DrawBelow(9, 5, 2, 3)]);
  std::swap(wanted[1], wanted[DrawBelow(9, 5, 3, 2)]);
  Shuffle(9, 5, 1, values);
  EXPECT_EQ(values, wanted);
  std::vector<int64_t> one = {4};
  Shuffle(9, 5, 1, one);
  EXPECT_EQ(one, (std::vector<int64_t>{4}));
}

}  // namespace
}  // namespace derin
