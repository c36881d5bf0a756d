#include "tests/benchmarks/load/arrivals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace derin {
namespace {

TEST(Arrivals, AreThoseOfTheirSeed) {
  Arrivals a(100, 7), same(100, 7), other(100, 8);
  const absl::Duration first = a.Next();
  EXPECT_EQ(first, same.Next());
  EXPECT_NE(first, other.Next());
}

// A Poisson process has in each second a count whose mean and variance are its rate.
TEST(Arrivals, ArePoisson) {
  constexpr int kSeconds = 2'000;
  Arrivals arrivals(50, 3);
  std::vector<double> counts(kSeconds);
  absl::Duration last;
  for (absl::Duration at = arrivals.Next(); at < absl::Seconds(kSeconds); at = arrivals.Next()) {
    ASSERT_GT(at, last);
    last = at;
    ++counts[absl::ToInt64Seconds(at)];
  }
  double mean = 0, variance = 0;
  for (const double count : counts) mean += count / kSeconds;
  for (const double count : counts) variance += (count - mean) * (count - mean) / kSeconds;
  // Four standard deviations of either.
  EXPECT_NEAR(mean, 50, 4 * std::sqrt(50.0 / kSeconds));
  EXPECT_NEAR(variance, 50, 4 * 50 * std::sqrt(2.0 / kSeconds));
}

}  // namespace
}  // namespace derin
