#include "model/training/learning_rate.h"

#include <cmath>
#include <numbers>
#include <string>

#include "absl/strings/str_format.h"

namespace derin {

std::string_view LearningRateScheduleName(LearningRateSchedule schedule) {
  return schedule == LearningRateSchedule::kCosine ? "cosine" : "constant";
}

absl::StatusOr<LearningRateSchedule> ParseLearningRateSchedule(std::string_view name) {
  for (auto schedule : {LearningRateSchedule::kConstant, LearningRateSchedule::kCosine}) {
    if (LearningRateScheduleName(schedule) == name) return schedule;
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("got schedule '%s', wanted constant or cosine", std::string(name)));
}

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
