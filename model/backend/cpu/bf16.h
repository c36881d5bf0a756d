#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace derin::cpu {

// The upper half of a float, rounded to nearest even; NaN stays NaN.
inline uint16_t RoundToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1);
  return static_cast<uint16_t>((std::isnan(value) ? bits | 0x400000 : rounded) >> 16);
}

// A word of two neighbours along k.
inline uint32_t Bf16Pair(float even, float odd) {
  return RoundToBf16(even) | uint32_t{RoundToBf16(odd)} << 16;
}

}  // namespace derin::cpu
