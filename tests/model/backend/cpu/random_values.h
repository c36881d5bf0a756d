#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"

namespace derin::cpu {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// `count` numbers, evenly spread over [lowest, highest).
inline std::vector<float> RandomFloats(size_t count, std::mt19937& random, float lowest = -1,
                                       float highest = 1) {
  std::vector<float> values(count);
  for (float& value : values) {
    value = lowest + (highest - lowest) * static_cast<float>(random() >> 8) * 0x1p-24f;
  }
  return values;
}

// One of [lowest, highest].
inline int RandomInteger(int lowest, int highest, std::mt19937& random) {
  return lowest + static_cast<int>(random() % static_cast<uint32_t>(highest - lowest + 1));
}

// Where two vectors differ in any bit, NaN and the sign of zero included.
MATCHER_P(HasTheBitsOf, wanted, "") {
  if (arg.size() != wanted.size()) {
    *result_listener << "has " << arg.size() << " elements, wanted " << wanted.size();
    return false;
  }
  for (size_t i = 0; i < arg.size(); ++i) {
    if (std::memcmp(&arg[i], &wanted[i], sizeof arg[i]) != 0) {
      *result_listener << "element " << i << " is " << arg[i] << ", wanted " << wanted[i];
      return false;
    }
  }
  return true;
}

}  // namespace derin::cpu
