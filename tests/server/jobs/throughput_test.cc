#include "server/jobs/throughput.h"

#include <gtest/gtest.h>

namespace derin::server {
namespace {

TEST(Throughput, IsUnknownBeforeTwoTimes) {
  Throughput throughput;
  EXPECT_EQ(throughput.TokensPerSecond(), 0);
  EXPECT_FALSE(throughput.TimeLeft().has_value());
  throughput.Add(absl::Seconds(1), 0, 0);
  EXPECT_EQ(throughput.TokensPerSecond(), 0);
  throughput.Add(absl::Seconds(1), 10, 0.5);  // no time has passed
  EXPECT_EQ(throughput.TokensPerSecond(), 0);
}

TEST(Throughput, IsThatOfTheLastStepWhereStepsAreSlow) {
  Throughput throughput;
  throughput.Add(absl::Seconds(0), 0, 0);
  throughput.Add(absl::Seconds(10), 100, 0.1);
  throughput.Add(absl::Seconds(30), 500, 0.5);
  EXPECT_DOUBLE_EQ(throughput.TokensPerSecond(), 20);
  EXPECT_EQ(*throughput.TimeLeft(), absl::Seconds(25));
}

TEST(Throughput, ForgetsWhatWasBeforeTheWindow) {
  Throughput throughput;
  int64_t tokens = 0;
  absl::Duration now;
  for (int i = 0; i < 1000; ++i, now += absl::Milliseconds(10)) throughput.Add(now, ++tokens, 0);
  for (int i = 0; i < 1000; ++i, now += absl::Milliseconds(10)) {
    throughput.Add(now, tokens += 5, 0);
  }
  EXPECT_NEAR(throughput.TokensPerSecond(), 500, 5);
}

TEST(Throughput, KnowsNoTimeLeftOfAJobThatDoesNotMove) {
  Throughput throughput;
  throughput.Add(absl::Seconds(0), 0, 0.25);
  throughput.Add(absl::Seconds(1), 0, 0.25);
  EXPECT_FALSE(throughput.TimeLeft().has_value());
}

TEST(Throughput, HasNoTimeLeftAtTheEnd) {
  Throughput throughput;
  throughput.Add(absl::Seconds(0), 0, 0);
  throughput.Add(absl::Seconds(4), 8, 1);
  EXPECT_EQ(*throughput.TimeLeft(), absl::ZeroDuration());
}

}  // namespace
}  // namespace derin::server
