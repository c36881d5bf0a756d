#include "server/generation/logit_adjustments.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace derin {

// So that a failure shows what was got.
bool operator==(const LogitAdjustment& a, const LogitAdjustment& b) {
  return a.token == b.token && a.count == b.count && a.bias == b.bias;
}
void PrintTo(const LogitAdjustment& one, std::ostream* out) {
  *out << one.token << ": " << one.count << " times, bias " << one.bias;
}

namespace server {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;
using Adjustment = LogitAdjustment;

RecentTokens Recent(std::initializer_list<int32_t> tokens) {
  RecentTokens recent;
  for (const int32_t token : tokens) recent.Push(token);
  return recent;
}

TEST(LogitAdjustments, NameWhatTheRulesName) {
  LogitAdjustments adjustments({.bias = {{4, 2.0f}}, .banned = {1, 6}}, 10);
  EXPECT_FALSE(adjustments.only_adjusted());
  EXPECT_THAT(adjustments.Next(Recent({1, 2, 3}), 4),
              UnorderedElementsAre(Adjustment{4, 0, 2.0f}, Adjustment{1, 0, kBanned},
                                   Adjustment{6, 0, kBanned}));
}

TEST(LogitAdjustments, CountTheTokensOfTheWindowTheLastIncluded) {
  LogitAdjustments adjustments({.penalty_window = 4}, 10);
  EXPECT_THAT(adjustments.Next(Recent({7, 2, 3, 2}), 2),
              UnorderedElementsAre(Adjustment{2, 3}, Adjustment{3, 1}));
  EXPECT_THAT(adjustments.Next(Recent({7}), 8),
              UnorderedElementsAre(Adjustment{8, 1}, Adjustment{7, 1}));
}

TEST(LogitAdjustments, CountFromNothingAtEachDraw) {
  LogitAdjustments adjustments({.bias = {{5, 1.0f}}, .penalty_window = 256}, 10);
  EXPECT_THAT(adjustments.Next(Recent({5, 5}), 1),
              ElementsAre(Adjustment{5, 2, 1.0f}, Adjustment{1, 1}));
  EXPECT_THAT(adjustments.Next(Recent({2}), 2),
              ElementsAre(Adjustment{5, 0, 1.0f}, Adjustment{2, 2}));
}

TEST(LogitAdjustments, RecentTokensAreNotAllowedForBeingRecent) {
  LogitAdjustments adjustments({.allowed = {1, 2}, .penalty_window = 10}, 10);
  EXPECT_TRUE(adjustments.only_adjusted());
  EXPECT_THAT(adjustments.Next(Recent({3, 2, 4}), 5),
              ElementsAre(Adjustment{1, 0}, Adjustment{2, 1}));
}

TEST(LogitAdjustments, ATokenNamedTwiceHasOneAdjustment) {
  LogitAdjustments adjustments({.bias = {{3, 1.0f}}, .allowed = {3, 3}}, 10);
  EXPECT_THAT(adjustments.Next(Recent({}), 3), ElementsAre(Adjustment{3, 0, 1.0f}));
}

}  // namespace
}  // namespace server
}  // namespace derin
