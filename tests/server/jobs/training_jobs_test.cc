#include "server/jobs/training_jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/jobs/training_run.h"
#include "server/status/error.h"
#include "tests/server/jobs/training_ground.h"
#include "tests/server/logging/captured_log.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using v1::TrainingJob;

struct TrainingJobsTest : TrainingGround {
  std::unique_ptr<TrainingJobs> jobs;

  void SetUp() override {
    TrainingGround::SetUp();
    NewJobs();
  }
  void NewJobs() {
    jobs.reset();
    jobs = std::make_unique<TrainingJobs>(
        Parts(), TrainingJobsOptions{.max_queued_jobs = 3, .wall_clock = Seconds()});
  }
};

TEST_F(TrainingJobsTest, TrainsWhatWasAskedFor) {
  ASSERT_TRUE(jobs->Start().ok());
  const auto job = jobs->Create(Request("a", TinySpec()));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->name(), "trainingJobs/a");
  EXPECT_EQ(job->state(), TrainingJob::STATE_QUEUED);
  EXPECT_GT(job->parameter_count(), 0);
  EXPECT_TRUE(job->spec().has_clip());  // resolved
  Tale tale(*jobs, "a");
  tale.AwaitEnd();
  EXPECT_TRUE(tale.status().ok()) << tale.status();
  EXPECT_EQ(jobs->Get("a")->state(), TrainingJob::STATE_SUCCEEDED);
  EXPECT_EQ(jobs->Get("a")->model_version(), "models/tiny/versions/1");
}

TEST_F(TrainingJobsTest, TheLogNamesTheTraceThatAJobComesFromAlsoAfterARestart) {
  CapturedLog captured(LogFormat::kText);
  ASSERT_TRUE(jobs->Create(Request("a", TinySpec()), {.name = "ada"}, "4bf9").ok());
  EXPECT_THAT(
      captured.text(),
      EndsWith(" info A training job was created. training_job=a caller=ada trace_id=4bf9\n"));
  NewJobs();
  EXPECT_EQ(jobs->Get("a")->trace_id(), "4bf9");
  ASSERT_TRUE(jobs->Create(Request("b", TinySpec())).ok());
  ASSERT_TRUE(jobs->Start().ok());
  Tale(*jobs, "b").AwaitEnd();
  jobs.reset();
  const std::string text = captured.text();
  EXPECT_THAT(text, HasSubstr("The training begins. training_job=a attempt=1 trace_id=4bf9\n"));
  EXPECT_THAT(text, HasSubstr("The training is complete. training_job=a state=SUCCEEDED\n"));
  EXPECT_THAT(text, HasSubstr("The training begins. training_job=b attempt=1\n"));
}

TEST_F(TrainingJobsTest, DrawsWhatIsNotGiven) {
  v1::TrainingSpec spec = TinySpec();
  spec.clear_seed();
  const auto one = jobs->Create(Request("", spec)), other = jobs->Create(Request("", spec));
  ASSERT_TRUE(one.ok() && other.ok()) << one.status() << other.status();
  EXPECT_THAT(one->name(), MatchesRegex("trainingJobs/[a-z][a-z0-9-]+"));
  EXPECT_NE(one->name(), other->name());
  EXPECT_NE(one->spec().seed(), other->spec().seed());
}

TEST_F(TrainingJobsTest, TheSameRequestIsAnsweredWithItsJob) {
  v1::CreateTrainingJobRequest request = Request("", TinySpec());
  request.mutable_training_job()->mutable_spec()->clear_seed();
  request.set_request_id("once");
  const auto first = jobs->Create(request), again = jobs->Create(request);
  ASSERT_TRUE(first.ok() && again.ok()) << first.status() << again.status();
  EXPECT_EQ(first->name(), again->name());
  EXPECT_EQ(first->spec().seed(), again->spec().seed());
  EXPECT_EQ(jobs->List("", 10)->items.size(), 1u);
  request.mutable_training_job()->mutable_spec()->set_epochs(77);
  EXPECT_EQ(jobs->Create(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TrainingJobsTest, ARetryIsAnsweredThoughTheQueueIsFull) {
  v1::CreateTrainingJobRequest request = Request("a", TinySpec());
  request.set_request_id("once");
  ASSERT_TRUE(jobs->Create(request).ok());
  ASSERT_TRUE(jobs->Create(Request("b", TinySpec())).ok());
  ASSERT_TRUE(jobs->Create(Request("c", TinySpec())).ok());
  EXPECT_EQ(ErrorReason(jobs->Create(Request("d", TinySpec())).status()), "JOBS_FULL");
  EXPECT_TRUE(jobs->Create(request).ok());
}

TEST_F(TrainingJobsTest, ValidatingStoresNothing) {
  v1::CreateTrainingJobRequest request = Request("a", TinySpec());
  request.set_validate_only(true);
  const auto job = jobs->Create(request);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->name(), "trainingJobs/a");
  EXPECT_TRUE(job->spec().has_clip());
  EXPECT_EQ(job->tokens_per_epoch(), 19 * 4 * 5);
  EXPECT_GT(job->estimated_training_time().nanos(), 0);
  EXPECT_EQ(jobs->Get("a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store->GetModel("tiny").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(jobs->Create(Request("a", TinySpec())).ok());
  EXPECT_EQ(ErrorReason(jobs->Create(request).status()), "JOB_EXISTS");
}

TEST_F(TrainingJobsTest, RefusesRequestsThatMakeNoSense) {
  v1::CreateTrainingJobRequest request;
  EXPECT_EQ(ErrorField(jobs->Create(request).status()), "training_job.spec");
  EXPECT_EQ(ErrorField(jobs->Create(Request("No", TinySpec())).status()), "training_job_id");
  request = Request("a", TinySpec());
  request.set_request_id(std::string(129, 'x'));
  EXPECT_EQ(ErrorField(jobs->Create(request).status()), "request_id");
  v1::TrainingSpec spec = TinySpec();
  spec.set_batch(0);
  EXPECT_EQ(ErrorField(jobs->Create(Request("a", spec)).status()), "training_job.spec.batch");
  spec = TinySpec();
  spec.set_corpus("corpora/nobody");
  EXPECT_EQ(ErrorReason(jobs->Create(Request("a", spec)).status()), "CORPUS_NOT_FOUND");
  ASSERT_TRUE(jobs->Create(Request("a", TinySpec())).ok());
  EXPECT_EQ(ErrorReason(jobs->Create(Request("a", TinySpec())).status()), "JOB_EXISTS");
}

TEST_F(TrainingJobsTest, CancelsAJobThatWaits) {
  ASSERT_TRUE(jobs->Create(Request("a", TinySpec())).ok());
  EXPECT_EQ(jobs->Cancel("a")->state(), TrainingJob::STATE_CANCELLED);
  ASSERT_TRUE(jobs->Create(Request("b", TinySpec())).ok());
  ASSERT_TRUE(jobs->Start().ok());
  Tale(*jobs, "b").AwaitEnd();
  EXPECT_EQ(jobs->Get("a")->attempt(), 0);
}

TEST_F(TrainingJobsTest, CancelsAJobThatRuns) {
  ASSERT_TRUE(jobs->Start().ok());
  ASSERT_TRUE(jobs->Create(Request("a", EndlessSpec())).ok());
  Tale tale(*jobs, "a");
  tale.AwaitProgress(1);
  EXPECT_GT(jobs->Get("a")->progress().step(), 0);  // while it runs
  EXPECT_GT(jobs->List("", 1)->items.at(0).progress().step(), 0);
  EXPECT_EQ(jobs->Cancel("a")->state(), TrainingJob::STATE_CANCELLING);
  tale.AwaitEnd();
  EXPECT_EQ(jobs->Get("a")->state(), TrainingJob::STATE_CANCELLED);
  EXPECT_EQ(store->GetModel("tiny")->version_count(), 0);
}

TEST_F(TrainingJobsTest, PausesAndResumesAJobThatRuns) {
  ASSERT_TRUE(jobs->Start().ok());
  ASSERT_TRUE(jobs->Create(Request("a", EndlessSpec())).ok());
  Tale tale(*jobs, "a");
  tale.AwaitProgress(1);
  EXPECT_TRUE(jobs->ListCheckpoints("a")->empty());
  ASSERT_EQ(jobs->Pause("a")->state(), TrainingJob::STATE_PAUSING);
  tale.AwaitEvents(4);
  EXPECT_EQ(jobs->Get("a")->state(), TrainingJob::STATE_PAUSED);
  const auto checkpoints = jobs->ListCheckpoints("a");
  ASSERT_TRUE(checkpoints.ok()) << checkpoints.status();
  ASSERT_EQ(checkpoints->size(), 1u);
  EXPECT_EQ(checkpoints->front().step(), jobs->Get("a")->progress().step());
  ASSERT_EQ(jobs->Resume("a")->state(), TrainingJob::STATE_QUEUED);
  tale.AwaitProgress(2);
  EXPECT_EQ(tale.States(), "QUEUED RUNNING PAUSING PAUSED QUEUED RUNNING R");
  EXPECT_EQ(jobs->ListCheckpoints("nobody").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(TrainingJobsTest, TakesUpWhatAnEarlierServerLeft) {
  {
    ASSERT_TRUE(jobs->Start().ok());
    ASSERT_TRUE(jobs->Create(Request("a", EndlessSpec())).ok());
    ASSERT_TRUE(jobs->Create(Request("b", TinySpec())).ok());
    Tale tale(*jobs, "a");
    tale.AwaitProgress(1);
    jobs->Stop();
  }
  NewJobs();
  ASSERT_TRUE(jobs->Start().ok());
  Tale tale(*jobs, "a", 3);  // after QUEUED RUNNING QUEUED
  tale.AwaitProgress(2);
  EXPECT_EQ(tale.States(), "RUNNING R");
  ASSERT_TRUE(jobs->Cancel("a").ok());
  Tale(*jobs, "b").AwaitEnd();
  EXPECT_EQ(jobs->Get("b")->state(), TrainingJob::STATE_SUCCEEDED);
}

TEST_F(TrainingJobsTest, DeletesAJobWithAllThatOnlyItNeeds) {
  ASSERT_TRUE(jobs->Start().ok());
  ASSERT_TRUE(jobs->Create(Request("a", TinySpec())).ok());
  Tale(*jobs, "a").AwaitEnd();
  const auto checkpoints = store->ListTrainingCheckpoints("a");
  ASSERT_EQ(checkpoints->size(), 1u) << "of its last step";
  ASSERT_TRUE(jobs->Delete("a").ok());
  EXPECT_EQ(ErrorReason(jobs->Get("a").status()), "JOB_NOT_FOUND");
  EXPECT_FALSE(blobs->Read(checkpoints->front().state_sha256).ok());
  // The weights are the version's too.
  EXPECT_TRUE(blobs->Read(checkpoints->front().model_sha256).ok());
  EXPECT_TRUE(registry->Resolve("models/tiny", "model").ok());
  EXPECT_TRUE(blobs->Read(store->GetCorpus("text")->sha256()).ok());
}

TEST_F(TrainingJobsTest, DeletesACheckpointAndItsFiles) {
  ASSERT_TRUE(jobs->Start().ok());
  ASSERT_TRUE(jobs->Create(Request("a", TinySpec())).ok());
  Tale(*jobs, "a").AwaitEnd();
  const auto checkpoint = store->ListTrainingCheckpoints("a")->front();
  const CheckpointReference name{.job_id = "a", .step = checkpoint.checkpoint.step()};
  ASSERT_TRUE(jobs->DeleteCheckpoint(name).ok());
  EXPECT_TRUE(jobs->ListCheckpoints("a")->empty());
  EXPECT_FALSE(blobs->Read(checkpoint.state_sha256).ok());
  EXPECT_EQ(ErrorReason(jobs->DeleteCheckpoint(name)), "CHECKPOINT_NOT_FOUND");
}

TEST_F(TrainingJobsTest, TheWatchesOfADeletedJobEndAndThoseOfTheNextOfItsIdDoNot) {
  ASSERT_TRUE(jobs->Create(Request("a", TinySpec())).ok());
  Tale first(*jobs, "a");
  first.AwaitEvents(1);
  ASSERT_TRUE(jobs->Pause("a").ok());
  ASSERT_TRUE(jobs->Delete("a").ok());
  ASSERT_TRUE(jobs->Create(Request("a", TinySpec())).ok());
  Tale next(*jobs, "a");
  first.AwaitEnd();
  EXPECT_EQ(ErrorReason(first.status()), "JOB_NOT_FOUND");
  ASSERT_TRUE(jobs->Start().ok());
  next.AwaitEnd();
  EXPECT_TRUE(next.status().ok()) << next.status();
  EXPECT_EQ(next.States(), "QUEUED RUNNING P SUCCEEDED");
}

TEST_F(TrainingJobsTest, HasTheCurveOfAJobThatRunsAndOfOneThatIsOver) {
  ASSERT_TRUE(jobs->Start().ok());
  ASSERT_TRUE(jobs->Create(Request("done", TinySpec())).ok());
  ASSERT_TRUE(jobs->Create(Request("runs", EndlessSpec())).ok());
  Tale done(*jobs, "done"), runs(*jobs, "runs");
  done.AwaitEnd();
  const auto whole = jobs->ListMetrics("done");
  ASSERT_TRUE(whole.ok()) << whole.status();
  const v1::TrainingProgress end = jobs->Get("done")->progress();
  ASSERT_EQ(whole->training_metrics_size(), end.steps());
  EXPECT_EQ(whole->training_metrics().rbegin()->epoch_training_perplexity(),
            end.epoch_training_perplexity());
  runs.AwaitProgress(1);
  EXPECT_GT(jobs->ListMetrics("runs")->training_metrics_size(), 0);
  EXPECT_EQ(store->GetTrainingCurve("runs")->training_metrics_size(), 0) << "no checkpoint yet";
  ASSERT_TRUE(jobs->Cancel("runs").ok());
  runs.AwaitEnd();
  EXPECT_EQ(jobs->ListMetrics("runs")->training_metrics().rbegin()->step(),
            jobs->Get("runs")->progress().step())
      << "also what came after its newest checkpoint";
  EXPECT_EQ(ErrorReason(jobs->ListMetrics("nobody").status()), "JOB_NOT_FOUND");
}

TEST_F(TrainingJobsTest, PublishesTheCheckpointOfAJobThatGoesOn) {
  ASSERT_TRUE(jobs->Start().ok());
  v1::TrainingSpec spec = EndlessSpec();
  spec.set_validation_share(0.2);
  ASSERT_TRUE(jobs->Create(Request("a", spec)).ok());
  Tale tale(*jobs, "a");
  tale.AwaitProgress(1);
  ASSERT_TRUE(jobs->Pause("a").ok());
  tale.AwaitEvents(4);
  const v1::TrainingCheckpoint checkpoint = jobs->ListCheckpoints("a")->front();
  const CheckpointReference name{.job_id = "a", .step = checkpoint.step()};
  const auto version = jobs->PublishCheckpoint(name);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->name(), "models/tiny/versions/1");
  EXPECT_EQ(version->training_checkpoint(), checkpoint.name());
  EXPECT_EQ(version->training_perplexity(), checkpoint.training_perplexity());
  EXPECT_TRUE(version->has_create_time());
  EXPECT_EQ(version->parameter_count(), jobs->Get("a")->parameter_count());
  EXPECT_TRUE(registry->Resolve("models/tiny", "model").ok());
  tale.AwaitEvents(5);
  EXPECT_EQ(tale.States(), "QUEUED RUNNING PAUSING PAUSED P");
  EXPECT_EQ(jobs->Get("a")->state(), TrainingJob::STATE_PAUSED);

  // Deleted with its job, the checkpoint leaves the version its weights.
  ASSERT_TRUE(jobs->Delete("a").ok());
  EXPECT_TRUE(blobs->Read(version->sha256()).ok());
  EXPECT_EQ(ErrorReason(jobs->PublishCheckpoint(name).status()), "JOB_NOT_FOUND");
}

TEST_F(TrainingJobsTest, PublishesTheCheckpointOfAJobThatIsOverWithoutAnEvent) {
  ASSERT_TRUE(jobs->Start().ok());
  v1::TrainingSpec spec = TinySpec();
  spec.set_validation_share(0.2);
  ASSERT_TRUE(jobs->Create(Request("a", spec)).ok());
  Tale(*jobs, "a").AwaitEnd();
  const v1::TrainingCheckpoint checkpoint = jobs->ListCheckpoints("a")->front();
  const auto version = jobs->PublishCheckpoint({.job_id = "a", .step = checkpoint.step()});
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->name(), "models/tiny/versions/2");
  // Its step ended an epoch, so the validation is of these weights.
  EXPECT_EQ(version->validation_perplexity(), checkpoint.validation_perplexity());
  EXPECT_EQ(store->ListTrainingEvents("a", 0)->size(), 4u);
}

TEST_F(TrainingJobsTest, DoesNotPublishWhatIsUntrainedDamagedOrNotThere) {
  ASSERT_TRUE(store->InsertTrainingJob(TestJob("a", "tiny")).ok());
  for (const int64_t step : {0, 5}) {
    StoredCheckpoint stored{.model_sha256 = Sha256Hex("gone"), .state_sha256 = Sha256Hex("too")};
    stored.checkpoint.set_name(CheckpointName("a", step));
    stored.checkpoint.set_step(step);
    ASSERT_TRUE(store->InsertTrainingCheckpoint("a", stored, {.newest = 2}).ok());
  }
  const auto reason = [this](int64_t step) {
    return ErrorReason(jobs->PublishCheckpoint({.job_id = "a", .step = step}).status());
  };
  EXPECT_EQ(reason(0), "CHECKPOINT_UNTRAINED");
  EXPECT_EQ(reason(5), "CHECKPOINT_DAMAGED");
  EXPECT_EQ(reason(7), "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(store->GetModel("tiny")->version_count(), 0);
}

// A paused job with a checkpoint of its 20th step, and what can be made of that.
struct ForkTest : TrainingJobsTest {
  const MonotonicClock clock = SystemMonotonicClock();
  std::string checkpoint;

  void SetUp() override {
    TrainingJobsTest::SetUp();
    v1::TrainingSpec spec = TinySpec();
    spec.mutable_config()->set_cell(v1::CELL_GRU);
    spec.mutable_optimizer()->mutable_adam();
    spec.mutable_learning_rate()->set_schedule(v1::LearningRate::SCHEDULE_COSINE);
    spec.set_validation_share(0.2);
    spec.set_epochs(20);
    ASSERT_TRUE(jobs->Create(Request("source", spec)).ok());
    const auto paused = jobs->Pause("source");  // while it waits: no race with its end
    ASSERT_TRUE(paused.ok()) << paused.status();
    const auto run =
        TrainingRun::Create({*backend, *store, *blobs, metrics, clock, wall_clock}, *paused);
    ASSERT_TRUE(run.ok()) << run.status();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE((*run)->Step().ok());
    ASSERT_TRUE((*run)->WriteCheckpoint().ok());
    checkpoint = jobs->ListCheckpoints("source")->front().name();
    ASSERT_TRUE(jobs->Start().ok());
  }
  v1::TrainingSpec Fork(const std::string& model) const {
    v1::TrainingSpec spec;
    spec.mutable_start_from()->set_training_checkpoint(checkpoint);
    spec.set_model("models/" + model);
    return spec;
  }
  // How the job ended: its version.
  v1::ModelVersion End(const std::string& id) {
    Tale(*jobs, id).AwaitEnd();
    const TrainingJob job = *jobs->Get(id);
    EXPECT_EQ(job.state(), TrainingJob::STATE_SUCCEEDED) << job.message();
    return store->GetModelVersion({std::string(IdOf(job.spec().model()))})
        .value_or(v1::ModelVersion());
  }
};

TEST_F(ForkTest, WithTheSameSettingsItEndsAsTheJobThatItCameFrom) {
  ASSERT_TRUE(jobs->Create(Request("fork", Fork("fork"))).ok());
  const v1::ModelVersion fork = End("fork");
  Tale tale(*jobs, "fork");
  tale.AwaitEnd();
  EXPECT_EQ(tale.States(), "QUEUED RUNNING R P SUCCEEDED");
  for (const auto& response : tale.told()) {
    if (response.event().kind() != v1::TrainingEvent::KIND_RESUMED) continue;
    EXPECT_THAT(response.event().message(), HasSubstr(checkpoint));
    EXPECT_EQ(CheckpointName("source", response.event().step()), checkpoint);
  }
  ASSERT_TRUE(jobs->Resume("source").ok());
  const v1::ModelVersion source = End("source");
  EXPECT_EQ(fork.sha256(), source.sha256()) << "the same weights, bit for bit";
  EXPECT_EQ(fork.training_perplexity(), source.training_perplexity());
  EXPECT_EQ(fork.validation_perplexity(), source.validation_perplexity());
}

TEST_F(ForkTest, OutlivesWhatItCameFrom) {
  // It waits behind a job that never ends, while its source is deleted.
  ASSERT_TRUE(jobs->Create(Request("endless", EndlessSpec())).ok());
  ASSERT_TRUE(jobs->Create(Request("fork", Fork("fork"))).ok());
  const JobStart start = **store->GetTrainingStart("fork");
  ASSERT_TRUE(jobs->Delete("source").ok());
  EXPECT_TRUE(blobs->Read(start.model_sha256).ok());
  EXPECT_TRUE(blobs->Read(start.state_sha256).ok());
  EXPECT_EQ(ErrorReason(jobs->Create(Request("late", Fork("late"))).status()), "JOB_NOT_FOUND");
  Tale tale(*jobs, "fork");
  ASSERT_TRUE(jobs->Cancel("endless").ok());
  End("fork");
  tale.AwaitEnd();
  EXPECT_EQ(tale.States(), "QUEUED RUNNING R P SUCCEEDED");
}

TEST_F(ForkTest, OtherSettingsGiveOtherWeights) {
  v1::TrainingSpec spec = Fork("fork");
  spec.mutable_learning_rate()->set_peak(0.01);
  const auto fork = jobs->Create(Request("fork", spec));
  ASSERT_TRUE(fork.ok()) << fork.status();
  EXPECT_EQ(fork->spec().epochs(), 20);
  EXPECT_EQ(fork->spec().config().cell(), v1::CELL_GRU);
  EXPECT_EQ(fork->spec().corpus(), "corpora/text");
  EXPECT_EQ(fork->spec().start_from().training_checkpoint(), checkpoint);
  const std::string forked = End("fork").sha256();
  ASSERT_TRUE(jobs->Resume("source").ok());
  EXPECT_NE(forked, End("source").sha256());
}

TEST_F(ForkTest, WithTheWeightsAloneItBeginsAtStepNought) {
  v1::TrainingSpec spec = Fork("fork");
  spec.mutable_start_from()->set_weights_only(true);
  spec.set_batch(2);
  spec.set_epochs(1);
  spec.mutable_optimizer()->mutable_sgd();
  spec.mutable_learning_rate()->set_peak(1e-9);  // so that the weights stay what they are
  const auto fork = jobs->Create(Request("fork", spec));
  ASSERT_TRUE(fork.ok()) << fork.status();
  End("fork");
  Tale tale(*jobs, "fork");
  tale.AwaitEnd();
  EXPECT_EQ(tale.States(), "QUEUED RUNNING P SUCCEEDED");
  EXPECT_EQ(jobs->Get("fork")->progress().epochs(), 1);
  EXPECT_EQ(jobs->ListMetrics("fork")->training_metrics(0).step(), 1);
  const auto weights = [this](const std::string& sha256) {
    return DecodeModelFile(*blobs->Read(sha256))->parameters.values;
  };
  const auto before = weights(store->ListTrainingCheckpoints("source")->front().model_sha256);
  const auto after = weights(store->ListTrainingCheckpoints("fork")->front().model_sha256);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) ASSERT_NEAR(before[i], after[i], 1e-6);
}

TEST_F(ForkTest, FromAVersionOnAnotherTextKeepsTheVocabulary) {
  const auto version = jobs->PublishCheckpoint(*ParseCheckpointName(checkpoint, "name"));
  ASSERT_TRUE(version.ok()) << version.status();
  std::string text;
  for (int i = 0; i < 40; ++i) text += "ihgfedcba!? ";
  ASSERT_TRUE(AddCorpus("other", text).ok());
  v1::TrainingSpec spec;
  spec.mutable_start_from()->set_model_version("models/tiny");
  spec.set_corpus("corpora/other");
  spec.set_model("models/other");
  spec.set_batch(4);
  spec.set_steps(5);
  spec.set_epochs(2);
  const auto job = jobs->Create(Request("fork", spec));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec().start_from().model_version(), version->name());
  const v1::ModelVersion other = End("fork");
  EXPECT_EQ(other.vocabulary_size(), version->vocabulary_size());
  EXPECT_EQ(other.parameter_count(), version->parameter_count());
}

TEST_F(ForkTest, GoesOnAfterARestartFromItsOwnCheckpoint) {
  v1::TrainingSpec spec = Fork("fork");
  spec.set_epochs(1'000'000);
  ASSERT_TRUE(jobs->Create(Request("fork", spec)).ok());
  {
    Tale tale(*jobs, "fork");
    tale.AwaitProgress(1);
    jobs->Stop();
  }
  const int64_t stopped_at = jobs->ListCheckpoints("fork")->front().step();
  NewJobs();
  ASSERT_TRUE(jobs->Start().ok());
  Tale tale(*jobs, "fork", 4);  // after QUEUED RUNNING R QUEUED
  tale.AwaitProgress(2);
  EXPECT_EQ(tale.States(), "RUNNING R");
  EXPECT_EQ(store->ListTrainingEvents("fork", 5)->front().step(), stopped_at);
  ASSERT_TRUE(jobs->Cancel("fork").ok());
}

TEST_F(TrainingJobsTest, AShareIsKeptAndCanBeChanged) {
  v1::CreateTrainingJobRequest request = Request("a", TinySpec());
  EXPECT_EQ(jobs->Create(request)->share(), 1);
  request = Request("b", TinySpec());
  request.mutable_training_job()->set_share(101);
  EXPECT_EQ(ErrorField(jobs->Create(request).status()), "training_job.share");
  request.mutable_training_job()->set_share(100);
  ASSERT_TRUE(jobs->Create(request).ok());
  v1::UpdateTrainingJobRequest update;
  update.mutable_training_job()->set_share(5);
  update.mutable_update_mask()->add_paths("share");
  EXPECT_EQ(jobs->Update("a", update)->share(), 5);
  NewJobs();
  EXPECT_EQ(jobs->Get("a")->share(), 5);
  EXPECT_EQ(jobs->Get("b")->share(), 100);
}

TEST_F(TrainingJobsTest, SaysWhyAJobWaits) {
  ASSERT_TRUE(jobs->Start().ok());
  const auto running = jobs->Create(Request("running", EndlessSpec()));
  ASSERT_TRUE(running.ok()) << running.status();
  EXPECT_GT(running->memory_bytes(), 0);
  Tale tale(*jobs, "running");
  tale.AwaitProgress(1);
  ASSERT_TRUE(jobs->Create(Request("waits", TinySpec())).ok());
  EXPECT_THAT(jobs->Get("waits")->waiting_reason(), HasSubstr("--max-running-jobs"));
  EXPECT_EQ(jobs->Get("running")->waiting_reason(), "");
  const auto listed = jobs->List("", 10);
  ASSERT_EQ(listed->items.size(), 2u);
  EXPECT_EQ(listed->items[0].waiting_reason(), jobs->Get("waits")->waiting_reason());
  EXPECT_EQ(store->GetTrainingJob("waits")->waiting_reason(), "") << "it is not stored";
  // Paused it waits for nothing but its resumption.
  ASSERT_TRUE(jobs->Pause("waits").ok());
  EXPECT_EQ(jobs->Get("waits")->waiting_reason(), "");
}

TEST_F(TrainingJobsTest, LabelsAreKeptAndFindJobs) {
  v1::CreateTrainingJobRequest request = Request("a", TinySpec());
  request.set_request_id("once");
  auto& labels = *request.mutable_training_job()->mutable_labels();
  for (const char* key : {"team", "draft", "book"}) labels[key] = "x";
  ASSERT_TRUE(jobs->Create(request).ok());
  EXPECT_TRUE(jobs->Create(request).ok()) << "the same request, whatever the order of its labels";
  ASSERT_TRUE(jobs->Create(Request("b", TinySpec())).ok());
  JobLabels wanted;
  EXPECT_EQ(jobs->List("", 10, wanted)->items.size(), 2u);
  wanted["team"] = "x";
  ASSERT_EQ(jobs->List("", 10, wanted)->items.size(), 1u);
  EXPECT_EQ(jobs->List("", 10, wanted)->items[0].name(), "trainingJobs/a");
  wanted["draft"] = "y";
  EXPECT_EQ(jobs->List("", 10, wanted)->items.size(), 0u);
  wanted["Not a key"] = "";
  EXPECT_EQ(ErrorField(jobs->List("", 10, wanted).status()), "labels");
  labels["Not a key"] = "";
  request.set_request_id("twice");
  EXPECT_EQ(ErrorField(jobs->Create(request).status()), "training_job.labels");
}

TEST_F(TrainingJobsTest, ListsTheNewestFirst) {
  for (const char* id : {"b", "a", "c"}) {
    ASSERT_TRUE(jobs->Create(Request(id, TinySpec())).ok());
  }
  const auto first = jobs->List("", 2);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->items.size(), 2u);
  EXPECT_EQ(first->items[0].name(), "trainingJobs/c");
  EXPECT_EQ(first->items[1].name(), "trainingJobs/a");
  EXPECT_EQ(jobs->List(first->next, 2)->items.at(0).name(), "trainingJobs/b");
}

TEST_F(TrainingJobsTest, CountsItsJobsForTheMetrics) {
  ASSERT_TRUE(jobs->Create(Request("a", TinySpec())).ok());
  ASSERT_TRUE(jobs->Create(Request("b", TinySpec())).ok());
  EXPECT_EQ(jobs->Count()->queued, 2);
  std::map<std::string, double> states;
  for (const auto& metric : metrics.training_jobs.Collect().metric) {
    states[metric.label.at(0).value] = metric.gauge.value;
  }
  EXPECT_EQ(states,
            (std::map<std::string, double>{
                {"queued", 2}, {"running", 0}, {"pausing", 0}, {"paused", 0}, {"cancelling", 0}}));
  jobs.reset();
  EXPECT_TRUE(metrics.training_jobs.Collect().metric.empty());
}

TEST_F(TrainingJobsTest, EndsItsWatchesWhenToldTo) {
  ASSERT_TRUE(jobs->Create(Request("a", TinySpec())).ok());
  Tale tale(*jobs, "a");
  jobs->StopWatching(Refusal(absl::StatusCode::kUnavailable, "SERVER_STOPPING", "stopping"));
  tale.AwaitEnd();
  EXPECT_EQ(ErrorReason(tale.status()), "SERVER_STOPPING");
}

}  // namespace
}  // namespace derin::server
