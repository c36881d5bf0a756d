#pragma once

#include <cstdint>

#include "model/host_device.h"
#include "model/optimizer/optimizer.h"

namespace derin::cuda {

// What PrepareUpdate leaves to the others.
struct PreparedUpdate {
  UpdateFactors<float> factors;
  bool skipped;
};

// Counts the step, and works out once what is the same for all elements; with a loss scale, moves
// it on, and where the gradient overflowed skips the step.
struct PrepareUpdate {
  static constexpr const char* kName = "PrepareUpdate";
  OptimizerConfig config;
  const double* learning_rate;
  const double* squared_norm;
  int64_t* step;
  double* loss_scale;  // [2], or null
  PreparedUpdate* update;

  DERIN_HOST_DEVICE int64_t items() const { return 1; }
  DERIN_HOST_DEVICE void operator()(int64_t) const {
    update->skipped = loss_scale != nullptr && !AdvanceLossScale(*squared_norm, loss_scale);
    if (update->skipped) return;
    update->factors = MakeUpdateFactors<float>(config, *learning_rate, *squared_norm, ++*step);
  }
};

struct UpdateBySgd {
  static constexpr const char* kName = "UpdateBySgd";
  float* weights;          // [count]
  const float* gradients;  // [count]
  const PreparedUpdate* update;
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return count; }
  DERIN_HOST_DEVICE void operator()(int64_t i) const {
    if (update->skipped) return;
    weights[i] = SgdUpdate(weights[i], gradients[i], update->factors);
  }
};

struct UpdateByMomentum {
  static constexpr const char* kName = "UpdateByMomentum";
  float* weights;          // [count]
  const float* gradients;  // [count]
  float* moment1;          // [count]
  const PreparedUpdate* update;
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return count; }
  DERIN_HOST_DEVICE void operator()(int64_t i) const {
    if (update->skipped) return;
    weights[i] = MomentumUpdate(weights[i], gradients[i], moment1[i], update->factors);
  }
};

struct UpdateByAdam {
  static constexpr const char* kName = "UpdateByAdam";
  float* weights;          // [count]
  const float* gradients;  // [count]
  float* moment1;          // [count]
  float* moment2;          // [count]
  const PreparedUpdate* update;
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return count; }
  DERIN_HOST_DEVICE void operator()(int64_t i) const {
    if (update->skipped) return;
    weights[i] = AdamUpdate(weights[i], gradients[i], moment1[i], moment2[i], update->factors);
  }
};

}  // namespace derin::cuda
