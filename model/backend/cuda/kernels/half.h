#pragma once

#include <cstdint>

#include "model/host_device.h"
#include "model/sampling/exponential.h"

namespace derin::cuda {

// The 16-bit numbers that products are made of, as their bits. Rounding is to nearest even, NaN
// stays NaN, and what is too large becomes infinite.

struct Bf16 {
  uint16_t bits;
};
struct F16 {  // IEEE 754 binary16
  uint16_t bits;
};

namespace internal {

inline constexpr uint32_t kInfinity = 0x7f800000;  // of f32, as its bits
inline constexpr uint32_t kRebias = (127 - 15) << 23;

DERIN_HOST_DEVICE inline uint16_t F16Bits(float value) {
  const uint32_t bits = BitsOf(value), magnitude = bits & 0x7fffffff;
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const auto with_sign = [&](uint32_t half) { return static_cast<uint16_t>(sign | half); };
  if (magnitude > kInfinity) return with_sign(0x7e00);
  if (magnitude >= 0x47800000) return with_sign(0x7c00);  // from 2^16 on
  // Below 2^-14 the unit is 2^-24, which is that of floats from 1/2 to 1.
  if (magnitude < 0x38800000) {
    return with_sign(BitsOf(FloatOf(magnitude) + 0.5f) - BitsOf(0.5f));
  }
  const uint32_t rebiased = magnitude - kRebias;
  return with_sign((rebiased + 0xfff + (rebiased >> 13 & 1)) >> 13);
}

DERIN_HOST_DEVICE inline uint16_t Bf16Bits(float value) {
  const uint32_t bits = BitsOf(value);
  if ((bits & 0x7fffffff) > kInfinity) return static_cast<uint16_t>((bits | 0x400000) >> 16);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace internal

// `value` as one of float, F16 and Bf16.
template <class Number>
DERIN_HOST_DEVICE inline Number RoundTo(float value);
template <>
DERIN_HOST_DEVICE inline float RoundTo<float>(float value) {
  return value;
}
template <>
DERIN_HOST_DEVICE inline F16 RoundTo<F16>(float value) {
  return {internal::F16Bits(value)};
}
template <>
DERIN_HOST_DEVICE inline Bf16 RoundTo<Bf16>(float value) {
  return {internal::Bf16Bits(value)};
}

// Exact.
DERIN_HOST_DEVICE inline float ToFloat(float value) { return value; }
DERIN_HOST_DEVICE inline float ToFloat(Bf16 value) { return FloatOf(uint32_t{value.bits} << 16); }
DERIN_HOST_DEVICE inline float ToFloat(F16 value) {
  const uint32_t sign = (value.bits & 0x8000u) << 16, magnitude = value.bits & 0x7fffu;
  if (magnitude < 0x400) {
    return FloatOf(sign | BitsOf(static_cast<float>(magnitude) * 0x1p-24f));
  }
  const uint32_t fraction = magnitude << 13;
  return FloatOf(
      sign | (magnitude < 0x7c00 ? fraction + internal::kRebias : fraction | internal::kInfinity));
}

// to[i] = from[i] times *scale, where there is one, rounded.
template <class Number>
struct Narrow {
  static constexpr const char* kName = "Narrow";
  const float* from;    // [count]
  Number* to;           // [count]
  const double* scale;  // a power of two, or null
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return count; }
  DERIN_HOST_DEVICE void operator()(int64_t i) const {
    to[i] = RoundTo<Number>(scale == nullptr ? from[i] : from[i] * static_cast<float>(*scale));
  }
};

// to[i] = from[i]
template <class Number>
struct Widen {
  static constexpr const char* kName = "Widen";
  const Number* from;  // [count]
  float* to;           // [count]
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return count; }
  DERIN_HOST_DEVICE void operator()(int64_t i) const { to[i] = ToFloat(from[i]); }
};

}  // namespace derin::cuda
