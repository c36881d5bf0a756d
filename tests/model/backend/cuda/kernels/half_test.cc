#include "model/backend/cuda/kernels/half.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class Number>
class Half : public testing::Test {};
using Numbers = testing::Types<F16, Bf16>;
TYPED_TEST_SUITE(Half, Numbers);

TYPED_TEST(Half, EachNumberGoesToFloatAndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const TypeParam number{static_cast<uint16_t>(bits)};
    const float wide = ToFloat(number);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(ToFloat(RoundTo<TypeParam>(wide)))) << bits;
    } else {
      ASSERT_EQ(RoundTo<TypeParam>(wide).bits, bits);
    }
  }
}

TYPED_TEST(Half, RoundsToTheNearestAndHalvesToEven) {
  for (uint32_t bits = 0; ToFloat(TypeParam{static_cast<uint16_t>(bits + 1)}) < kInfinity; ++bits) {
    const double low = ToFloat(TypeParam{static_cast<uint16_t>(bits)}),
                 high = ToFloat(TypeParam{static_cast<uint16_t>(bits + 1)});
    const auto half = static_cast<float>((low + high) / 2);
    if (half < 0x1p-126) continue;  // which floats need not hold
    for (const float sign : {1.0f, -1.0f}) {
      const auto rounded = [&](float value) {
        return RoundTo<TypeParam>(sign * value).bits & 0x7fffu;
      };
      ASSERT_EQ(rounded(half), bits % 2 == 0 ? bits : bits + 1);
      ASSERT_EQ(rounded(std::nextafter(half, kInfinity)), bits + 1);
      ASSERT_EQ(rounded(std::nextafter(half, 0.0f)), bits);
      ASSERT_EQ(std::signbit(ToFloat(RoundTo<TypeParam>(sign * half))), sign < 0);
    }
  }
}

TEST(HalfPrecision, IsInfiniteFromTheLargestNumberAndAHalfUnit) {
  EXPECT_EQ(ToFloat(RoundTo<F16>(65519.996f)), 65504);
  EXPECT_EQ(ToFloat(RoundTo<F16>(65520)), kInfinity);
  EXPECT_EQ(ToFloat(RoundTo<F16>(-1e30f)), -kInfinity);
  EXPECT_EQ(ToFloat(RoundTo<Bf16>(std::numeric_limits<float>::max())), kInfinity);
}

TEST(Narrow, MultipliesByItsScaleBeforeItRounds) {
  const std::vector<float> values = {0x1p-26f, 3, -65504};
  std::vector<F16> narrow(3);
  std::vector<float> wide(3);
  const double scale = 4;
  RunOnHost(Narrow<F16>{values.data(), narrow.data(), &scale, 3});
  RunOnHost(Widen<F16>{narrow.data(), wide.data(), 3});
  EXPECT_THAT(wide, ElementsAre(0x1p-24f, 12, -kInfinity));
  RunOnHost(Narrow<F16>{values.data(), narrow.data(), nullptr, 3});
  RunOnHost(Widen<F16>{narrow.data(), wide.data(), 3});
  EXPECT_THAT(wide, ElementsAre(0, 3, -65504));
}

}  // namespace
}  // namespace derin::cuda
