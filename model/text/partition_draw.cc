#include "model/text/partition_draw.h"

#include <cstddef>
#include <utility>

#include "model/sampling/philox.h"

namespace derin {

int64_t DrawBelow(uint64_t seed, int64_t epoch, uint32_t number, int64_t bound) {
  const auto word = static_cast<uint64_t>(epoch);
  const PhiloxBlock random = Philox4x32(RandomPurpose::kPartition, static_cast<uint32_t>(word),
                                        static_cast<uint32_t>(word >> 32), number, seed);
  return IntegerBelow(random.word[0], static_cast<uint32_t>(bound));
}

void Shuffle(uint64_t seed, int64_t epoch, uint32_t number, std::vector<int64_t>& values) {
  for (std::size_t last = values.size() - 1; last > 0; --last) {
    const int64_t other = DrawBelow(seed, epoch, number++, static_cast<int64_t>(last) + 1);
    std::swap(values[last], values[static_cast<std::size_t>(other)]);
  }
}

}  // namespace derin
