#include "model/sampling/exponential.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>

namespace derin {
namespace {

double RelativeError(float x) {
  const double exact = std::exp(static_cast<double>(x));
  return std::fabs(Exp(x) - exact) / exact;
}

// Every 1,009th float (a prime) of each sign, and the ends.
TEST(Exp, IsWithinOneMillionthOverTheWholeRange) {
  double worst = std::max(RelativeError(-87.0f), RelativeError(88.72283f));
  for (uint32_t bits = 0; bits <= BitsOf(87.0f); bits += 1009) {
    worst = std::max(worst, RelativeError(-FloatOf(bits)));
  }
  for (uint32_t bits = 0; bits <= BitsOf(88.72283f); bits += 1009) {
    worst = std::max(worst, RelativeError(FloatOf(bits)));
  }
  EXPECT_LT(worst, 1e-6);
}

TEST(Exp, OfZeroIsExactlyOne) {
  EXPECT_EQ(Exp(0.0f), 1.0f);
  EXPECT_EQ(Exp(-0.0f), 1.0f);
}

TEST(Exp, IsZeroBelowItsRangeAndNeverDenormal) {
  EXPECT_GE(Exp(-87.0f), FLT_MIN);
  EXPECT_EQ(Exp(std::nextafter(-87.0f, -100.0f)), 0.0f);
  EXPECT_EQ(Exp(-FLT_MAX), 0.0f);
  EXPECT_EQ(Exp(-HUGE_VALF), 0.0f);
}

TEST(Exp, IsInfiniteOnlyWhereAFloatCannotHoldIt) {
  EXPECT_LE(Exp(88.72283f), FLT_MAX);
  EXPECT_EQ(Exp(std::nextafter(88.72283f, 100.0f)), HUGE_VALF);
  EXPECT_EQ(Exp(HUGE_VALF), HUGE_VALF);
}

}  // namespace
}  // namespace derin
