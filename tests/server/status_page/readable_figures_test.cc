#include "server/status_page/readable_figures.h"

#include <gtest/gtest.h>

#include <limits>

namespace derin::server {
namespace {

TEST(ReadableFigures, CountsHaveTheirThousandsApart) {
  EXPECT_EQ(ReadableCount(0), "0");
  EXPECT_EQ(ReadableCount(999), "999");
  EXPECT_EQ(ReadableCount(1000), "1,000");
  EXPECT_EQ(ReadableCount(-1234567), "-1,234,567");
}

TEST(ReadableFigures, RatesAreAsExactAsTheyMatter) {
  EXPECT_EQ(ReadableRate(0), "0");
  EXPECT_EQ(ReadableRate(8.44), "8.4");
  EXPECT_EQ(ReadableRate(99.97), "100");
  EXPECT_EQ(ReadableRate(28358.2), "28,358");
}

TEST(ReadableFigures, BytesAreInTheUnitThatFits) {
  EXPECT_EQ(ReadableBytes(0), "0 B");
  EXPECT_EQ(ReadableBytes(1023), "1023 B");
  EXPECT_EQ(ReadableBytes(1024), "1.0 KiB");
  EXPECT_EQ(ReadableBytes((int64_t{1} << 30) - 1), "1.0 GiB");
  EXPECT_EQ(ReadableBytes(int64_t{3} << 39), "1.5 TiB");
}

TEST(ReadableFigures, SpansAreInTheirTwoLargestUnits) {
  EXPECT_EQ(ReadableSpan(absl::Milliseconds(-20)), "0 s");
  EXPECT_EQ(ReadableSpan(absl::Seconds(59.9)), "59 s");
  EXPECT_EQ(ReadableSpan(absl::Seconds(75)), "1 min 15 s");
  EXPECT_EQ(ReadableSpan(absl::Minutes(125)), "2 h 5 min");
  EXPECT_EQ(ReadableSpan(absl::Hours(49)), "2 d 1 h");
  EXPECT_NE(ReadableSpan(absl::InfiniteDuration()), "");
}

TEST(ReadableFigures, PerplexitiesHaveFourDigits) {
  EXPECT_EQ(ReadablePerplexity(1.08449), "1.084");
  EXPECT_EQ(ReadablePerplexity(27.949), "27.95");
  EXPECT_EQ(ReadablePerplexity(12345.6), "12346");
  EXPECT_EQ(ReadablePerplexity(1.2e9), "1.2e+09");
  EXPECT_EQ(ReadablePerplexity(std::numeric_limits<double>::infinity()), "∞");
}

}  // namespace
}  // namespace derin::server
