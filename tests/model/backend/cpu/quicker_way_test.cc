#include "model/backend/cpu/quicker_way.h"

#include "gtest/gtest.h"

namespace derin::cpu {
namespace {

// Tries both ways out, which take `first` and `second`.
void TryOut(QuickerWay& ways, int64_t size, absl::Duration first, absl::Duration second) {
  while (ways.Tries(size)) ways.Took(size, ways.Choose(size) == 0 ? first : second);
}

TEST(QuickerWay, TriesBothInTurnAndThenStaysWithTheQuicker) {
  for (const int quicker : {0, 1}) {
    QuickerWay ways(8);
    int chosen[2] = {};
    for (int i = 0; i < 2 * QuickerWay::kTries; ++i) {
      ASSERT_TRUE(ways.Tries(5));
      const int way = ways.Choose(5);
      EXPECT_EQ(way, i % 2);
      ++chosen[way];
      ways.Took(5, absl::Microseconds(way == quicker ? 10 : 11));
    }
    EXPECT_EQ(chosen[0], QuickerWay::kTries);
    EXPECT_EQ(chosen[1], QuickerWay::kTries);
    EXPECT_FALSE(ways.Tries(5));
    EXPECT_EQ(ways.Choose(5), quicker);
  }
}

TEST(QuickerWay, TheQuickestTryOfEachCounts) {
  QuickerWay ways(1);
  for (int i = 0; ways.Tries(1); ++i) {
    // The second is mostly slow, but was once the quickest of all.
    const int way = ways.Choose(1);
    ways.Took(1, absl::Microseconds(way == 0 ? 10 : i == 7 ? 9 : 500));
  }
  EXPECT_EQ(ways.Choose(1), 1);
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
