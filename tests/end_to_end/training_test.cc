#include <thread>

#include "tests/end_to_end/client_test_server.h"

namespace derin::server {
namespace {

using client::ErrorField;
using client::ErrorReason;
using client::JobState;
using testing::ElementsAre;
using testing::HasSubstr;

class TrainingTest : public ClientTest {
 protected:
  // A training that lasts until it is stopped.
  static client::TrainingSpec LongSpec() {
    client::TrainingSpec spec = SmallSpec();
    spec.epochs = 1'000'000;
    return spec;
  }
  // Watches until `stop` says so about a progress or the job is over.
  void WatchUntilTraining(const std::string& job) {
    const absl::Status ended = client_->WatchTrainingJob(
        job, {}, {.progress = [](const client::TrainingProgress& now) { return now.step == 0; }});
    ASSERT_EQ(ended.code(), absl::StatusCode::kCancelled) << ended;
  }
};

TEST_F(TrainingTest, StreamsASnapshotTheEventsAndAFallingPerplexity) {
  Upload("sea");
  const auto created = client_->CreateTrainingJob(SmallSpec());
  ASSERT_TRUE(created.ok()) << created.status();
  int snapshots = 0;
  std::vector<int64_t> sequences;
  std::vector<JobState> states;
  std::vector<client::TrainingProgress> progress;
  const absl::Status watched = client_->WatchTrainingJob(
      created->name, {},
      {.snapshot =
           [&](const client::TrainingJob& job) {
             EXPECT_TRUE(sequences.empty()) << "the snapshot comes first";
             EXPECT_EQ(job.name, created->name);
             return ++snapshots > 0;
           },
       .event =
           [&](const client::TrainingEvent& event) {
             sequences.push_back(event.sequence);
             if (event.kind == client::TrainingEvent::Kind::kStateChanged) {
               states.push_back(event.state);
             }
             return true;
           },
       .progress =
           [&](const client::TrainingProgress& now) {
             progress.push_back(now);
             return true;
           }});
  ASSERT_TRUE(watched.ok()) << watched;
  EXPECT_EQ(snapshots, 1);
  EXPECT_THAT(states, ElementsAre(JobState::kQueued, JobState::kRunning, JobState::kSucceeded));
  for (size_t i = 0; i < sequences.size(); ++i) EXPECT_EQ(sequences[i], int64_t(i) + 1);

  ASSERT_FALSE(progress.empty());
  const client::TrainingProgress& last = progress.back();
  EXPECT_EQ(last.step, last.steps);
  EXPECT_EQ(last.fraction_done, 1);
  EXPECT_LT(*last.epoch_training_perplexity, 4);
  EXPECT_GT(last.tokens_per_second, 0);

  const auto job = client_->GetTrainingJob(created->name);
  EXPECT_EQ(job->state, JobState::kSucceeded);
  EXPECT_EQ(job->reason, "COMPLETED");
  EXPECT_EQ(job->model_version, "models/sea/versions/1");
  EXPECT_EQ(job->spec.seed, 1u);
  const auto model = client_->GetModel("models/sea");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->version_count, 1);
  EXPECT_EQ(model->latest_version->training_job, created->name);
  EXPECT_DOUBLE_EQ(model->latest_version->training_perplexity, *last.epoch_training_perplexity);
}

TEST_F(TrainingTest, UnsetFieldsBecomeTheRecipe) {
  Upload("sea");
  client::TrainingSpec spec;
  spec.corpus = "corpora/sea";
  spec.model = "models/sea";
  const auto job = client_->CreateTrainingJob(spec, {.validate_only = true});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec.config.cell, client::Cell::kLstm);
  EXPECT_EQ(job->spec.config.layers, 2);
  EXPECT_EQ(job->spec.config.hidden, 256);
  EXPECT_EQ(job->spec.config.precision, client::Precision::kF32);
  EXPECT_EQ(job->spec.batch, 32);
  EXPECT_EQ(job->spec.steps, 35);
  EXPECT_EQ(job->spec.learning_rate.peak, 2);
  EXPECT_EQ(job->spec.clip, 1);
  EXPECT_EQ(job->spec.epochs, 500);
  EXPECT_TRUE(job->spec.seed.has_value());
  EXPECT_TRUE(client_->ListTrainingJobs()->empty()) << "nothing was stored";
}

TEST_F(TrainingTest, APrecisionThatTheDeviceLacksIsRefusedAndNothingIsStored) {
  Upload("sea");
  client::TrainingSpec spec = SmallSpec();
  spec.config.precision = client::Precision::kBf16;
  const absl::Status status = client_->CreateTrainingJob(spec).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(ErrorField(status), "training_job.spec.config.precision");
  EXPECT_THAT(std::string(status.message()), HasSubstr("it has f32"));
  EXPECT_TRUE(client_->ListTrainingJobs()->empty());
}

TEST_F(TrainingTest, TrainsAndGeneratesInEveryPrecisionThatTheDeviceOffers) {
  client_.reset();
  options_.device = "auto";
  Restart();
  Connect();
  Upload("sea");
  const auto info = client_->GetServerInfo();
  ASSERT_TRUE(info.ok()) << info.status();
  ASSERT_FALSE(info->device.precisions.empty());
  for (const client::Precision precision : info->device.precisions) {
    client::TrainingSpec spec = SmallSpec();
    spec.config.precision = precision;
    const auto job = Train(spec);
    ASSERT_EQ(job.state, JobState::kSucceeded) << job.message;
    EXPECT_LT(*job.progress->epoch_training_perplexity, 4);
    EXPECT_EQ(client_->GetModel("models/sea")->latest_version->config.precision, precision);
    const auto generated = Generate({.model = job.model_version, .max_tokens = 5});
    ASSERT_TRUE(generated.end.ok()) << generated.end.status();
    EXPECT_FALSE(generated.start.engine_changed);
    EXPECT_EQ(generated.start.engine_id == info->device.engine_id,
              precision == client::Precision::kF32);
  }
}

TEST_F(TrainingTest, TheSameSeedGivesTheSameModel) {
  Upload("sea");
  const auto first = Train(SmallSpec()), second = Train(SmallSpec());
  ASSERT_EQ(second.model_version, "models/sea/versions/2");
  EXPECT_EQ(first.progress->epoch_training_perplexity, second.progress->epoch_training_perplexity);
}

TEST_F(TrainingTest, MeasuresHeldOutText) {
  Upload("sea");
  client::TrainingSpec spec = SmallSpec();
  spec.validation_share = 0.2;
  const auto job = Train(spec);
  ASSERT_EQ(job.state, JobState::kSucceeded) << job.message;
  EXPECT_TRUE(job.progress->validation_perplexity.has_value());
  EXPECT_TRUE(client_->GetModel("models/sea")->latest_version->validation_perplexity.has_value());
}

TEST_F(TrainingTest, APromptIsNormalizedAsTheTextOfItsModelWas) {
  std::string text;
  for (int i = 0; i < 120; ++i) text += "the CAFE\u0301 is open, the \u00c9COLE is shut. ";
  ASSERT_TRUE(client_
                  ->UploadCorpus(
                      {.corpus_id = "sea", .normalization = client::Normalization::kNfcLowerCase},
                      client::TextSource(text))
                  .ok());
  const auto job = Train(SmallSpec());
  ASSERT_EQ(job.state, JobState::kSucceeded) << job.message;
  const auto draw = [this](std::string_view prompt) {
    Generated drawn = Generate(
        {.model = "models/sea", .prompt = std::string(prompt), .max_tokens = 60, .seed = 1});
    EXPECT_TRUE(drawn.end.ok()) << drawn.end.status();
    EXPECT_EQ(drawn.start.unknown_count, 0);
    return drawn.text;
  };
  const std::string composed = draw("the caf\u00e9 ");
  EXPECT_EQ(draw("the CAFE\u0301 "), composed);
  EXPECT_THAT(composed, testing::AnyOf(HasSubstr("caf\u00e9"), HasSubstr("\u00e9cole")));
}

TEST_F(TrainingTest, HoldsOutAWholeDocument) {
  const auto corpus = client_->UploadCorpus(
      {.corpus_id = "sea"},
      std::vector<client::DocumentSource>{{"sea", client::TextSource(Text())},
                                          {"numbers", client::TextSource("0123456789 0123456789")},
                                          {"again", client::TextSource(Text())}});
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  client::TrainingSpec spec = SmallSpec();
  spec.validation_share = 0.1;
  spec.validation_split = client::ValidationSplit::kDocuments;
  const auto job = Train(spec);
  ASSERT_EQ(job.state, JobState::kSucceeded) << job.message;
  EXPECT_EQ(job.spec.validation_split, client::ValidationSplit::kDocuments);
  // It has learnt the one text, and has never seen a digit.
  EXPECT_LT(job.progress->epoch_training_perplexity, 8);
  EXPECT_GT(*job.progress->validation_perplexity, 28);
  spec.validation_split = client::ValidationSplit::kBlocks;
  spec.validation_block = 256;
  const auto blocks = Train(spec);
  ASSERT_EQ(blocks.state, JobState::kSucceeded) << blocks.message;
  EXPECT_LT(*blocks.progress->validation_perplexity, 8);
}

TEST_F(TrainingTest, TrainsOnSeveralTextsByTheirWeights) {
  Upload("sea");
  std::string other;
  for (int i = 0; i < 150; ++i) other += "0123456789 is what they count. ";
  ASSERT_TRUE(client_->UploadCorpus({.corpus_id = "numbers"}, client::TextSource(other)).ok());
  client::TrainingSpec spec = SmallSpec();
  spec.more_corpora = {{.corpus = "corpora/numbers", .weight = 3}};
  spec.epochs = 40;
  const auto job = client_->CreateTrainingJob(spec);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec.corpus_weight, 1);
  const absl::Status used = client_->DeleteCorpus("corpora/numbers");
  EXPECT_EQ(ErrorReason(used), "CORPUS_IN_USE") << used;
  ASSERT_TRUE(client_->WatchTrainingJob(job->name, {}, {}).ok());
  ASSERT_EQ(client_->GetTrainingJob(job->name)->state, JobState::kSucceeded);
  EXPECT_TRUE(client_->DeleteCorpus("corpora/numbers").ok());
  // One model speaks both, each behind its own words.
  const auto after = [this](const char* prompt) {
    return Generate({.model = "models/sea",
                     .prompt = prompt,
                     .max_tokens = 12,
                     .sampling = {.temperature = 0},
                     .seed = 1})
        .text;
  };
  EXPECT_EQ(after("the sea is calm and "), "the lamp is ");
  EXPECT_EQ(after("what they count. 012"), "3456789 is w");
}

TEST_F(TrainingTest, ACancelledJobEndsAndPublishesNothing) {
  Upload("sea");
  const auto job = client_->CreateTrainingJob(LongSpec());
  ASSERT_TRUE(job.ok()) << job.status();
  WatchUntilTraining(job->name);
  ASSERT_TRUE(client_->CancelTrainingJob(job->name).ok());
  ASSERT_TRUE(client_->WatchTrainingJob(job->name, {}, {}).ok());
  EXPECT_EQ(client_->GetTrainingJob(job->name)->state, JobState::kCancelled);
  EXPECT_EQ(client_->GetModel("models/sea")->version_count, 0);
  EXPECT_TRUE(client_->CancelTrainingJob(job->name).ok()) << "cancelling again is no error";
}

TEST_F(TrainingTest, AJobThatIsOverCannotBeCancelled) {
  Upload("sea");
  const auto job = Train(SmallSpec());
  const absl::Status status = client_->CancelTrainingJob(job.name).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), "JOB_IS_OVER");
}

TEST_F(TrainingTest, AQueuedJobIsCancelledAtOnce) {
  Upload("sea");
  const auto running = client_->CreateTrainingJob(LongSpec());
  const auto queued = client_->CreateTrainingJob(LongSpec());
  ASSERT_TRUE(queued.ok()) << queued.status();
  EXPECT_EQ(client_->CancelTrainingJob(queued->name)->state, JobState::kCancelled);
  ASSERT_TRUE(client_->CancelTrainingJob(running->name).ok());
}

TEST_F(TrainingTest, ARestartedServerHasTheModelAndGoesOnWithAnUnfinishedJob) {
  TrainModel();
  const auto job = client_->CreateTrainingJob(LongSpec());
  ASSERT_TRUE(job.ok()) << job.status();
  WatchUntilTraining(job->name);
  client_.reset();
  Restart();
  Connect();
  EXPECT_EQ(client_->GetModel("models/sea")->version_count, 1);
  EXPECT_TRUE(Generate({.model = "models/sea", .prompt = "the ", .max_tokens = 5}).end.ok());
  WatchUntilTraining(job->name);
  EXPECT_EQ(client_->GetTrainingJob(job->name)->attempt, 2);
  EXPECT_EQ(client_->ListTrainingCheckpoints(job->name)->size(), 1u);
  ASSERT_TRUE(client_->CancelTrainingJob(job->name).ok());
}

TEST_F(TrainingTest, PausesAndResumesAJob) {
  Upload("sea");
  const auto job = client_->CreateTrainingJob(LongSpec());
  ASSERT_TRUE(job.ok()) << job.status();
  WatchUntilTraining(job->name);
  ASSERT_EQ(client_->PauseTrainingJob(job->name)->state, JobState::kPausing);
  const auto watch_until = [&](const auto& wanted) {
    client_
        ->WatchTrainingJob(job->name, {},
                           {.event = [&](const client::TrainingEvent& e) { return !wanted(e); }})
        .IgnoreError();
  };
  watch_until([](const auto& event) { return event.state == JobState::kPaused; });
  const auto checkpoints = client_->ListTrainingCheckpoints(job->name);
  ASSERT_TRUE(checkpoints.ok()) << checkpoints.status();
  ASSERT_EQ(checkpoints->size(), 1u);
  EXPECT_EQ(checkpoints->front().step, client_->GetTrainingJob(job->name)->progress->step);
  EXPECT_EQ(checkpoints->front().name,
            job->name + "/checkpoints/" + std::to_string(checkpoints->front().step));
  ASSERT_EQ(client_->ResumeTrainingJob(job->name)->state, JobState::kQueued);
  int64_t resumed_at = 0;
  watch_until([&](const auto& event) {
    if (event.kind != client::TrainingEvent::Kind::kResumed) return false;
    resumed_at = event.step;
    return true;
  });
  EXPECT_EQ(resumed_at, checkpoints->front().step);
  ASSERT_TRUE(client_->CancelTrainingJob(job->name).ok());
}

TEST_F(TrainingTest, AJobThatIsOverIsDeletedAndItsModelStays) {
  Upload("sea");
  const auto running = client_->CreateTrainingJob(LongSpec());
  ASSERT_TRUE(running.ok()) << running.status();
  const absl::Status refused = client_->DeleteTrainingJob(running->name);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(refused), "JOB_STATE");
  ASSERT_TRUE(client_->CancelTrainingJob(running->name).ok());
  const auto job = Train(SmallSpec());
  const auto checkpoints = client_->ListTrainingCheckpoints(job.name);
  ASSERT_EQ(checkpoints->size(), 1u);
  EXPECT_EQ(checkpoints->front().step, job.progress->steps);
  ASSERT_TRUE(client_->DeleteTrainingCheckpoint(checkpoints->front().name).ok());
  EXPECT_TRUE(client_->ListTrainingCheckpoints(job.name)->empty());
  EXPECT_EQ(ErrorReason(client_->DeleteTrainingCheckpoint(checkpoints->front().name)),
            "CHECKPOINT_NOT_FOUND");
  ASSERT_TRUE(client_->DeleteTrainingJob(job.name).ok());
  ASSERT_TRUE(client_->DeleteTrainingJob(running->name).ok());
  EXPECT_EQ(ErrorReason(client_->DeleteTrainingJob(job.name)), "JOB_NOT_FOUND");
  EXPECT_TRUE(client_->ListTrainingJobs()->empty());
  EXPECT_TRUE(Generate({.model = job.model_version, .prompt = "the ", .max_tokens = 5}).end.ok());
}

TEST_F(TrainingTest, TheCurveOfATrainingFallsAndSurvivesARestart) {
  Upload("sea");
  client::TrainingSpec spec = SmallSpec();
  spec.validation_share = 0.2;
  const auto job = Train(spec);
  const auto before = client_->ListTrainingMetrics(job.name);
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_EQ(static_cast<int64_t>(before->size()), job.progress->steps);
  EXPECT_LT(before->back().training_perplexity, before->front().training_perplexity);
  EXPECT_EQ(before->back().validation_perplexity, job.progress->validation_perplexity);
  EXPECT_EQ(before->back().tokens, job.progress->tokens);
  client_.reset();
  Restart();
  Connect();
  const auto after = client_->ListTrainingMetrics(job.name);
  ASSERT_EQ(after->size(), before->size());
  EXPECT_EQ(after->back().training_loss, before->back().training_loss);
  EXPECT_EQ(ErrorReason(client_->ListTrainingMetrics("trainingJobs/nobody").status()),
            "JOB_NOT_FOUND");
}

TEST_F(TrainingTest, AForkGoesOnFromACheckpointWithOtherSettings) {
  Upload("sea");
  const auto first = Train(SmallSpec());
  const auto checkpoint = client_->ListTrainingCheckpoints(first.name)->front();
  client::TrainingSpec spec;
  spec.start_from = client::StartFrom{.training_checkpoint = checkpoint.name};
  EXPECT_EQ(ErrorField(client_->CreateTrainingJob(spec).status()), "training_job.spec.epochs");
  spec.epochs = 8;
  spec.model = "models/longer";
  const auto longer = Train(spec);
  ASSERT_EQ(longer.state, JobState::kSucceeded) << longer.message;
  EXPECT_EQ(longer.model_version, "models/longer/versions/1");
  EXPECT_EQ(longer.spec.batch, SmallSpec().batch);
  EXPECT_EQ(longer.spec.start_from, spec.start_from);
  EXPECT_GT(longer.progress->tokens, first.progress->tokens);
  // It was never begun anew: 8 epochs at once end with the same weights.
  client::TrainingSpec whole = SmallSpec();
  whole.epochs = 8;
  const auto uninterrupted = Train(whole);
  EXPECT_EQ(client_->GetModel("models/longer")->latest_version->sha256,
            client_->GetModel("models/sea")->latest_version->sha256);

  spec.config.hidden = 25;
  EXPECT_EQ(ErrorField(client_->CreateTrainingJob(spec).status()),
            "training_job.spec.config.hidden");
  client::TrainingSpec of_version = SmallSpec();
  of_version.config = {};
  of_version.start_from = client::StartFrom{.model_version = "models/sea"};
  const auto again = Train(of_version);
  ASSERT_EQ(again.state, JobState::kSucceeded) << again.message;
  EXPECT_EQ(again.spec.start_from->model_version, uninterrupted.model_version);
  EXPECT_EQ(again.spec.config.hidden, 24);
}

TEST_F(TrainingTest, AModelIsUsedWhileItLearns) {
  Upload("sea");
  client::TrainingSpec spec = LongSpec();
  spec.checkpoint_interval = absl::Seconds(1);
  spec.checkpoints_to_keep = 100;
  const auto job = client_->CreateTrainingJob(spec);
  ASSERT_TRUE(job.ok()) << job.status();
  // Progress comes at least four times a second, and a checkpoint each second.
  client_
      ->WatchTrainingJob(job->name, {},
                         {.progress =
                              [&](const client::TrainingProgress&) {
                                return client_->ListTrainingCheckpoints(job->name)->empty();
                              }})
      .IgnoreError();
  const auto checkpoint = client_->ListTrainingCheckpoints(job->name)->front();
  const auto version = client_->PublishTrainingCheckpoint(checkpoint.name);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->name, "models/sea/versions/1");
  EXPECT_EQ(client_->GetTrainingJob(job->name)->state, JobState::kRunning);
  EXPECT_TRUE(Generate({.model = "models/sea", .prompt = "the ", .max_tokens = 5}).end.ok());
  EXPECT_EQ(client_->GetModel("models/sea")->latest_version->training_checkpoint, checkpoint.name);
  ASSERT_TRUE(client_->CancelTrainingJob(job->name).ok());
}

TEST_F(TrainingTest, ACorpusInUseCannotBeDeleted) {
  Upload("sea");
  const auto job = client_->CreateTrainingJob(LongSpec());
  const absl::Status status = client_->DeleteCorpus("corpora/sea");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), "CORPUS_IN_USE");
  ASSERT_TRUE(client_->CancelTrainingJob(job->name).ok());
  ASSERT_TRUE(client_->WatchTrainingJob(job->name, {}, {}).ok());
  EXPECT_TRUE(client_->DeleteCorpus("corpora/sea").ok());
}

TEST_F(TrainingTest, ARequestSentTwiceIsOneJob) {
  Upload("sea");
  const auto first = client_->CreateTrainingJob(SmallSpec(), {.request_id = "r1"});
  const auto again = client_->CreateTrainingJob(SmallSpec(), {.request_id = "r1"});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(first->name, again->name);
  client::TrainingSpec other = SmallSpec();
  other.epochs = 7;
  const auto different = client_->CreateTrainingJob(other, {.request_id = "r1"});
  EXPECT_EQ(ErrorField(different.status()), "request_id");
  ASSERT_TRUE(client_->WatchTrainingJob(first->name, {}, {}).ok());
}

TEST_F(TrainingTest, BadRequestsNameTheFieldAndChangeNothing) {
  Upload("sea");
  struct Case {
    const char* field;
    void (*spoil)(client::TrainingSpec& spec);
  };
  const Case cases[] = {
      {"training_job.spec.config.hidden", [](auto& spec) { spec.config.hidden = 0; }},
      {"training_job.spec.config.hidden", [](auto& spec) { spec.config.hidden = 1 << 30; }},
      {"training_job.spec.config.layers", [](auto& spec) { spec.config.layers = 9; }},
      {"training_job.spec.batch", [](auto& spec) { spec.batch = -1; }},
      {"training_job.spec.steps", [](auto& spec) { spec.steps = 1025; }},
      {"training_job.spec.epochs", [](auto& spec) { spec.epochs = 0; }},
      {"training_job.spec.max_steps", [](auto& spec) { spec.max_steps = -1; }},
      {"training_job.spec.max_training_time",
       [](auto& spec) { spec.max_training_time = absl::Milliseconds(1); }},
      {"training_job.spec.target_perplexity", [](auto& spec) { spec.target_perplexity = 0.5; }},
      {"training_job.spec.patience_epochs", [](auto& spec) { spec.patience_epochs = -1; }},
      {"training_job.spec.clip", [](auto& spec) { spec.clip = -1; }},
      {"training_job.spec.learning_rate.peak", [](auto& spec) { spec.learning_rate.peak = NAN; }},
      {"training_job.spec.validation_share", [](auto& spec) { spec.validation_share = 0.9; }},
      {"training_job.spec.max_tokens", [](auto& spec) { spec.max_tokens = 1; }},
      {"training_job.spec.corpus", [](auto& spec) { spec.corpus = "sea"; }},
      {"training_job.spec.model", [](auto& spec) { spec.model = "models/../../etc"; }},
  };
  for (const Case& bad : cases) {
    client::TrainingSpec spec = SmallSpec();
    bad.spoil(spec);
    const absl::Status status = client_->CreateTrainingJob(spec).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.field << ": " << status;
    EXPECT_EQ(ErrorField(status), bad.field) << status;
  }
  EXPECT_TRUE(client_->ListTrainingJobs()->empty());
  EXPECT_TRUE(client_->ListModels()->empty());
}

TEST_F(TrainingTest, ACorpusShorterThanAWindowIsRefusedWithBothNumbers) {
  ASSERT_TRUE(client_->UploadCorpus({.corpus_id = "sea"}, client::TextSource("too short")).ok());
  const absl::Status status = client_->CreateTrainingJob(SmallSpec()).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("9"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("180"));
}

TEST_F(TrainingTest, AnUnknownCorpusIsNotFound) {
  const absl::Status status = client_->CreateTrainingJob(SmallSpec()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
}

TEST_F(TrainingTest, ATrainingEndsWithWhateverComesFirst) {
  Upload("sea");
  client::TrainingSpec endless = LongSpec();
  endless.validation_share = 0.2;
  const auto defaults = client_->CreateTrainingJob(endless, {.validate_only = true});
  ASSERT_TRUE(defaults.ok()) << defaults.status();
  EXPECT_EQ(defaults->spec.max_steps, 0);
  EXPECT_EQ(defaults->spec.max_training_time, absl::ZeroDuration());
  EXPECT_EQ(defaults->spec.target_perplexity, 0);
  EXPECT_EQ(defaults->spec.patience_epochs, 0);
  struct Case {
    const char* reason;
    void (*limit)(client::TrainingSpec& spec);
  };
  const Case cases[] = {
      {"MAX_STEPS", [](auto& spec) { spec.max_steps = 5; }},
      {"TARGET_REACHED", [](auto& spec) { spec.target_perplexity = 1000; }},
      {"NO_IMPROVEMENT",
       [](auto& spec) {
         spec.patience_epochs = 1;
         spec.learning_rate.peak = 1000;  // nothing is learnt
       }},
      {"MAX_TRAINING_TIME", [](auto& spec) { spec.max_training_time = absl::Seconds(1); }}};
  int64_t versions = 0;
  for (const Case& one : cases) {
    client::TrainingSpec spec = endless;
    one.limit(spec);
    const auto job = Train(spec);
    ASSERT_EQ(job.state, JobState::kSucceeded) << one.reason << ": " << job.message;
    EXPECT_EQ(job.reason, one.reason);
    EXPECT_FALSE(job.message.empty());
    EXPECT_EQ(job.model_version, "models/sea/versions/" + std::to_string(++versions));
    const auto version = client_->GetModel("models/sea")->latest_version;
    EXPECT_EQ(version->validation_perplexity, job.progress->best_perplexity) << one.reason;
  }
  // A fork counts from its checkpoint.
  client::TrainingSpec limited = endless;
  limited.max_steps = 5;
  client::TrainingSpec fork;
  fork.start_from = client::StartFrom{
      .training_checkpoint = client_->ListTrainingCheckpoints(Train(limited).name)->front().name};
  const auto forked = Train(fork);
  EXPECT_EQ(forked.reason, "MAX_STEPS");
  EXPECT_EQ(forked.progress->step, 10);
  EXPECT_EQ(forked.progress->steps, 10);
  EXPECT_EQ(forked.spec.max_steps, 5);
}

}  // namespace
}  // namespace derin::server
