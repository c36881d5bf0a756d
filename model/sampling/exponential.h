#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "model/host_device.h"

namespace derin {

DERIN_HOST_DEVICE inline uint32_t BitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

DERIN_HOST_DEVICE inline float FloatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// e^x with a relative error below 1e-6; 0 below -87, where the result would soon be denormal, and
// infinity above 88.72283, where it is too large for a float. `x` is not NaN. Without branches and
// without a library's function, so that compilers vectorise it and every device returns the same
// bits. Source: e^x = 2^n 2^f with n the integer next to x log2(e); 2^f by its Taylor series, whose
// first term left out is below 6e-9 for |f| <= 1/2.
DERIN_HOST_DEVICE inline float Exp(float x) {
  constexpr float kLowest = -87, kHighest = 88.72283f;
  constexpr float kLog2EHigh = 1.44269502f, kLog2ELow = 1.925963033e-8f;
  constexpr float kRounder = 0x1.8p23f;  // numbers near it have no fraction, so adding it rounds

  const float rounded = std::fma(x, kLog2EHigh, kRounder);
  const float n = rounded - kRounder;
  const float f = std::fma(x, kLog2ELow, std::fma(x, kLog2EHigh, -n));

  float power = 1.525273380e-5f;  // ln(2)^k / k! for k = 7 ... 0
  power = std::fma(power, f, 1.540353039e-4f);
  power = std::fma(power, f, 1.333355815e-3f);
  power = std::fma(power, f, 9.618129108e-3f);
  power = std::fma(power, f, 5.550410866e-2f);
  power = std::fma(power, f, 2.402265070e-1f);
  power = std::fma(power, f, 6.931471806e-1f);
  power = std::fma(power, f, 1.0f);

  // Times 2^n, by adding n to the exponent: unlike a factor 2^n this also reaches 2^128 * 0.99.
  const uint32_t bits = BitsOf(power) + ((BitsOf(rounded) - BitsOf(kRounder)) << 23);
  // Outside of the range those bits mean nothing; masks, since compilers make branches of ?:.
  const uint32_t in_range = 0u - static_cast<uint32_t>((x >= kLowest) & (x <= kHighest));
  const uint32_t too_high = 0u - static_cast<uint32_t>(x > kHighest);
  return FloatOf((bits & in_range) | (BitsOf(HUGE_VALF) & too_high));
}

}  // namespace derin
