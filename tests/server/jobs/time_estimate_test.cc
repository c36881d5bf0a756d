#include "server/jobs/time_estimate.h"

#include <gtest/gtest.h>

#include "model/backend/backend_list.h"

namespace derin::server {
namespace {

struct TimeEstimateTest : testing::Test {
  std::unique_ptr<Backend> backend = *NewBackend("reference");
  absl::Duration now;
  // Each look takes so long, and between two there is one step.
  MonotonicClock clock = [this] { return now += absl::Milliseconds(50); };
  v1::TrainingSpec spec;
  v1::Corpus corpus;

  TimeEstimateTest() {
    spec.set_corpus("corpora/text");
    spec.set_model("models/m");
    spec.mutable_config()->set_layers(1);
    spec.mutable_config()->set_hidden(4);
    spec.set_batch(2);
    spec.set_steps(5);
    spec.set_epochs(3);
    corpus.set_name("corpora/text");
    corpus.set_character_count(1000);
    corpus.set_vocabulary_size(20);
  }
  absl::Duration Estimate() {
    const auto plan = ResolveTrainingSpec(spec, corpus, *backend, 1);
    EXPECT_TRUE(plan.ok()) << plan.status();
    total_steps = plan->total_steps;
    const auto estimated = EstimateTrainingTime(*plan, *backend, clock);
    EXPECT_TRUE(estimated.ok()) << estimated.status();
    return estimated.value_or(absl::ZeroDuration());
  }
  int64_t total_steps = 0;
};

TEST_F(TimeEstimateTest, IsThatOfAllSteps) {
  const absl::Duration estimated = Estimate();
  EXPECT_EQ(estimated, total_steps * absl::Milliseconds(50));
  EXPECT_EQ(now, absl::Milliseconds(300)) << "five steps were measured";
}

TEST_F(TimeEstimateTest, QuickStepsNeedNoQuarterOfASecond) {
  clock = [this] { return now += absl::Milliseconds(1); };
  const absl::Duration estimated = Estimate();
  EXPECT_EQ(estimated, total_steps * absl::Milliseconds(1));
  EXPECT_EQ(now, absl::Milliseconds(21)) << "twenty steps were measured";
}

TEST_F(TimeEstimateTest, ValidationGoesForwardOnly) {
  spec.set_validation_share(0.3);
  // 300 tokens are those of 30 steps, three times.
  const absl::Duration after_epochs = Estimate();
  EXPECT_EQ(after_epochs, (total_steps + 30) * absl::Milliseconds(50));
  spec.set_validation_interval(50);
  // Each of them is again as long as 10 steps.
  const absl::Duration at_intervals = Estimate() - after_epochs;
  EXPECT_NEAR(absl::ToDoubleSeconds(at_intervals), total_steps / 50.0 * 10 * 0.05, 1e-6);
}

TEST_F(TimeEstimateTest, WhatItGoesOnFromIsDone) {
  const absl::Duration whole = Estimate();
  spec.mutable_start_from()->set_training_checkpoint("trainingJobs/a/checkpoints/100");
  EXPECT_EQ(Estimate(), whole - 100 * absl::Milliseconds(50));
}

TEST_F(TimeEstimateTest, IsNoMoreThanTheTimeThatIsAllowed) {
  spec.mutable_max_training_time()->set_seconds(2);
  EXPECT_EQ(Estimate(), absl::Seconds(2));
}

TEST_F(TimeEstimateTest, LongStepsAreTriedOutInPart) {
  backend = *NewBackend("cpu");
  corpus.set_character_count(100'000);
  spec.mutable_config()->set_hidden(256);
  spec.set_batch(256);
  spec.set_steps(64);
  const absl::Duration estimated = Estimate();
  // 0.3 million parameters: a quarter of a step is as much as is tried.
  EXPECT_EQ(estimated, total_steps * 4 * absl::Milliseconds(50));
}

TEST_F(TimeEstimateTest, OfSeveralTextsIsThatOfTheirStepsTogether) {
  const int64_t alone = (Estimate(), total_steps);
  v1::Corpus more = corpus;
  more.set_name("corpora/more");
  TrainingTexts texts(corpus);
  texts.texts.push_back({.corpus = more});
  const auto plan = ResolveTrainingSpec(spec, texts, *backend, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(*EstimateTrainingTime(*plan, *backend, clock),
            plan->total_steps * absl::Milliseconds(50));
  EXPECT_GT(plan->total_steps, alone);
}

}  // namespace
}  // namespace derin::server
