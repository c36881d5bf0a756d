#include "model/backend/cpu/quicker_way.h"

#include "gtest/gtest.h"

namespace derin::cpu {
namespace {

// Tries both ways out, which take `first` and `second`.
void TryOut(QuickerWay& ways, int64_t size, absl::Duration first, absl::Duration second) {
  while (ways.Tries(size)) ways.Took(size, ways.Choose(size) == 0 ? first : second);
}

TEST(QuickerWay, TriesRunsOfBothAndThenStaysWithTheQuicker) {
  for (const int quicker : {0, 1}) {
    QuickerWay ways(8);
    for (int i = 0; i < QuickerWay::kMatches * 2 * QuickerWay::kRun; ++i) {
      ASSERT_TRUE(ways.Tries(5));
      const int way = ways.Choose(5);
      EXPECT_EQ(way, i / QuickerWay::kRun % 2);
      ways.Took(5, absl::Microseconds(way == quicker ? 10 : 13));
    }
    EXPECT_FALSE(ways.Tries(5));
    EXPECT_EQ(ways.Choose(5), quicker);
  }
}

TEST(QuickerWay, TheSecondMustBeClearlyQuicker) {
  QuickerWay little(1), clearly(1);
  TryOut(little, 1, absl::Microseconds(100), absl::Microseconds(91));
  TryOut(clearly, 1, absl::Microseconds(100), absl::Microseconds(89));
  EXPECT_EQ(little.Choose(1), 0);
  EXPECT_EQ(clearly.Choose(1), 1);
}

TEST(QuickerWay, AllTriesCount) {
  QuickerWay ways(1);
  for (int i = 0; ways.Tries(1); ++i) {
    // The second is mostly the quicker, but now and then much slower.
    const bool slow = i % QuickerWay::kRun == 3;
    ways.Took(1, absl::Microseconds(ways.Choose(1) == 0 ? 10 : slow ? 100 : 5));
  }
  EXPECT_EQ(ways.Choose(1), 0);
}

TEST(QuickerWay, OnlyWorkOfOneSizeIsCompared) {
  QuickerWay ways(127);
  // More and more to do while the first way is being tried, as when streams begin.
  for (int64_t size = 64; size < 128; size += 8) {
    EXPECT_EQ(ways.Choose(size), 0);
    ways.Took(size, absl::Milliseconds(size));
  }
  // Nothing of that stands against the first.
  TryOut(ways, 64, absl::Microseconds(640), absl::Microseconds(650));
  EXPECT_EQ(ways.Choose(64), 0);
}

TEST(QuickerWay, ALittleMoreOrLessIsTheSameSize) {
  QuickerWay ways(127);
  for (int i = 0; ways.Tries(100); ++i) {
    ASSERT_LT(i, QuickerWay::kMatches * 2 * QuickerWay::kRun);
    const int64_t size = 98 + i % 5;
    ways.Took(size, absl::Microseconds(ways.Choose(size) == 0 ? 12 : 10));
  }
  EXPECT_EQ(ways.Choose(100), 1);
}

TEST(QuickerWay, WorkOfAnotherSizeIsTriedOnItsOwn) {
  QuickerWay ways(70);
  TryOut(ways, 7, absl::Microseconds(1), absl::Microseconds(2));
  TryOut(ways, 70, absl::Microseconds(2), absl::Microseconds(1));
  EXPECT_EQ(ways.Choose(4), 0);  // of the kind of 7
  EXPECT_EQ(ways.Choose(70), 1);
  EXPECT_TRUE(ways.Tries(8));
  EXPECT_TRUE(ways.Tries(3));
}

}  // namespace
}  // namespace derin::cpu
