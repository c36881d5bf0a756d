#include "server/jobs/job_ending.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(JobEnding, SaysWhichEndCameFirst) {
  TrainingPlan plan;
  plan.config.early_ends = {.max_steps = 120, .target_perplexity = 2.5, .patience_epochs = 4};
  plan.max_training_time = absl::Seconds(90);
  v1::TrainingProgress progress;
  progress.set_epoch_training_perplexity(2.25);
  progress.set_best_perplexity(3.125);
  const auto message = [&](TrainingEnd end, const char* reason) {
    const JobEnding ending = EndingOf(end, plan, progress);
    EXPECT_EQ(ending.reason, reason);
    return ending.message;
  };
  EXPECT_EQ(message(TrainingEnd::kEpochs, "COMPLETED"), "The training is complete.");
  EXPECT_THAT(message(TrainingEnd::kMaxSteps, "MAX_STEPS"), HasSubstr("120 steps"));
  plan.spec.set_max_trained_tokens(9000);
  plan.ends_by_tokens = true;
  EXPECT_THAT(message(TrainingEnd::kMaxSteps, "MAX_TRAINED_TOKENS"), HasSubstr("9000 tokens"));
  EXPECT_THAT(message(TrainingEnd::kNone, "MAX_TRAINING_TIME"), HasSubstr("1m30s"));
  EXPECT_THAT(message(TrainingEnd::kNoImprovement, "NO_IMPROVEMENT"),
              AllOf(HasSubstr("4 epochs"), HasSubstr("3.125")));
  EXPECT_THAT(message(TrainingEnd::kTargetReached, "TARGET_REACHED"),
              AllOf(HasSubstr("epoch's perplexity is 2.25"), HasSubstr("2.5 or less")));
  progress.set_validation_perplexity(2.125);
  EXPECT_THAT(message(TrainingEnd::kTargetReached, "TARGET_REACHED"),
              HasSubstr("validation perplexity is 2.125"));
}

}  // namespace
}  // namespace derin::server
