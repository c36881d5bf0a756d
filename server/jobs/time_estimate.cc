#include "server/jobs/time_estimate.h"

#include <algorithm>
#include <vector>

#include "model/network/parameters.h"

namespace derin::server {
namespace {

constexpr absl::Duration kMeasured = absl::Milliseconds(250);
constexpr int64_t kMostSteps = 20;
// Of a step, for as many tokens: validation goes forward only, and a step about twice as far back.
constexpr double kValidationShare = 1.0 / 3;

// Multiplications and additions of a step that any processor makes within a second. A step of more
// is not tried out whole: whoever asks waits for it, and so does the device.
constexpr double kMostWork = 1e10;

// Forward, and twice as much back.
double WorkOf(const TrainingConfig& config, int64_t parameter_count) {
  return 6.0 * static_cast<double>(parameter_count) * config.batch * config.steps;
}

// A training of the same shape, or of shorter steps and a smaller batch where `smaller`, that never
// ends, on the least text that has some minibatches.
TrainingConfig TryoutOf(const TrainingPlan& plan, bool smaller) {
  TrainingConfig tryout = plan.config;
  const auto too_much = [&] { return WorkOf(tryout, plan.parameter_count) > kMostWork; };
  while (smaller && too_much() && tryout.steps > 4) tryout.steps /= 2;
  while (smaller && too_much() && tryout.batch > 4) tryout.batch /= 2;
  tryout.parts.clear();
  tryout.early_ends = {};
  tryout.held_out_tokens = 0;
  tryout.validation_interval = 0;
  tryout.epochs = 1'000'000;
  return tryout;
}

}  // namespace

absl::StatusOr<absl::Duration> EstimateTrainingTime(const TrainingPlan& plan, Backend& backend,
                                                    const MonotonicClock& clock) {
  constexpr int64_t kMinibatches = 8;
  const TrainingConfig config = TryoutOf(plan, backend.capabilities().synchronous);
  const std::vector<int32_t> tokens(
      static_cast<size_t>((kMinibatches * config.batch + 1) * config.steps));
  auto trainer =
      Trainer::Create(backend, config, tokens, InitialParameters(config.model, config.seed));
  if (!trainer.ok()) return trainer.status();
  const auto step = [&trainer]() -> absl::Status {
    absl::Status status = (*trainer)->Step();
    if (status.ok()) status = (*trainer)->AwaitSteps();
    return status;
  };
  // The first one also prepares what the others find ready.
  if (absl::Status first = step(); !first.ok()) return first;
  const absl::Duration begin = clock();
  absl::Duration elapsed;
  int64_t steps = 0;
  do {
    if (absl::Status next = step(); !next.ok()) return next;
    ++steps;
    elapsed = clock() - begin;
  } while (elapsed < kMeasured && steps < kMostSteps);
  const double tokens_per_step = static_cast<double>(plan.config.batch) * plan.config.steps;
  const double tried = static_cast<double>(config.batch) * config.steps;
  const absl::Duration per_step = elapsed / steps * (tokens_per_step / tried);
  // What it goes on from is done.
  const auto left = static_cast<double>(plan.total_steps - plan.config.early_ends.first_step);
  const int64_t interval = plan.config.validation_interval;
  const double epochs_left =
      static_cast<double>(plan.total_epochs) * left / static_cast<double>(plan.total_steps);
  const double validations =
      epochs_left + (interval > 0 ? left / static_cast<double>(interval) : 0);
  const double validated = validations * static_cast<double>(plan.config.held_out_tokens);
  const absl::Duration all =
      per_step * left + per_step * (kValidationShare * validated / tokens_per_step);
  return std::min(all, plan.max_training_time);
}

}  // namespace derin::server
