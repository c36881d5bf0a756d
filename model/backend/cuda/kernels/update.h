#pragma once

#include <cstdint>

#include "model/host_device.h"
#include "model/optimizer/optimizer.h"

namespace derin::cuda {

// Counts the step, and works out once what is the same for all elements.
struct PrepareUpdate {
  static constexpr const char* kName = "PrepareUpdate";
  OptimizerConfig config;
  const double* learning_rate;
  const double* squared_norm;
  int64_t* step;
  UpdateFactors<float>* factors;

  DERIN_HOST_DEVICE int64_t items() const { return 1; }
  DERIN_HOST_DEVICE void operator()(int64_t) const {
    *factors = MakeUpdateFactors<float>(config, *learning_rate, *squared_norm, ++*step);
  }
};

struct UpdateBySgd {
  static constexpr const char* kName = "UpdateBySgd";
  float* weights;          // [count]
  const float* gradients;  // [count]
  const UpdateFactors<float>* factors;
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return count; }
  DERIN_HOST_DEVICE void operator()(int64_t i) const {
    weights[i] = SgdUpdate(weights[i], gradients[i], *factors);
  }
};

struct UpdateByAdam {
  static constexpr const char* kName = "UpdateByAdam";
  float* weights;          // [count]
  const float* gradients;  // [count]
  float* moment1;          // [count]
  float* moment2;          // [count]
  const UpdateFactors<float>* factors;
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return count; }
  DERIN_HOST_DEVICE void operator()(int64_t i) const {
    weights[i] = AdamUpdate(weights[i], gradients[i], moment1[i], moment2[i], *factors);
  }
};

}  // namespace derin::cuda
