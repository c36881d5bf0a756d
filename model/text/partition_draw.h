#pragma once

#include <cstdint>
#include <vector>

namespace derin {

// Random numbers of how a text is cut: Philox with purpose 3, by seed, epoch and number of the
// draw.

// Draw `number` of an epoch: an integer below `bound`, which is at most 2^32 - 1.
int64_t DrawBelow(uint64_t seed, int64_t epoch, uint32_t number, int64_t bound);

// Shuffles `values` (Fisher-Yates from the last) with the draws `number`, `number` + 1, ... of an
// epoch.
void Shuffle(uint64_t seed, int64_t epoch, uint32_t number, std::vector<int64_t>& values);

}  // namespace derin
