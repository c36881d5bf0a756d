#include "server/jobs/training_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <optional>
#include <string>

#include "server/status/error.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

struct TrainingRunTest : TrainingGround {
  absl::Duration now;
  absl::Duration per_reading = absl::Milliseconds(10);  // how much each look at the clock takes
  MonotonicClock clock = [this] { return now += per_reading; };
  v1::TrainingJob job;

  void SetUp() override {
    TrainingGround::SetUp();
    job.set_name("trainingJobs/j");
    job.set_attempt(2);
    *job.mutable_spec() = TinySpec();
  }
  absl::StatusOr<std::unique_ptr<TrainingRun>> Create() {
    return TrainingRun::Create({*backend, *store, *blobs, metrics, clock}, job);
  }
  void DamageCorpus() {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(folder.path() / "blobs")) {
      if (entry.is_regular_file()) {
        std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_all);
        WriteTestFile(entry.path(), "something else");
      }
    }
  }
};

TEST_F(TrainingRunTest, TrainsToItsEnd) {
  job.mutable_spec()->set_validation_share(0.2);
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_FALSE((*run)->Progress().has_value());
  double first_perplexity = 0;
  while (!(*run)->done()) {
    ASSERT_TRUE((*run)->Step().ok());
    if (first_perplexity == 0) first_perplexity = (*run)->Progress()->training_perplexity();
  }
  const v1::TrainingProgress progress = *(*run)->Progress();
  EXPECT_EQ(progress.attempt(), 2);
  EXPECT_EQ(progress.epoch(), 3);
  EXPECT_EQ(progress.epochs(), 3);
  EXPECT_EQ(progress.step(), progress.steps());
  EXPECT_EQ(progress.tokens(), progress.steps() * 4 * 5);
  EXPECT_EQ(progress.fraction_done(), 1);
  EXPECT_LT(progress.training_perplexity(), first_perplexity);
  EXPECT_EQ(progress.epoch_training_perplexity(), progress.training_perplexity());
  EXPECT_TRUE(progress.has_validation_perplexity());
  EXPECT_LE(progress.best_perplexity(), progress.validation_perplexity());
  EXPECT_EQ(progress.learning_rate(), 2);
  EXPECT_GT(progress.gradient_norm(), 0);
  EXPECT_GT(progress.tokens_per_second(), 0);
  EXPECT_EQ(progress.time_left().seconds(), 0);
  EXPECT_EQ(metrics.training_tokens.With("tiny").Value(), static_cast<uint64_t>(progress.tokens()));

  const auto model = (*run)->Model();
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->file.config.vocabulary, 11);
  EXPECT_EQ(model->file.tokenizer.vocabulary_size(), 11);
}

TEST_F(TrainingRunTest, TheModelHasThePerplexitiesOfTheEpochOfItsWeights) {
  job.mutable_spec()->set_validation_share(0.2);
  job.mutable_spec()->mutable_learning_rate()->set_peak(200);  // so that the best is not the last
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  double best = std::numeric_limits<double>::infinity();
  double trained_at_best = 0;
  while (!(*run)->done()) {
    ASSERT_TRUE((*run)->Step().ok());
    const v1::TrainingProgress progress = *(*run)->Progress();
    if (progress.has_validation_perplexity() && progress.validation_perplexity() < best) {
      best = progress.validation_perplexity();
      trained_at_best = progress.epoch_training_perplexity();
    }
  }
  ASSERT_NE(trained_at_best, (*run)->Progress()->epoch_training_perplexity());
  const auto model = (*run)->Model();
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->validation_perplexity, best);
  EXPECT_EQ(model->training_perplexity, trained_at_best);
}

TEST_F(TrainingRunTest, TheModelHasTheLastPerplexityWhereNothingIsHeldOut) {
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  while (!(*run)->done()) ASSERT_TRUE((*run)->Step().ok());
  const auto model = (*run)->Model();
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->training_perplexity, (*run)->Progress()->epoch_training_perplexity());
  EXPECT_EQ(model->validation_perplexity, std::nullopt);
}

TEST_F(TrainingRunTest, NamesTheEpochThatItsLossesAreOf) {
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  int64_t epoch = 1;
  while (!(*run)->done()) {
    ASSERT_TRUE((*run)->Step().ok());
    const v1::TrainingProgress progress = *(*run)->Progress();
    // The whole epochs known are those before this one, or this one too at its last step.
    EXPECT_GE(progress.epoch(), epoch);
    EXPECT_LE(progress.epoch(), epoch + 1);
    epoch = progress.epoch();
    EXPECT_EQ(progress.has_epoch_training_perplexity(),
              epoch > 1 || progress.step() == progress.steps() / 3);
  }
  EXPECT_EQ(epoch, 3);
}

TEST_F(TrainingRunTest, TellsFourTimesASecondWhereStepsAreQuick) {
  job.mutable_spec()->set_epochs(20);
  per_reading = absl::Milliseconds(20);  // two a step
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  absl::Duration last_told = now;
  int told = 0, steps = 0;
  for (; !(*run)->done(); ++steps) {
    ASSERT_TRUE((*run)->Step().ok());
    if (!(*run)->ProgressIsDue()) continue;
    EXPECT_LE(now - last_told, absl::Milliseconds(250));
    last_told = now;
    ++told;
    (*run)->ProgressTold(*(*run)->Progress());
  }
  EXPECT_LT(told, steps / 4);
}

TEST_F(TrainingRunTest, TellsEachStepWhereStepsAreSlow) {
  per_reading = absl::Milliseconds(200);
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  while (!(*run)->done()) {
    ASSERT_TRUE((*run)->Step().ok());
    ASSERT_TRUE((*run)->ProgressIsDue());
    (*run)->ProgressTold(*(*run)->Progress());
  }
}

TEST_F(TrainingRunTest, SetsTheJobsGauges) {
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_TRUE((*run)->Step().ok());
  const v1::TrainingProgress progress = *(*run)->Progress();
  (*run)->ProgressTold(progress);
  const auto perplexity = metrics.training_perplexity.Collect();
  ASSERT_EQ(perplexity.metric.size(), 1u);
  EXPECT_EQ(perplexity.metric[0].label.at(0).value, "j");
  EXPECT_EQ(perplexity.metric[0].label.at(1).value, "training");
  EXPECT_EQ(perplexity.metric[0].gauge.value, progress.training_perplexity());
  EXPECT_EQ(metrics.training_progress_ratio.Collect().metric.at(0).gauge.value,
            progress.fraction_done());
}

TEST_F(TrainingRunTest, SaysThatTheNumbersDiverged) {
  job.mutable_spec()->mutable_config()->set_cell(v1::CELL_VANILLA_RELU);
  job.mutable_spec()->mutable_learning_rate()->set_peak(1000);
  job.mutable_spec()->set_clip(1e30);
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  absl::Status status;
  while (status.ok() && !(*run)->done()) status = (*run)->Step();
  EXPECT_EQ(ErrorReason(status), "DIVERGED") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("step"));
}

TEST_F(TrainingRunTest, SaysThatTheCorpusIsDamaged) {
  DamageCorpus();
  const absl::Status status = Create().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_EQ(ErrorReason(status), "CORPUS_DAMAGED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("corpora/text"));
}

TEST_F(TrainingRunTest, SaysThatTheCorpusIsGone) {
  job.mutable_spec()->set_corpus("corpora/gone");
  EXPECT_EQ(ErrorReason(Create().status()), "CORPUS_NOT_FOUND");
}

TEST_F(TrainingRunTest, ReadsBytesAsTokens) {
  job.mutable_spec()->mutable_config()->set_tokenization(v1::TOKENIZATION_BYTES);
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_TRUE((*run)->Step().ok());
  EXPECT_EQ((*run)->Model()->file.config.vocabulary, 257);
}

}  // namespace
}  // namespace derin::server
