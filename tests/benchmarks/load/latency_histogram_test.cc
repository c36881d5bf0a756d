#include "tests/benchmarks/load/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace derin {
namespace {

TEST(LatencyHistogram, HasNothingAtFirst) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.max(), absl::ZeroDuration());
  EXPECT_EQ(histogram.Quantile(0.5), absl::ZeroDuration());
}

TEST(LatencyHistogram, IsExactBelow256Nanoseconds) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 200; ++i) histogram.Record(absl::Nanoseconds(i));
  EXPECT_EQ(histogram.Quantile(0.5), absl::Nanoseconds(100));
  EXPECT_EQ(histogram.Quantile(0.99), absl::Nanoseconds(198));
  EXPECT_EQ(histogram.Quantile(1), absl::Nanoseconds(200));
}

TEST(LatencyHistogram, IsWithinOnePercentOfTheSortedDurations) {
  std::mt19937_64 random(5);
  std::vector<int64_t> all;
  LatencyHistogram histogram, other;
  for (int i = 0; i < 20'000; ++i) {
    // From 1 ns to 20 minutes, evenly in their logarithm.
    all.push_back(
        static_cast<int64_t>(std::exp2(static_cast<double>(random() >> 11) * 0x1p-53 * 40)));
    (i % 2 == 0 ? histogram : other).Record(absl::Nanoseconds(all.back()));
  }
  histogram.Add(other);
  std::sort(all.begin(), all.end());
  ASSERT_EQ(histogram.count(), 20'000);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const auto exact = static_cast<double>(all[std::lround(share * 20'000) - 1]);
    const double got = absl::ToDoubleNanoseconds(histogram.Quantile(share));
    EXPECT_GE(got, exact) << share;
    EXPECT_LE(got, exact * 1.008) << share;
  }
  EXPECT_EQ(histogram.max(), absl::Nanoseconds(all.back()));
  EXPECT_EQ(histogram.Quantile(1), absl::Nanoseconds(all.back()));
}

TEST(LatencyHistogram, TakesTheShortestAndTheLongest) {
  LatencyHistogram histogram;
  histogram.Record(absl::Nanoseconds(-5));
  histogram.Record(absl::Hours(24 * 365 * 200));
  EXPECT_EQ(histogram.Quantile(0.5), absl::ZeroDuration());
  EXPECT_EQ(histogram.Quantile(1), absl::Hours(24 * 365 * 200));
}

}  // namespace
}  // namespace derin
