#include "server/metrics/rate_meter.h"

#include <gtest/gtest.h>

namespace derin::server {
namespace {

struct RateMeterTest : testing::Test {
  absl::Duration now = absl::Hours(3);
  RateMeter meter{[this] { return now; }};

  // `count` at the end of every tenth of a second.
  void Run(absl::Duration duration, int64_t count) {
    for (const absl::Duration end = now + duration; now < end;) {
      now += absl::Milliseconds(100);
      meter.Add(count);
    }
  }
};

TEST_F(RateMeterTest, IsZeroWhileNothingHappens) {
  EXPECT_EQ(meter.PerSecond(), 0);
  now += absl::Hours(1);
  EXPECT_EQ(meter.PerSecond(), 0);
}

TEST_F(RateMeterTest, FindsASteadyRate) {
  Run(absl::Seconds(20), 100);
  now += absl::Milliseconds(99);
  EXPECT_NEAR(meter.PerSecond(), 1000, 25);
}

TEST_F(RateMeterTest, DividesByItsOwnAgeWhileThatIsShort) {
  Run(absl::Seconds(1), 100);
  EXPECT_NEAR(meter.PerSecond(), 1000, 1);
}

TEST_F(RateMeterTest, ForgetsWhatIsFiveSecondsAgo) {
  Run(absl::Seconds(10), 100);
  now += absl::Milliseconds(2500);
  EXPECT_NEAR(meter.PerSecond(), 500, 25);
  now += absl::Milliseconds(2600);
  EXPECT_EQ(meter.PerSecond(), 0);
}

TEST_F(RateMeterTest, CountsNoOldSlotTwice) {
  meter.Add(1000);
  now += absl::Seconds(5);  // the same place in the ring
  meter.Add(5);
  now += absl::Milliseconds(99);
  EXPECT_NEAR(meter.PerSecond(), 1, 0.05);
}

}  // namespace
}  // namespace derin::server
