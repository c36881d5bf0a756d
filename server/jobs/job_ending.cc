#include "server/jobs/job_ending.h"

#include "absl/strings/str_format.h"

namespace derin::server {

JobEnding EndingOf(TrainingEnd end, const TrainingPlan& plan,
                   const v1::TrainingProgress& progress) {
  const EarlyEnds& ends = plan.config.early_ends;
  switch (end) {
    case TrainingEnd::kTargetReached: {
      const bool held_out = progress.has_validation_perplexity();
      return {"TARGET_REACHED",
              absl::StrFormat("The training is at its target: the %s perplexity is %.4g, wanted %g "
                              "or less.",
                              held_out ? "validation" : "epoch's",
                              held_out ? progress.validation_perplexity()
                                       : progress.epoch_training_perplexity(),
                              ends.target_perplexity)};
    }
    case TrainingEnd::kEpochs:
      return {"COMPLETED", "The training is complete."};
    case TrainingEnd::kMaxSteps:
      if (plan.ends_by_tokens) {
        return {
            "MAX_TRAINED_TOKENS",
            absl::StrFormat("The training has trained on the %d tokens that it was to end with.",
                            plan.spec.max_trained_tokens())};
      }
      return {"MAX_STEPS",
              absl::StrFormat("The training has done the %d steps that it was to do at most.",
                              ends.max_steps)};
    case TrainingEnd::kNoImprovement:
      return {"NO_IMPROVEMENT",
              absl::StrFormat("The training got no better: the last %d epochs gave no perplexity "
                              "below %.4g.",
                              ends.patience_epochs, progress.best_perplexity())};
    case TrainingEnd::kNone:
      break;
  }
  return {"MAX_TRAINING_TIME",
          absl::StrFormat("The training has taken the %s that it was to take at most.",
                          absl::FormatDuration(plan.max_training_time))};
}

}  // namespace derin::server
