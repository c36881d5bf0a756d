#pragma once

#include <cstdint>

#include "model/host_device.h"
#include "model/sampling/philox.h"

namespace derin {

// What one step of a training drops of one layer's output [T, B, H], on its way to the layer above,
// as PyTorch's nn.LSTM, nn.GRU and nn.RNN do: each element with the probability `share`; the others
// are scaled by 1 / (1 - share). What the layer's own next time step reads is whole.
struct DropoutDraw {
  double share = 0;  // in [0, 1)
  uint64_t seed = 0, step = 0;
  int layer = 0;  // whose output it is
};

// What the elements 4 * group ... 4 * group + 3 of it are multiplied by, the gradients on the way
// back too.
template <typename Real>
struct DropoutFactors {
  Real of[4];
};
template <typename Real>
DERIN_HOST_DEVICE inline DropoutFactors<Real> DropoutFactorsOf(const DropoutDraw& draw,
                                                               int64_t group) {
  const PhiloxBlock random = Philox4x32(
      RandomPurpose::kDropout, static_cast<uint32_t>(group), static_cast<uint32_t>(draw.step),
      static_cast<uint32_t>(draw.step >> 32) << 8 | static_cast<uint32_t>(draw.layer), draw.seed);
  const Real kept = static_cast<Real>(1 / (1 - draw.share));
  DropoutFactors<Real> factors;
  DERIN_UNROLLED
  for (int i = 0; i < 4; ++i) {
    const bool dropped = static_cast<double>(UnitUniform(random.word[i])) < draw.share;
    factors.of[i] = dropped ? Real{0} : kept;
  }
  return factors;
}

}  // namespace derin
