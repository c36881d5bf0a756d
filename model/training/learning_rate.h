#pragma once

#include <cstdint>

namespace derin {

enum class LearningRateSchedule {
  kConstant,  // `peak` for ever
  kCosine,    // from `peak` to `final_share` * `peak` along half a cosine that ends with the last
              // step
};

struct LearningRateConfig {
  double peak = 2;
  LearningRateSchedule schedule = LearningRateSchedule::kConstant;
  int64_t warmup_steps = 0;  // rising linearly, so that step warmup_steps - 1 is the first at
                             // `peak`; at most all steps
  double final_share = 0;    // kCosine only, in [0, 1]
};

// The rate of optimiser step `step`, counting from 0, of `steps`.
// Source of the cosine: Loshchilov and Hutter, "SGDR", 2017, without restarts.
double LearningRate(const LearningRateConfig& config, int64_t step, int64_t steps);

}  // namespace derin
