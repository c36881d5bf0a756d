#pragma once

#include <cstdint>
#include <random>

#include "absl/time/time.h"

namespace derin {

// A Poisson process: the times between arrivals are independent and exponential. The same seed
// gives the same times everywhere.
class Arrivals {
 public:
  // `rate` a second.
  Arrivals(double rate, uint64_t seed) : rate_(rate), random_(seed) {}

  // When the next one is due, since the process began.
  absl::Duration Next();

 private:
  const double rate_;
  std::mt19937_64 random_;
  double seconds_ = 0;
};

}  // namespace derin
