#pragma once

#include <array>
#include <cstdint>

#include "model/host_device.h"

namespace derin {

// The counter-based generator Philox4x32-10: the same numbers on every device, in any order, with
// no state to keep. Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011;
// constants of Random123.

// What a number is for: word 3 of the counter. The other words, by purpose:
enum class RandomPurpose : uint32_t {
  kSampling = 0,        // {position lo, position hi, stream}; word 0 of the result
  kDropout = 1,         // {element / 4, step lo, step hi << 8 | layer}; word element % 4
  kInitialization = 2,  // {element / 4 lo, hi, slice}; word element % 4
  kPartition = 3,       // {epoch lo, epoch hi, number of the draw}; word 0
};

struct PhiloxBlock {
  uint32_t word[4];
};

DERIN_HOST_DEVICE inline PhiloxBlock Philox4x32(PhiloxBlock counter, uint64_t key) {
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * counter.word[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<uint32_t>(product1 >> 32) ^ counter.word[1] ^ key0,
                static_cast<uint32_t>(product1),
                static_cast<uint32_t>(product0 >> 32) ^ counter.word[3] ^ key1,
                static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

DERIN_HOST_DEVICE inline PhiloxBlock Philox4x32(RandomPurpose purpose, uint32_t word0,
                                                uint32_t word1, uint32_t word2, uint64_t seed) {
  return Philox4x32(PhiloxBlock{{word0, word1, word2, static_cast<uint32_t>(purpose)}}, seed);
}

// In [0, 1), a multiple of 2^-24.
DERIN_HOST_DEVICE inline float UnitUniform(uint32_t random) {
  return static_cast<float>(random >> 8) * 0x1p-24f;
}

// An integer in [0, bound).
DERIN_HOST_DEVICE inline uint32_t IntegerBelow(uint32_t random, uint32_t bound) {
  return static_cast<uint32_t>((uint64_t{random} * bound) >> 32);
}

}  // namespace derin
