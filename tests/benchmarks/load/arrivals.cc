#include "tests/benchmarks/load/arrivals.h"

#include <cmath>

namespace derin {

absl::Duration Arrivals::Next() {
  // In (0, 1]: the standard's distributions differ between libraries.
  const double uniform = static_cast<double>((random_() >> 11) + 1) * 0x1p-53;
  seconds_ -= std::log(uniform) / rate_;
  return absl::Seconds(seconds_);
}

}  // namespace derin
