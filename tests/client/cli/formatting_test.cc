#include "client/cli/formatting.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace derin::cli {
namespace {

TEST(Formatting, ShortNumbersHaveThreeDigitsAndALetter) {
  EXPECT_EQ(ShortNumber(0), "0.0");
  EXPECT_EQ(ShortNumber(7.25), "7.2");
  EXPECT_EQ(ShortNumber(9.94), "9.9");
  EXPECT_EQ(ShortNumber(9.96), "10");
  EXPECT_EQ(ShortNumber(987.4), "987");
  EXPECT_EQ(ShortNumber(999.4), "999");
  EXPECT_EQ(ShortNumber(999.6), "1.0k");
  EXPECT_EQ(ShortNumber(12345), "12.3k");
  EXPECT_EQ(ShortNumber(123456), "123k");
  EXPECT_EQ(ShortNumber(999600), "1.0M");
  EXPECT_EQ(ShortNumber(4.56e6), "4.6M");
  EXPECT_EQ(ShortNumber(2e15), "2000T");
  EXPECT_EQ(ShortNumber(std::nan("")), "-");
  EXPECT_EQ(ShortNumber(std::numeric_limits<double>::infinity()), "-");
}

TEST(Formatting, WholeNumbersAreGrouped) {
  EXPECT_EQ(WholeNumber(0), "0");
  EXPECT_EQ(WholeNumber(999), "999");
  EXPECT_EQ(WholeNumber(1000), "1,000");
  EXPECT_EQ(WholeNumber(173428), "173,428");
  EXPECT_EQ(WholeNumber(1234567), "1,234,567");
  EXPECT_EQ(WholeNumber(-123), "-123");
  EXPECT_EQ(WholeNumber(-1234), "-1,234");
  EXPECT_EQ(WholeNumber(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Formatting, BytesHaveTheLargestUnitThatFits) {
  EXPECT_EQ(Bytes(0), "0 B");
  EXPECT_EQ(Bytes(1023), "1023 B");
  EXPECT_EQ(Bytes(1024), "1.0 KiB");
  EXPECT_EQ(Bytes(177540), "173.4 KiB");
  EXPECT_EQ(Bytes(1048575), "1.0 MiB");
  EXPECT_EQ(Bytes(int64_t{3} << 30), "3.0 GiB");
}

TEST(Formatting, PerplexitiesHaveTwoDecimalsUntilTheyAreLarge) {
  EXPECT_EQ(Perplexity(1.0432), "1.04");
  EXPECT_EQ(Perplexity(28), "28.00");
  EXPECT_EQ(Perplexity(999.99), "999.99");
  EXPECT_EQ(Perplexity(999.999), "1.0k");
  EXPECT_EQ(Perplexity(1.5e6), "1.5M");
  EXPECT_EQ(Perplexity(std::nullopt), "-");
  EXPECT_EQ(Perplexity(std::numeric_limits<double>::infinity()), "-");
}

TEST(Formatting, ShortestDropsNothingButZeros) {
  EXPECT_EQ(Shortest(2), "2");
  EXPECT_EQ(Shortest(0.001), "0.001");
  EXPECT_EQ(Shortest(1e-8), "1e-08");
  EXPECT_EQ(Shortest(0.1 + 0.2), "0.3");
}

TEST(Formatting, DurationsHaveTwoUnitsAtMost) {
  EXPECT_EQ(ShortDuration(absl::ZeroDuration()), "0s");
  EXPECT_EQ(ShortDuration(-absl::Seconds(5)), "0s");
  EXPECT_EQ(ShortDuration(absl::Microseconds(440)), "0.4ms");
  EXPECT_EQ(ShortDuration(absl::Microseconds(9960)), "10ms");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(420)), "420ms");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(999.7)), "1.0s");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(3240)), "3.2s");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(9960)), "10s");
  EXPECT_EQ(ShortDuration(absl::Seconds(45)), "45s");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(59600)), "1m00s");
  EXPECT_EQ(ShortDuration(absl::Seconds(92)), "1m32s");
  EXPECT_EQ(ShortDuration(absl::Minutes(185)), "3h05m");
  EXPECT_EQ(ShortDuration(absl::Hours(52)), "2d04h");
  EXPECT_EQ(ShortDuration(absl::InfiniteDuration()), "-");
}

TEST(Formatting, ATextOfOneLineSteersNoTerminal) {
  EXPECT_EQ(OneLine("a b é\n\tc"), "a b é↵?c");
  EXPECT_EQ(OneLine("\x1b[31m\x7f\xc2\x9b"
                    "x"),
            "?[31m??x");
}

TEST(Formatting, TimesAreLocal) {
  const absl::Time time = absl::FromUnixSeconds(1714565000);
  EXPECT_EQ(LocalTime(time, absl::UTCTimeZone()), "2024-05-01 12:03:20");
  EXPECT_EQ(LocalTime(time, absl::FixedTimeZone(3 * 3600)), "2024-05-01 15:03:20");
  EXPECT_EQ(LocalTime(std::nullopt, absl::UTCTimeZone()), "-");
}

}  // namespace
}  // namespace derin::cli
