#include "server/jobs/training_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
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
    ASSERT_TRUE(store->InsertTrainingJob(TestJob("j", "tiny")).ok());
  }
  absl::StatusOr<std::unique_ptr<TrainingRun>> Create() {
    return TrainingRun::Create({*backend, *store, *blobs, metrics, clock, wall_clock}, job);
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

TEST_F(TrainingRunTest, CountsWhatItTrainsAsItsOwners) {
  UsageLedger usage(*store, metrics, clock);
  job.set_owner("ada");
  auto run =
      TrainingRun::Create({*backend, *store, *blobs, metrics, clock, wall_clock, &usage}, job);
  ASSERT_TRUE(run.ok()) << run.status();
  while (!(*run)->done()) ASSERT_TRUE((*run)->Step().ok());
  const UsageFigures used = usage.Get("ada")->figures;
  EXPECT_EQ(used.trained_tokens, (*run)->Progress()->tokens());
  EXPECT_EQ(used.training_time, (*run)->steps_done() * per_reading);
}

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

TEST_F(TrainingRunTest, GoesOnOnceAfterADivergenceWhereThatIsAsked) {
  job.mutable_spec()->mutable_config()->set_cell(v1::CELL_VANILLA_RELU);
  job.mutable_spec()->mutable_learning_rate()->set_peak(1000);
  job.mutable_spec()->set_clip(1e30);
  auto run = Create();
  absl::Status status;
  while (status.ok()) status = (*run)->Step();
  EXPECT_EQ((*run)->Recover(status).status(), status) << "nobody asked for it";

  job.mutable_spec()->set_recover_from_divergence(true);
  run = Create();
  status = absl::OkStatus();
  while (status.ok()) status = (*run)->Step();
  const auto recovered = (*run)->Recover(status);
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_THAT(*recovered, HasSubstr("from step 0 at 0.1 of the learning rate"));
  EXPECT_EQ((*run)->steps_done(), 0);
  EXPECT_EQ((*run)->curve()->Snapshot().training_metrics_size(), 0);
  ASSERT_TRUE((*run)->Step().ok());
  EXPECT_EQ((*run)->Progress()->learning_rate(), 100);
  // A rate of 100 is no better; that is final.
  status = absl::OkStatus();
  while (status.ok() && !(*run)->done()) status = (*run)->Step();
  ASSERT_EQ(ErrorReason(status), "DIVERGED");
  EXPECT_EQ(ErrorReason((*run)->Recover(status).status()), "DIVERGED");
}

TEST_F(TrainingRunTest, DrawsTextNowAndThenAndChangesNothingByThat) {
  const auto finish = [](TrainingRun& run) {
    while (!run.done()) EXPECT_TRUE(run.Step().ok());
    return run.Model()->file.parameters.values;
  };
  const auto plain = finish(**Create());

  job.mutable_spec()->mutable_sample()->set_prompt("abc");
  job.mutable_spec()->mutable_sample()->set_tokens(20);
  per_reading = absl::Milliseconds(250);  // two a step
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_FALSE((*run)->SampleIsDue());
  int64_t drawn = 0;
  while (!(*run)->done()) {
    ASSERT_TRUE((*run)->Step().ok());
    if (!(*run)->SampleIsDue()) continue;
    ASSERT_TRUE((*run)->DrawSample().ok());
    EXPECT_FALSE((*run)->SampleIsDue());
    const v1::DrawnSample sample = (*run)->Progress()->sample();
    EXPECT_EQ(sample.step(), (*run)->steps_done());
    EXPECT_EQ(sample.text().size(), 20u);
    ++drawn;
  }
  EXPECT_GE(drawn, 1);
  EXPECT_EQ(finish(**run), plain);
}

TEST_F(TrainingRunTest, BeginsWithTheForgetBiasThatIsAsked) {
  job.mutable_spec()->set_forget_bias(3);
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  const auto model = (*run)->Model();
  ASSERT_TRUE(model.ok()) << model.status();
  for (const Slice& slice : model->file.parameters.layout.slices()) {
    if (slice.name != "rnn.bias_ih_l0") continue;
    EXPECT_EQ(model->file.parameters.values[slice.offset + 8], 3);
  }
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

struct CheckpointTest : TrainingRunTest {
  void SetUp() override {
    TrainingRunTest::SetUp();
    job.mutable_spec()->mutable_checkpoint_interval()->set_seconds(1);
    job.mutable_spec()->set_validation_share(0.2);
  }
  std::unique_ptr<TrainingRun> Begin() {
    auto run = Create();
    EXPECT_TRUE(run.ok()) << run.status();
    return *std::move(run);
  }
  // Steps `count` times, with a checkpoint at the end.
  static void StepAndWrite(TrainingRun& run, int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(run.Step().ok());
    const absl::Status written = run.WriteCheckpoint();
    ASSERT_TRUE(written.ok()) << written;
  }
  static std::vector<float> Finish(TrainingRun& run) {
    while (!run.done()) EXPECT_TRUE(run.Step().ok());
    return run.Model()->file.parameters.values;
  }
  std::filesystem::path FileOf(const std::string& digest) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(folder.path() / "blobs")) {
      if (entry.path().filename() == digest) return entry.path();
    }
    return {};
  }
  void Damage(const std::string& digest) {
    const std::filesystem::path file = FileOf(digest);
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    std::string content = ReadTestFile(file);
    content[content.size() / 2] ^= 1;
    WriteTestFile(file, content);
  }
  std::vector<int64_t> Steps() {
    std::vector<int64_t> steps;
    const auto checkpoints = store->ListTrainingCheckpoints("j");
    for (const StoredCheckpoint& one : *checkpoints) {
      steps.push_back(one.checkpoint.step());
    }
    return steps;
  }
};

using ::testing::ElementsAre;

TEST_F(CheckpointTest, AnotherRunGoesOnFromItBitForBit) {
  const auto first = Begin();
  EXPECT_TRUE(first->resumed_message().empty());
  StepAndWrite(*first, 20);
  const auto second = Begin();
  EXPECT_EQ(second->steps_done(), 20);
  EXPECT_EQ(second->resumed_message(), "The training goes on from its checkpoint at step 20.");
  EXPECT_EQ(second->Progress()->tokens(), 20 * 4 * 5);
  EXPECT_EQ(Finish(*second), Finish(*first));
  EXPECT_EQ(second->Progress()->training_perplexity(), first->Progress()->training_perplexity());
  EXPECT_EQ(second->Model()->validation_perplexity, first->Model()->validation_perplexity);
  // Tokens are counted once for each time that they were trained on.
  EXPECT_EQ(metrics.training_tokens.With("tiny").Value(),
            static_cast<uint64_t>(2 * first->Progress()->tokens() - 20 * 4 * 5));
}

TEST_F(CheckpointTest, TheCurveOfTheNextRunIsThatOfOneRun) {
  const auto first = Begin();
  StepAndWrite(*first, 20);
  EXPECT_EQ(first->curve()->Snapshot().training_metrics_size(), 20);
  EXPECT_EQ(store->GetTrainingCurve("j")->training_metrics_size(), 20);
  // Steps that no checkpoint has are cut off.
  ASSERT_TRUE(first->Step().ok());
  job.set_attempt(3);
  const auto second = Begin();
  EXPECT_EQ(second->curve()->Snapshot().training_metrics_size(), 20);
  Finish(*first);
  Finish(*second);
  const auto whole = first->curve()->Snapshot(), resumed = second->curve()->Snapshot();
  ASSERT_EQ(resumed.training_metrics_size(), whole.training_metrics_size());
  for (int i = 0; i < whole.training_metrics_size(); ++i) {
    const v1::TrainingMetrics& point = resumed.training_metrics(i);
    EXPECT_EQ(point.step(), i + 1);
    EXPECT_EQ(point.attempt(), i < 20 ? 2 : 3);
    EXPECT_EQ(point.training_loss(), whole.training_metrics(i).training_loss());
    EXPECT_EQ(point.validation_perplexity(), whole.training_metrics(i).validation_perplexity());
  }
  EXPECT_EQ(whole.training_metrics().rbegin()->validation_perplexity(),
            first->Progress()->validation_perplexity());
}

TEST_F(CheckpointTest, SaysWhatItIs) {
  const auto run = Begin();
  StepAndWrite(*run, 20);
  const StoredCheckpoint stored = store->ListTrainingCheckpoints("j")->front();
  const v1::TrainingCheckpoint& checkpoint = stored.checkpoint;
  EXPECT_EQ(checkpoint.name(), "trainingJobs/j/checkpoints/20");
  EXPECT_EQ(checkpoint.step(), 20);
  EXPECT_EQ(checkpoint.attempt(), 2);
  EXPECT_TRUE(checkpoint.has_create_time());
  EXPECT_EQ(checkpoint.engine_id(), backend->EngineId(Precision::kF32));
  EXPECT_EQ(checkpoint.corpus_sha256(), store->GetCorpus("text")->sha256());
  EXPECT_EQ(checkpoint.training_perplexity(), run->Progress()->training_perplexity());
  EXPECT_EQ(checkpoint.validation_perplexity(), run->Progress()->validation_perplexity());
  EXPECT_EQ(checkpoint.size_bytes(),
            static_cast<int64_t>(std::filesystem::file_size(FileOf(stored.model_sha256)) +
                                 std::filesystem::file_size(FileOf(stored.state_sha256))));
}

TEST_F(CheckpointTest, ARecoveryGoesBackToItAndIsInTheNextOnes) {
  job.mutable_spec()->set_recover_from_divergence(true);
  auto run = Begin();
  StepAndWrite(*run, 4);
  ASSERT_TRUE(run->Step().ok());
  ASSERT_TRUE(run->Step().ok());
  const absl::Status diverged = Refusal(absl::StatusCode::kOutOfRange, kDiverged, "It diverged");
  const auto recovered = run->Recover(diverged);
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(*recovered, "It diverged. It goes on from step 4 at 0.1 of the learning rate.");
  EXPECT_EQ(run->steps_done(), 4);
  EXPECT_EQ(run->curve()->Snapshot().training_metrics().rbegin()->step(), 4);
  StepAndWrite(*run, 3);
  const std::vector<float> wanted = Finish(*run);

  // As the server would after a crash.
  auto next = Begin();
  EXPECT_EQ(next->steps_done(), 7);
  EXPECT_EQ(next->Recover(diverged).status(), diverged) << "once for the job, not for the attempt";
  auto last = Begin();
  EXPECT_EQ(Finish(*last), wanted);
}

TEST_F(CheckpointTest, IsDueWhenTheIntervalHasPassed) {
  const auto run = Begin();
  per_reading = absl::Milliseconds(400);  // a step looks at the clock twice
  ASSERT_TRUE(run->Step().ok());
  EXPECT_FALSE(run->CheckpointIsDue());
  ASSERT_TRUE(run->Step().ok());
  EXPECT_TRUE(run->CheckpointIsDue());
  ASSERT_TRUE(run->WriteCheckpoint().ok());
  EXPECT_FALSE(run->CheckpointIsDue());
}

TEST_F(CheckpointTest, TheNewestAreKeptAndTheFilesOfOthersAreGone) {
  const auto run = Begin();
  std::vector<std::string> digests;
  for (int i = 0; i < 4; ++i) {
    StepAndWrite(*run, 5);
    digests.push_back(store->ListTrainingCheckpoints("j")->front().state_sha256);
  }
  EXPECT_THAT(Steps(), ElementsAre(20, 15));
  EXPECT_TRUE(FileOf(digests[0]).empty());
  EXPECT_TRUE(FileOf(digests[1]).empty());
  EXPECT_FALSE(FileOf(digests[2]).empty());
  EXPECT_FALSE(FileOf(digests[3]).empty());
  EXPECT_TRUE(blobs->Read(Sha256Hex("")).status().code() == absl::StatusCode::kDataLoss);
  EXPECT_TRUE(store->GetCorpus("text").ok() &&
              blobs->Read(store->GetCorpus("text")->sha256()).ok());
}

TEST_F(CheckpointTest, TheBestIsWrittenAndKeptWhereThatIsAsked) {
  job.mutable_spec()->mutable_checkpoint_interval()->set_seconds(3600);
  job.mutable_spec()->set_checkpoints_to_keep(1);
  job.mutable_spec()->set_best_checkpoints_to_keep(1);
  job.mutable_spec()->set_validation_share(0.2);
  job.mutable_spec()->set_epochs(12);
  // So high that it does not fall from epoch to epoch.
  job.mutable_spec()->mutable_learning_rate()->set_peak(20);
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  int better = 0, worse = 0;
  double best = std::numeric_limits<double>::infinity();
  int64_t best_step = 0;
  while (!(*run)->done()) {
    ASSERT_TRUE((*run)->Step().ok());
    const auto progress = *(*run)->Progress();
    if (progress.best_perplexity() > 0 && progress.best_perplexity() < best) {
      best = progress.best_perplexity();
      best_step = (*run)->steps_done();
      ++better;
      EXPECT_TRUE((*run)->CheckpointIsDue());
      ASSERT_TRUE((*run)->WriteCheckpoint().ok());
    } else if (progress.validation_perplexity() > best) {
      ++worse;
    }
    EXPECT_FALSE((*run)->CheckpointIsDue());
  }
  ASSERT_TRUE((*run)->WriteCheckpoint().ok());
  ASSERT_GT(better, 0);
  ASSERT_GT(worse, 0);
  const auto kept = *store->ListTrainingCheckpoints("j");
  ASSERT_EQ(kept.size(), 2u) << "the newest and the best";
  EXPECT_EQ(kept[0].checkpoint.step(), (*run)->steps_done());
  EXPECT_EQ(kept[1].checkpoint.step(), best_step);
  EXPECT_EQ(kept[1].checkpoint.measured_perplexity(), best);
  EXPECT_EQ(kept[1].checkpoint.validation_perplexity(), best);
}

TEST_F(CheckpointTest, ADamagedOneIsPassedOverForTheOneBefore) {
  for (const bool of_model : {true, false}) {
    const auto run = Begin();
    const int64_t begin = run->steps_done();
    StepAndWrite(*run, 5);
    StepAndWrite(*run, 5);
    const StoredCheckpoint newest = store->ListTrainingCheckpoints("j")->front();
    Damage(of_model ? newest.model_sha256 : newest.state_sha256);
    const auto again = Begin();
    EXPECT_EQ(again->steps_done(), begin + 5);
    EXPECT_THAT(again->resumed_message(), HasSubstr("is damaged"));
    // What it writes takes the place of the damaged one.
    StepAndWrite(*again, 1);
    EXPECT_THAT(Steps(), ElementsAre(begin + 6, begin + 5));
  }
}

TEST_F(CheckpointTest, FailsWhenNoneIsWhole) {
  const auto run = Begin();
  StepAndWrite(*run, 5);
  Damage(store->ListTrainingCheckpoints("j")->front().state_sha256);
  const absl::Status status = Create().status();
  EXPECT_EQ(ErrorReason(status), "CHECKPOINT_DAMAGED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("step 5"));
}

TEST_F(CheckpointTest, TellsThatTheEngineChanged) {
  StepAndWrite(*Begin(), 5);
  backend = *NewBackend("cpu");
  const auto run = Begin();
  EXPECT_THAT(run->resumed_message(), HasSubstr("engine_changed: it was on reference/f32/1"));
  EXPECT_EQ(run->steps_done(), 5);
  Finish(*run);
}

TEST_F(CheckpointTest, WhereNothingCanBeWrittenTheTrainingAndWhatWasWrittenStay) {
  const auto run = Begin();
  StepAndWrite(*run, 5);
  ASSERT_TRUE(run->Step().ok());
  const std::filesystem::path stored = folder.path() / "blobs", aside = folder.path() / "aside";
  std::filesystem::rename(stored, aside);
  EXPECT_FALSE(run->WriteCheckpoint().ok());
  EXPECT_FALSE(run->CheckpointIsDue());  // not again at the next step
  std::filesystem::rename(aside, stored);
  EXPECT_THAT(Steps(), ElementsAre(5));
  EXPECT_EQ(Begin()->steps_done(), 5);
  StepAndWrite(*run, 1);
  EXPECT_EQ(Begin()->steps_done(), 7);
}

// Two looks at the clock a step, 10 ms each: one step takes 10 ms of training.
TEST_F(CheckpointTest, TheTimeOfTrainingGoesOnAfterAPause) {
  job.mutable_spec()->set_epochs(1000);
  job.mutable_spec()->mutable_max_training_time()->set_seconds(1);
  const auto first = Begin();
  StepAndWrite(*first, 60);
  const StoredCheckpoint stored = store->ListTrainingCheckpoints("j")->front();
  EXPECT_EQ(FromProtoDuration(stored.checkpoint.training_time()), absl::Milliseconds(600));
  now += absl::Hours(5);  // paused
  const auto second = Begin();
  v1::TrainingProgress progress = *second->Progress();
  EXPECT_EQ(FromProtoDuration(progress.training_time()), absl::Milliseconds(600));
  EXPECT_EQ(progress.fraction_done(), 0.6);
  EXPECT_EQ(FromProtoDuration(progress.time_left()), absl::Milliseconds(400));
  for (int i = 0; i < 39; ++i) ASSERT_TRUE(second->Step().ok());
  EXPECT_FALSE(second->done());
  ASSERT_TRUE(second->Step().ok());
  EXPECT_TRUE(second->done());
  EXPECT_EQ(second->Ending().reason, "MAX_TRAINING_TIME");
  progress = *second->Progress();
  EXPECT_EQ(progress.step(), 100);
  EXPECT_EQ(progress.fraction_done(), 1);
  EXPECT_EQ(FromProtoDuration(progress.time_left()), absl::ZeroDuration());
  // The held-out tokens were measured with the weights of the last step.
  EXPECT_EQ(second->Model()->training_perplexity, progress.training_perplexity());
  EXPECT_EQ(second->Model()->validation_perplexity, progress.validation_perplexity());
  // A crash before the job's end is stored does not begin it anew.
  StepAndWrite(*second, 0);
  const auto third = Begin();
  EXPECT_TRUE(third->done());
  EXPECT_EQ(third->Ending().reason, "MAX_TRAINING_TIME");
  EXPECT_EQ(third->Model()->file.parameters.values, second->Model()->file.parameters.values);
}

TEST_F(CheckpointTest, ACheckpointIsNoTimeOfTraining) {
  const auto run = Begin();
  ASSERT_TRUE(run->Step().ok());
  now += absl::Hours(1);
  ASSERT_TRUE(run->WriteCheckpoint().ok());
  EXPECT_EQ(FromProtoDuration(run->Progress()->training_time()), absl::Milliseconds(10));
}

TEST_F(CheckpointTest, EveryEndIsThatOfARunThatWasNeverInterrupted) {
  job.mutable_spec()->set_epochs(100);
  job.mutable_spec()->mutable_learning_rate()->set_peak(200);
  const std::pair<const char*, std::function<void(v1::TrainingSpec&)>> cases[] = {
      {"MAX_STEPS", [](auto& spec) { spec.set_max_steps(50); }},
      {"TARGET_REACHED",
       [](auto& spec) {
         spec.set_target_perplexity(9);  // of 11 tokens
         spec.mutable_learning_rate()->set_peak(0.5);
       }},
      {"NO_IMPROVEMENT", [](auto& spec) { spec.set_patience_epochs(2); }}};
  const v1::TrainingSpec spec = job.spec();
  int number = 0;
  for (const auto& [reason, change] : cases) {
    // A job of its own.
    const std::string id = absl::StrCat("case", ++number);
    job.set_name("trainingJobs/" + id);
    ASSERT_TRUE(store->InsertTrainingJob(TestJob(id, "tiny")).ok());
    *job.mutable_spec() = spec;
    change(*job.mutable_spec());
    const auto whole = Begin();
    const auto weights = Finish(*whole);
    EXPECT_EQ(whole->Ending().reason, reason);
    const int64_t steps = whole->steps_done();
    for (auto run = Begin(); !run->done(); run = Begin()) StepAndWrite(*run, 1);
    const auto resumed = Begin();
    EXPECT_EQ(resumed->steps_done(), steps);
    EXPECT_EQ(resumed->Ending().reason, reason);
    EXPECT_EQ(resumed->Model()->file.parameters.values, weights);
    EXPECT_EQ(resumed->Progress()->fraction_done(), whole->Progress()->fraction_done());
  }
}

TEST_F(CheckpointTest, ATrainingThatGoesOnFromAnotherCountsAnew) {
  job.mutable_spec()->set_epochs(100);
  job.mutable_spec()->mutable_learning_rate()->set_peak(200);
  job.mutable_spec()->set_patience_epochs(3);
  const auto source = Begin();
  Finish(*source);
  ASSERT_EQ(source->Ending().reason, "NO_IMPROVEMENT");
  StepAndWrite(*source, 0);
  const StoredCheckpoint end = store->ListTrainingCheckpoints("j")->front();
  auto row = TestJob("fork", "tiny");
  row.start = JobStart{.model_sha256 = end.model_sha256, .state_sha256 = end.state_sha256};
  job.set_name("trainingJobs/fork");
  job.mutable_spec()->mutable_start_from()->set_training_checkpoint(end.checkpoint.name());
  *row.update.job.mutable_spec() = job.spec();
  ASSERT_TRUE(store->InsertTrainingJob(row).ok());
  const auto fork = Begin();
  EXPECT_FALSE(fork->done());
  EXPECT_EQ(fork->steps_done(), source->steps_done());
  EXPECT_EQ(FromProtoDuration(fork->Progress()->training_time()), absl::ZeroDuration());
  Finish(*fork);
  EXPECT_EQ(fork->Ending().reason, "NO_IMPROVEMENT");
  EXPECT_GE(fork->Progress()->epoch(), source->Progress()->epoch() + 3);
}

TEST_F(TrainingRunTest, ProgressIsTowardsTheNearestEndThatIsKnown) {
  job.mutable_spec()->set_max_steps(20);
  auto run = Create();
  ASSERT_TRUE(run.ok()) << run.status();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE((*run)->Step().ok());
  const v1::TrainingProgress progress = *(*run)->Progress();
  EXPECT_EQ(progress.steps(), 20);
  EXPECT_EQ(progress.epochs(), 2);
  EXPECT_EQ(progress.fraction_done(), 0.25);
  // At the rate of now: 15 steps more, each with two looks at the clock.
  EXPECT_EQ(FromProtoDuration(progress.time_left()), absl::Milliseconds(15 * 20));
}

}  // namespace
}  // namespace derin::server
