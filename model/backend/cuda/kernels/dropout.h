#pragma once

#include <cstdint>

#include "model/backend/cuda/kernels/half.h"
#include "model/backend/dropout.h"
#include "model/host_device.h"

namespace derin::cuda {

// Rows of a layer's output, or of the gradient of it, times their factors: see DropoutDraw.
template <class From, class To>
struct Drop {
  static constexpr const char* kName = "Drop";
  const From* from;       // [T*B, from_columns], of which the first `hidden` matter
  To* to;                 // [T*B, to_columns], likewise; may be `from` where they are alike
  const int64_t* random;  // [2], the seed and the step; null: nothing is dropped
  double share;
  int layer;
  int64_t first_row, last_row;  // up to `last_row`, which is not among them
  int64_t hidden, from_columns, to_columns;

  DERIN_HOST_DEVICE int64_t FirstGroup() const { return first_row * hidden / 4; }
  DERIN_HOST_DEVICE int64_t items() const { return (last_row * hidden + 3) / 4 - FirstGroup(); }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t group = FirstGroup() + item;
    DropoutFactors<float> factors{{1, 1, 1, 1}};
    if (random != nullptr) {
      factors = DropoutFactorsOf<float>({.share = share,
                                         .seed = static_cast<uint64_t>(random[0]),
                                         .step = static_cast<uint64_t>(random[1]),
                                         .layer = layer},
                                        group);
    }
    for (int i = 0; i < 4; ++i) {
      const int64_t element = 4 * group + i, row = element / hidden, column = element % hidden;
      if (row < first_row || row >= last_row) continue;
      to[row * to_columns + column] =
          RoundTo<To>(ToFloat(from[row * from_columns + column]) * factors.of[i]);
    }
  }
};

}  // namespace derin::cuda
