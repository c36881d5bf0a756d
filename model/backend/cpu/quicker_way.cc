#include "model/backend/cpu/quicker_way.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace derin::cpu {
namespace {

int BitsOf(int64_t size) { return std::bit_width(static_cast<uint64_t>(size)); }

}  // namespace

QuickerWay::QuickerWay(int64_t most) : kinds_(BitsOf(most) + 1) {}

const QuickerWay::Kind& QuickerWay::KindOf(int64_t size) const { return kinds_[BitsOf(size)]; }

int QuickerWay::Choose(int64_t size) const {
  const Kind& kind = KindOf(size);
  if (kind.matches == kMatches) return kind.time[1] < kClearly * kind.time[0] ? 1 : 0;
  return kind.Compares(size) ? kind.tries / kRun : 0;
}

void QuickerWay::Took(int64_t size, absl::Duration duration) {
  Kind& kind = kinds_[BitsOf(size)];
  if (!kind.Compares(size)) {
    kind.size = size;
    kind.tries = 0;
    std::fill_n(kind.time_in_match, 2, absl::ZeroDuration());
  }
  kind.time_in_match[kind.tries / kRun] += duration / size;
  if (++kind.tries < 2 * kRun) return;
  for (int way = 0; way < 2; ++way) {
    kind.time[way] += std::exchange(kind.time_in_match[way], absl::ZeroDuration());
  }
  kind.tries = 0;
  ++kind.matches;
}

}  // namespace derin::cpu
