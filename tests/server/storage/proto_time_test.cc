#include "server/storage/proto_time.h"

#include <gtest/gtest.h>

namespace derin::server {
namespace {

TEST(ProtoTime, TimestampsCountSecondsAndNanosecondsSince1970) {
  const auto stamp = ToTimestamp(absl::FromUnixSeconds(5) + absl::Nanoseconds(7));
  EXPECT_EQ(stamp.seconds(), 5);
  EXPECT_EQ(stamp.nanos(), 7);
}

TEST(ProtoTime, NanosecondsBefore1970CountForwards) {
  const auto stamp = ToTimestamp(absl::FromUnixSeconds(-1) - absl::Nanoseconds(1));
  EXPECT_EQ(stamp.seconds(), -2);
  EXPECT_EQ(stamp.nanos(), 999'999'999);
}

TEST(ProtoTime, DurationsHaveOneSign) {
  const auto duration = ToProtoDuration(-absl::Milliseconds(1500));
  EXPECT_EQ(duration.seconds(), -1);
  EXPECT_EQ(duration.nanos(), -500'000'000);
}

TEST(ProtoTime, ReadsADuration) {
  for (const absl::Duration duration :
       {absl::ZeroDuration(), absl::Milliseconds(2), -absl::Milliseconds(1500), absl::Hours(24)}) {
    EXPECT_EQ(FromProtoDuration(ToProtoDuration(duration)), duration);
  }
}

TEST(ProtoTime, WhatDoesNotFitBecomesTheFarthestThatDoes) {
  EXPECT_EQ(ToTimestamp(absl::InfiniteFuture()).seconds(), 253'402'300'799);
  EXPECT_EQ(ToTimestamp(absl::InfinitePast()).seconds(), -62'135'596'800);
  EXPECT_EQ(ToProtoDuration(absl::InfiniteDuration()).seconds(), 315'576'000'000);
  EXPECT_EQ(ToProtoDuration(-absl::InfiniteDuration()).seconds(), -315'576'000'000);
  EXPECT_EQ(ToProtoDuration(absl::InfiniteDuration()).nanos(), 0);
}

}  // namespace
}  // namespace derin::server
