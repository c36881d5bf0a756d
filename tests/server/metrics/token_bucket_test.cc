#include "server/metrics/token_bucket.h"

#include <gtest/gtest.h>

namespace derin::server {
namespace {

TEST(TokenBucket, BeginsWithAMinutesTokens) {
  TokenBucket bucket(600, absl::Seconds(5));
  EXPECT_EQ(bucket.Delay(absl::Seconds(5)), absl::ZeroDuration());
  bucket.Take(599, absl::Seconds(5));
  EXPECT_EQ(bucket.Delay(absl::Seconds(5)), absl::ZeroDuration());
  bucket.Take(1, absl::Seconds(5));
  EXPECT_EQ(bucket.Delay(absl::Seconds(5)), absl::Milliseconds(100));
}

TEST(TokenBucket, WhatWasTakenTooMuchComesFirst) {
  TokenBucket bucket(60, absl::ZeroDuration());
  bucket.Take(69, absl::ZeroDuration());
  EXPECT_EQ(bucket.Delay(absl::ZeroDuration()), absl::Seconds(10));
  EXPECT_EQ(bucket.Delay(absl::Seconds(4)), absl::Seconds(6));
  EXPECT_EQ(bucket.Delay(absl::Seconds(10)), absl::ZeroDuration());
}

TEST(TokenBucket, HoldsNoMoreThanAMinutesTokens) {
  TokenBucket bucket(60, absl::ZeroDuration());
  bucket.Take(60, absl::Hours(1));
  EXPECT_EQ(bucket.Delay(absl::Hours(1)), absl::Seconds(1));
}

TEST(TokenBucket, AnotherRateCountsFromThenOn) {
  TokenBucket bucket(600, absl::ZeroDuration());
  bucket.SetRate(60, absl::ZeroDuration());
  EXPECT_EQ(bucket.per_period(), 60);
  bucket.Take(60, absl::ZeroDuration());
  EXPECT_EQ(bucket.Delay(absl::ZeroDuration()), absl::Seconds(1));
  bucket.SetRate(600, absl::ZeroDuration());
  EXPECT_EQ(bucket.Delay(absl::ZeroDuration()), absl::Milliseconds(100));
}

TEST(TokenBucket, APeriodMayBeAnyTime) {
  TokenBucket bucket(10, absl::ZeroDuration(), absl::Seconds(1));
  bucket.Take(10, absl::ZeroDuration());
  EXPECT_EQ(bucket.Delay(absl::ZeroDuration()), absl::Milliseconds(100));
  bucket.Take(10, absl::Hours(1));
  EXPECT_EQ(bucket.Delay(absl::Hours(1)), absl::Milliseconds(100));
}

TEST(TokenBucket, AClockThatWasReadEarlierBringsNothing) {
  TokenBucket bucket(60, absl::Seconds(10));
  bucket.Take(30, absl::Seconds(9));
  bucket.Take(30, absl::Seconds(10));
  EXPECT_EQ(bucket.Delay(absl::Seconds(10)), absl::Seconds(1));
}

TEST(TokenBucket, WithARateOfNothingThereIsNeverAny) {
  TokenBucket bucket(0, absl::ZeroDuration());
  EXPECT_EQ(bucket.Delay(absl::Hours(1)), absl::InfiniteDuration());
}

}  // namespace
}  // namespace derin::server
