#pragma once

#include <cmath>

#include "model/host_device.h"
#include "model/sampling/exponential.h"

namespace derin::cuda {

// exp, tanh and the logistic function one number at a time, by the operations of
// model/backend/cpu/activation-inl.h in their order: the same bits as there, and a relative error
// below 1e-6.

// A power of two as 2^n (1 + less_one), with n an integer.
struct PowerOfTwo {
  float whole;
  float less_one;
};

// 2^(x log2) for a logarithm in two parts; n must be from -126 to 127.
DERIN_HOST_DEVICE inline PowerOfTwo PowerOf(float x, float log2_high, float log2_low) {
  // Adding it rounds, since numbers near it have no fraction, and leaves n with a float's bias in
  // the lowest bits.
  constexpr float kRounder = 0x1.8p23f + 127;
  const float rounded = std::fma(x, log2_high, kRounder);
  const float n = rounded - kRounder;
  const float f = std::fma(x, log2_low, std::fma(x, log2_high, -n));

  float slope = 0.001333353866f;  // (2^f - 1) / f
  slope = std::fma(slope, f, 0.009666245595f);
  slope = std::fma(slope, f, 0.05550500214f);
  slope = std::fma(slope, f, 0.2402235134f);
  slope = std::fma(slope, f, 0.6931471435f);
  return {FloatOf(BitsOf(rounded) << 23), slope * f};
}

inline constexpr float kLog2EHigh = 1.44269502f, kLog2ELow = 1.925963033e-8f;

// NaN is not clamped away.
DERIN_HOST_DEVICE inline float ClampForExp(float x) { return x < -87 ? -87 : x > 87 ? 87 : x; }

// e^x; below -87 e^-87, above 87 e^87.
DERIN_HOST_DEVICE inline float ClampedExp(float x) {
  const PowerOfTwo power = PowerOf(ClampForExp(x), kLog2EHigh, kLog2ELow);
  return std::fma(power.whole, power.less_one, power.whole);
}

// 1 / (1 + e^-x)
DERIN_HOST_DEVICE inline float Sigmoid(float x) {
  const PowerOfTwo power = PowerOf(ClampForExp(x), -kLog2EHigh, -kLog2ELow);
  return 1 / std::fma(power.whole, power.less_one, power.whole + 1);
}

// e / (e + 2) with e = e^2|x| - 1, and x's sign. From 10 on it is 1.
DERIN_HOST_DEVICE inline float Tanh(float x) {
  const float magnitude = std::fabs(x) > 10 ? 10 : std::fabs(x);
  const PowerOfTwo power = PowerOf(magnitude, 2 * kLog2EHigh, 2 * kLog2ELow);
  const float e = std::fma(power.whole, power.less_one, power.whole - 1);
  return std::copysign(e / (e + 2), x);
}

// ln(x) of a normal x above 0, with a relative error below 1e-15 or an absolute one below 1e-16.
// Source: x = 2^n m with m in [sqrt(1/2), sqrt(2)), ln m = 2 artanh((m - 1) / (m + 1)), whose
// series is cut where its terms are below 1e-17.
DERIN_HOST_DEVICE inline double Log(double x) {
  constexpr double kLn2High = 0x1.62e42fefa38p-1;  // its last bits are zero, so n times it is exact
  constexpr double kLn2Low = 0x1.ef35793c7673p-45;
  int n;
  double m = std::frexp(x, &n);
  if (m < 0x1.6a09e667f3bcdp-1) {
    m *= 2;
    --n;
  }
  const double s = (m - 1) / (m + 1), z = s * s;
  double series = 1.0 / 23;
  for (int odd = 21; odd >= 3; odd -= 2) series = std::fma(series, z, 1.0 / odd);
  const double of_m = std::fma(2 * s * z, series, 2 * s);
  return std::fma(static_cast<double>(n), kLn2High,
                  std::fma(static_cast<double>(n), kLn2Low, of_m));
}

}  // namespace derin::cuda
