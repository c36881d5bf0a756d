#include "server/logging/log_limit.h"

#include <gtest/gtest.h>

namespace derin::server {
namespace {

TEST(LogLimit, LetsSoManyThroughAndCountsTheRest) {
  absl::Duration now = absl::Seconds(5);
  LogLimit limit(10, [&now] { return now; });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limit.Admit(), 0) << i;
  for (int i = 0; i < 7; ++i) EXPECT_EQ(limit.Admit(), std::nullopt) << i;
  now += absl::Milliseconds(100);
  EXPECT_EQ(limit.Admit(), 7);
  EXPECT_EQ(limit.Admit(), std::nullopt);
  now += absl::Milliseconds(200);
  EXPECT_EQ(limit.Admit(), 1);
  EXPECT_EQ(limit.Admit(), 0);
  EXPECT_EQ(limit.Admit(), std::nullopt);
}

TEST(LogLimit, AQuietTimeSavesNoMoreThanASecond) {
  absl::Duration now = absl::ZeroDuration();
  LogLimit limit(3, [&now] { return now; });
  now += absl::Hours(10);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.Admit(), 0);
  EXPECT_EQ(limit.Admit(), std::nullopt);
}

TEST(LogLimit, AClockThatWasReadEarlierTakesNothingBack) {
  absl::Duration now = absl::Seconds(10);
  LogLimit limit(1, [&now] { return now; });
  EXPECT_EQ(limit.Admit(), 0);
  now = absl::Seconds(9);
  EXPECT_EQ(limit.Admit(), std::nullopt);
  now = absl::Seconds(11);
  EXPECT_EQ(limit.Admit(), 1);
}

}  // namespace
}  // namespace derin::server
