#include "model/backend/cpu/quicker_way.h"

#include <algorithm>
#include <bit>

namespace derin::cpu {
namespace {

int BitsOf(int64_t size) { return std::bit_width(static_cast<uint64_t>(size)); }

}  // namespace

QuickerWay::QuickerWay(int64_t most) : kinds_(BitsOf(most) + 1) {}

const QuickerWay::Kind& QuickerWay::KindOf(int64_t size) const { return kinds_[BitsOf(size)]; }

int QuickerWay::Choose(int64_t size) const {
  const Kind& kind = KindOf(size);
  if (kind.tries < 2 * kTries) return kind.tries % 2;
  return kind.least[1] < kind.least[0] ? 1 : 0;
}

void QuickerWay::Took(int64_t size, absl::Duration duration) {
  Kind& kind = kinds_[BitsOf(size)];
  absl::Duration& least = kind.least[kind.tries % 2];
  least = std::min(least, duration);
  ++kind.tries;
}

}  // namespace derin::cpu
