#pragma once

#include <cstdint>

#include "model/host_device.h"

namespace derin::cuda {

// states[i] = pool[slots[i]]
struct ReadSlots {
  static constexpr const char* kName = "ReadSlots";
  const float* pool;     // [slots, slot_elements]
  const int32_t* slots;  // [count]
  float* states;         // [count, slot_elements]
  int64_t count, slot_elements;

  DERIN_HOST_DEVICE int64_t items() const { return count * slot_elements; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    states[item] = pool[slots[item / slot_elements] * slot_elements + item % slot_elements];
  }
};

// pool[slots[i]] = states[i]
struct WriteSlots {
  static constexpr const char* kName = "WriteSlots";
  const float* states;   // [count, slot_elements]
  const int32_t* slots;  // [count]
  float* pool;           // [slots, slot_elements]
  int64_t count, slot_elements;

  DERIN_HOST_DEVICE int64_t items() const { return count * slot_elements; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    pool[slots[item / slot_elements] * slot_elements + item % slot_elements] = states[item];
  }
};

}  // namespace derin::cuda
