#include "model/text/held_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace derin {
namespace {

using ::testing::ElementsAre;

// In order, apart, and within so many tokens.
void ExpectApart(const std::vector<TokenRange>& ranges, int64_t tokens) {
  int64_t end = -1;
  for (const TokenRange& range : ranges) {
    EXPECT_GT(range.begin, end);
    EXPECT_GT(range.end, range.begin);
    end = range.end;
  }
  EXPECT_LE(end, tokens);
}

TEST(HeldOutEnd, IsTheShareAndAtLeastTwoTokens) {
  EXPECT_THAT(HeldOutEnd(1000, 0.2), ElementsAre(TokenRange{800, 1000}));
  EXPECT_THAT(HeldOutEnd(1000, 1e-9), ElementsAre(TokenRange{998, 1000}));
}

TEST(HeldOutBlocks, AreAsManyAsComeNearestToTheShare) {
  for (const uint64_t seed : {1, 2, 3, 4, 5}) {
    const auto blocks = HeldOutBlocks(10'050, 0.25, 100, seed);
    ExpectApart(blocks, 10'050);
    for (const TokenRange& range : blocks) {
      EXPECT_EQ(range.begin % 100, 0);
      EXPECT_TRUE(range.end % 100 == 0 || range.end == 10'050);
    }
    // 25 of 101 blocks, the last of which is a short one.
    const bool has_last = blocks.back().end == 10'050;
    EXPECT_EQ(CountOf(blocks), has_last ? 2450 : 2500);
    EXPECT_EQ(HeldOutBlocks(10'050, 0.25, 100, seed), blocks);
  }
  EXPECT_NE(HeldOutBlocks(10'050, 0.25, 100, 1), HeldOutBlocks(10'050, 0.25, 100, 2));
}

TEST(HeldOutBlocks, AreDrawnFromAllOfTheText) {
  std::set<int64_t> begins;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    for (const TokenRange& range : HeldOutBlocks(1000, 0.1, 100, seed)) begins.insert(range.begin);
  }
  EXPECT_EQ(begins.size(), 10u);
}

TEST(HeldOutBlocks, LeaveAndTakeSomethingHoweverSmallTheShare) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_GE(CountOf(HeldOutBlocks(101, 1e-9, 100, seed)), 2);
    EXPECT_LE(CountOf(HeldOutBlocks(101, 0.5, 100, seed)), 100);
  }
}

TEST(HeldOutDocuments, AreThoseThatTheShareHasRoomFor) {
  const std::vector<int64_t> sizes = {50, 10, 300, 10, 40, 90, 500};
  std::set<int64_t> counts;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto ranges = HeldOutDocuments(sizes, 0.1, seed);
    ExpectApart(ranges, 1000);
    counts.insert(CountOf(ranges));
    // Whole documents: each bound is one of a document.
    for (const TokenRange& range : ranges) {
      for (const int64_t bound : {range.begin, range.end}) {
        int64_t at = 0;
        bool found = bound == 0;
        for (const int64_t size : sizes) found |= (at += size) == bound;
        EXPECT_TRUE(found) << bound;
      }
    }
  }
  // The last of these orders: both of 10 and the one of 40, to which 50 is too much.
  EXPECT_EQ(*counts.rbegin(), 100);
  EXPECT_EQ(*counts.begin(), 60);
}

TEST(HeldOutDocuments, AreTheShortestWhereTheShareHasRoomForNone) {
  EXPECT_THAT(HeldOutDocuments({500, 200, 300}, 0.1, 7), ElementsAre(TokenRange{500, 700}));
}

}  // namespace
}  // namespace derin
