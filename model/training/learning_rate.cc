#include "model/training/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace derin {

double LearningRate(const LearningRateConfig& config, int64_t step, int64_t steps) {
  if (step < config.warmup_steps) {
    return config.peak * static_cast<double>(step + 1) / static_cast<double>(config.warmup_steps);
  }
  if (config.schedule == LearningRateSchedule::kConstant) return config.peak;
  // 0 at the first step after the warm-up, 1 at the last step of all.
  const int64_t span = steps - 1 - config.warmup_steps;
  const double done =
      span <= 0 ? 1 : static_cast<double>(step - config.warmup_steps) / static_cast<double>(span);
  const double share = (1 + std::cos(std::numbers::pi * std::min(done, 1.0))) / 2;
  return config.peak * (config.final_share + (1 - config.final_share) * share);
}

}  // namespace derin
