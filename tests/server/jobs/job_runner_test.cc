#include "server/jobs/job_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <string>

#include "tests/sanitized.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using v1::TrainingJob;

struct JobRunnerTest : TrainingGround {
  std::unique_ptr<JobWatchers> watchers;
  std::unique_ptr<JobLedger> ledger;
  std::unique_ptr<JobRunner> runner;
  const MonotonicClock clock = SystemMonotonicClock();

  void SetUp() override {
    TrainingGround::SetUp();
    watchers = std::make_unique<JobWatchers>(*store);
    ledger = std::make_unique<JobLedger>(*store, *registry, *watchers, Seconds());
    NewRunner();
  }
  void NewRunner(int max_running = 1) {
    const TrainingRun::Surroundings surroundings{*backend, *store, *blobs,
                                                 metrics,  clock,  wall_clock};
    runner = std::make_unique<JobRunner>(surroundings, *ledger, *watchers, max_running);
  }
  void Add(const std::string& id, const v1::TrainingSpec& spec) {
    ASSERT_TRUE(ledger->Add({.id = id, .spec = spec}, 100).ok());
  }
  std::unique_ptr<Tale> Watch(const std::string& id) {
    return std::make_unique<Tale>(
        [&](std::function<void()> on_news) { return watchers->Watch(id, 0, std::move(on_news)); });
  }
};

TEST_F(JobRunnerTest, PublishesWhatItTrained) {
  Add("a", TinySpec());
  const auto tale = Watch("a");
  runner->Start();
  tale->AwaitEnd();
  EXPECT_EQ(tale->States(), "QUEUED RUNNING P SUCCEEDED");
  const auto told = tale->told();
  ASSERT_GE(told.size(), 3u);
  EXPECT_TRUE(told.front().has_snapshot());
  // The last progress is that of the last step, before the job is over.
  ASSERT_TRUE(told[told.size() - 3].has_progress());
  EXPECT_EQ(told[told.size() - 3].progress().fraction_done(), 1);

  const TrainingJob job = *store->GetTrainingJob("a");
  EXPECT_EQ(job.model_version(), "models/tiny/versions/1");
  EXPECT_EQ(job.progress().fraction_done(), 1);
  const auto version = store->GetModelVersion({"tiny", 1});
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->training_perplexity(), job.progress().epoch_training_perplexity());
  EXPECT_FALSE(version->has_validation_perplexity());
  EXPECT_EQ(version->training_job(), "trainingJobs/a");
  EXPECT_TRUE(registry->Resolve("models/tiny", "model").ok());
}

TEST_F(JobRunnerTest, RunsJobsInTheOrderOfTheirArrival) {
  for (const char* id : {"c", "a", "b"}) Add(id, TinySpec());
  const auto last = Watch("b");
  runner->Start();
  last->AwaitEnd();
  const auto started = [this](const char* id) {
    return store->GetTrainingJob(id)->start_time().seconds();
  };
  EXPECT_LT(started("c"), started("a"));
  EXPECT_LT(started("a"), started("b"));
  // One ends before the next begins.
  EXPECT_LT(store->GetTrainingJob("c")->end_time().seconds(), started("a"));
  EXPECT_EQ(store->GetTrainingJob("b")->model_version(), "models/tiny/versions/3");
}

TEST_F(JobRunnerTest, WakesForAJobThatComesLater) {
  runner->Start();
  Add("a", TinySpec());
  runner->Wake();
  Watch("a")->AwaitEnd();
  Add("b", TinySpec());
  runner->Wake();
  Watch("b")->AwaitEnd();
  EXPECT_EQ(store->GetTrainingJob("b")->state(), TrainingJob::STATE_SUCCEEDED);
}

TEST_F(JobRunnerTest, EndsACancelledJobAndTakesTheNext) {
  Add("endless", EndlessSpec());
  Add("next", TinySpec());
  const auto tale = Watch("endless"), next = Watch("next");
  runner->Start();
  tale->AwaitProgress(1);
  ASSERT_EQ(ledger->Cancel("endless")->state(), TrainingJob::STATE_CANCELLING);
  runner->Interrupt("endless");
  tale->AwaitEnd();
  EXPECT_EQ(tale->States(), "QUEUED RUNNING CANCELLING CANCELLED");
  const TrainingJob job = *store->GetTrainingJob("endless");
  EXPECT_EQ(job.reason(), "CANCELLED");
  EXPECT_GT(job.progress().step(), 0);
  next->AwaitEnd();
  EXPECT_EQ(store->GetTrainingJob("next")->state(), TrainingJob::STATE_SUCCEEDED);
}

TEST_F(JobRunnerTest, DoesNotInterruptAnotherJob) {
  Add("endless", EndlessSpec());
  const auto tale = Watch("endless");
  runner->Start();
  tale->AwaitProgress(1);
  runner->Interrupt("another");
  runner->Stop();
  tale->AwaitEvents(3);
  EXPECT_EQ(tale->States(), "QUEUED RUNNING QUEUED");
}

TEST_F(JobRunnerTest, SaysWhyAJobFailed) {
  v1::TrainingSpec diverging = TinySpec();
  diverging.mutable_config()->set_cell(v1::CELL_VANILLA_RELU);
  diverging.mutable_learning_rate()->set_peak(1000);
  diverging.set_clip(1e30);
  diverging.set_epochs(1000);
  Add("diverging", diverging);
  Add("next", TinySpec());
  const auto tale = Watch("diverging"), next = Watch("next");
  runner->Start();
  tale->AwaitEnd();
  EXPECT_EQ(tale->States(), "QUEUED RUNNING FAILED");
  const TrainingJob job = *store->GetTrainingJob("diverging");
  EXPECT_EQ(job.reason(), "DIVERGED");
  EXPECT_THAT(job.message(), HasSubstr("step"));
  EXPECT_TRUE(job.has_end_time());
  next->AwaitEnd();
  EXPECT_EQ(store->GetTrainingJob("next")->state(), TrainingJob::STATE_SUCCEEDED);
}

TEST_F(JobRunnerTest, FailsAJobWhoseCorpusIsDamaged) {
  Add("a", TinySpec());
  std::filesystem::remove_all(folder.path() / "blobs");
  const auto tale = Watch("a");
  runner->Start();
  tale->AwaitEnd();
  EXPECT_EQ(store->GetTrainingJob("a")->reason(), "CORPUS_DAMAGED");
}

TEST_F(JobRunnerTest, PutsTheRunningJobBackWhenItStops) {
  Add("endless", EndlessSpec());
  const auto tale = Watch("endless");
  runner->Start();
  tale->AwaitProgress(1);
  runner->Stop();
  TrainingJob job = *store->GetTrainingJob("endless");
  EXPECT_EQ(job.state(), TrainingJob::STATE_QUEUED);
  EXPECT_EQ(job.attempt(), 1);
  EXPECT_FALSE(job.has_end_time());
  const auto events = *store->ListTrainingEvents("endless", 2);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_THAT(events[0].message(), StartsWith("The server stops"));
  EXPECT_GT(events[0].step(), 0);

  NewRunner();
  runner->Start();
  tale->AwaitProgress(2);
  runner->Stop();
  tale->AwaitEvents(6);
  EXPECT_EQ(tale->States(), "QUEUED RUNNING QUEUED RUNNING R QUEUED");
  // From where it stopped.
  const auto resumed = *store->ListTrainingEvents("endless", 4);
  EXPECT_EQ(resumed.front().kind(), v1::TrainingEvent::KIND_RESUMED);
  EXPECT_EQ(resumed.front().step(), events[0].step());
  EXPECT_GT(resumed.back().step(), events[0].step());
}

TEST_F(JobRunnerTest, APausedJobFreesTheDeviceAndEndsAsIfItHadNeverPaused) {
  v1::TrainingSpec spec = TinySpec();
  spec.set_epochs(kSanitized ? 250 : 1000);  // some seconds: not done before it is paused
  Add("whole", spec);
  Add("paused", spec);
  const auto whole = Watch("whole"), paused = Watch("paused");
  runner->Start();
  whole->AwaitEnd();
  paused->AwaitProgress(1);
  const auto pausing = ledger->Pause("paused");
  ASSERT_TRUE(pausing.ok()) << pausing.status();
  ASSERT_EQ(pausing->state(), TrainingJob::STATE_PAUSING);
  runner->Interrupt("paused");
  paused->AwaitEvents(4);
  EXPECT_EQ(paused->States(), "QUEUED RUNNING PAUSING PAUSED");
  const auto checkpoints = *store->ListTrainingCheckpoints("paused");
  ASSERT_EQ(checkpoints.size(), 1u);
  EXPECT_EQ(checkpoints[0].checkpoint.step(), store->GetTrainingJob("paused")->progress().step());
  // Another one gets the device meanwhile.
  Add("other", TinySpec());
  runner->Wake();
  Watch("other")->AwaitEnd();
  EXPECT_EQ(store->GetTrainingJob("paused")->state(), TrainingJob::STATE_PAUSED);

  ASSERT_EQ(ledger->Resume("paused")->state(), TrainingJob::STATE_QUEUED);
  runner->Wake();
  paused->AwaitEnd();
  EXPECT_EQ(paused->States(), "QUEUED RUNNING PAUSING PAUSED QUEUED RUNNING R P SUCCEEDED");
  const auto version_of = [this](const char* job) {
    const std::string version = store->GetTrainingJob(job)->model_version();
    return *store->GetModelVersion({"tiny", std::stoi(version.substr(version.rfind('/') + 1))});
  };
  EXPECT_EQ(version_of("paused").sha256(), version_of("whole").sha256());
  EXPECT_EQ(version_of("paused").training_perplexity(), version_of("whole").training_perplexity());
}

TEST_F(JobRunnerTest, AJobThatYieldsLetsTheNextOneGoFirst) {
  Add("long", EndlessSpec());
  Add("next", TinySpec());
  const auto tale = Watch("long"), next = Watch("next");
  runner->Start();
  tale->AwaitProgress(1);
  ASSERT_TRUE(ledger->Yield("long").ok());
  runner->Yield("long");
  next->AwaitEnd();
  tale->AwaitProgress(2);
  EXPECT_EQ(tale->States(), "QUEUED RUNNING QUEUED RUNNING R");
  EXPECT_LT(store->GetTrainingJob("next")->end_time().seconds(),
            store->GetTrainingJob("long")->start_time().seconds());
}

TEST_F(JobRunnerTest, AJobThatDivergesGoesOnOnceAndSaysSo) {
  v1::TrainingSpec spec = TinySpec();
  spec.mutable_config()->set_cell(v1::CELL_VANILLA_RELU);
  spec.mutable_learning_rate()->set_peak(1000);
  spec.set_clip(1e30);
  spec.set_recover_from_divergence(true);
  Add("a", spec);
  const auto tale = Watch("a");
  runner->Start();
  tale->AwaitEnd();
  EXPECT_EQ(tale->States(), "QUEUED RUNNING D FAILED");
  EXPECT_EQ(store->GetTrainingJob("a")->reason(), "DIVERGED");
}

TEST_F(JobRunnerTest, AnInterruptionThatComesLateChangesNothing) {
  Add("a", EndlessSpec());
  const auto tale = Watch("a");
  runner->Start();
  tale->AwaitProgress(1);
  runner->Interrupt("a");  // of a pause that is over: the ledger has it as RUNNING
  // Progress is told once a quarter of a second, so many steps later.
  const size_t told = tale->told().size();
  while (tale->told().size() == told) sched_yield();
  EXPECT_EQ(store->GetTrainingJob("a")->state(), TrainingJob::STATE_RUNNING);
  runner->Stop();
  tale->AwaitEvents(3);
  EXPECT_EQ(tale->States(), "QUEUED RUNNING QUEUED");
}

TEST_F(JobRunnerTest, ACancelledJobKeepsItsCheckpoints) {
  Add("a", EndlessSpec());
  const auto tale = Watch("a");
  runner->Start();
  tale->AwaitProgress(1);
  ASSERT_TRUE(ledger->Pause("a").ok());
  runner->Interrupt("a");
  tale->AwaitEvents(4);
  EXPECT_EQ(ledger->Cancel("a")->state(), TrainingJob::STATE_CANCELLED);
  EXPECT_EQ(store->ListTrainingCheckpoints("a")->size(), 1u);
}

TEST_F(JobRunnerTest, ARunThatBeganAnewEndsWithTheSameWeights) {
  Add("whole", TinySpec());
  Add("twice", TinySpec());
  ASSERT_TRUE(ledger->Begin("twice").ok());  // as an earlier process did, before it was killed
  ASSERT_TRUE(ledger->Recover().ok());
  const auto whole = Watch("whole"), twice = Watch("twice");
  runner->Start();
  whole->AwaitEnd();
  twice->AwaitEnd();
  EXPECT_EQ(store->GetTrainingJob("twice")->attempt(), 2);
  EXPECT_EQ(store->GetModelVersion({"tiny", 1})->sha256(),
            store->GetModelVersion({"tiny", 2})->sha256());
}

TEST_F(JobRunnerTest, StopsWhileNothingRuns) {
  runner->Start();
  runner->Stop();
  Add("a", TinySpec());
  runner->Wake();
  EXPECT_EQ(store->GetTrainingJob("a")->state(), TrainingJob::STATE_QUEUED);
}

TEST_F(JobRunnerTest, SaysWhatEndedATrainingAndPublishesIt) {
  v1::TrainingSpec limited = EndlessSpec(), aimed = EndlessSpec();
  limited.set_max_steps(7);
  aimed.set_target_perplexity(1000);
  Add("limited", limited);
  Add("aimed", aimed);
  const auto first = Watch("limited"), second = Watch("aimed");
  runner->Start();
  first->AwaitEnd();
  second->AwaitEnd();
  EXPECT_EQ(first->States(), "QUEUED RUNNING P SUCCEEDED");
  TrainingJob job = *store->GetTrainingJob("limited");
  EXPECT_EQ(job.reason(), "MAX_STEPS");
  EXPECT_THAT(job.message(), HasSubstr("7 steps"));
  EXPECT_EQ(job.progress().step(), 7);
  EXPECT_EQ(job.progress().fraction_done(), 1);
  EXPECT_EQ(job.model_version(), "models/tiny/versions/1");
  job = *store->GetTrainingJob("aimed");
  EXPECT_EQ(job.reason(), "TARGET_REACHED");
  EXPECT_EQ(job.progress().epoch(), 1);
  EXPECT_EQ(job.model_version(), "models/tiny/versions/2");
}

TEST_F(JobRunnerTest, AJobThatWasPausedEndsWhereOneThatWasNotDoes) {
  v1::TrainingSpec spec = EndlessSpec();
  spec.set_validation_share(0.2);
  spec.mutable_learning_rate()->set_peak(200);
  spec.set_patience_epochs(200);  // a second: not done before it is paused
  Add("whole", spec);
  Add("paused", spec);
  const auto whole = Watch("whole"), paused = Watch("paused");
  runner->Start();
  whole->AwaitEnd();
  paused->AwaitProgress(1);
  ASSERT_TRUE(ledger->Pause("paused").ok());
  runner->Interrupt("paused");
  paused->AwaitEvents(4);
  ASSERT_TRUE(ledger->Resume("paused").ok());
  runner->Wake();
  paused->AwaitEnd();
  EXPECT_EQ(paused->States(), "QUEUED RUNNING PAUSING PAUSED QUEUED RUNNING R P SUCCEEDED");
  const TrainingJob a = *store->GetTrainingJob("whole"), b = *store->GetTrainingJob("paused");
  EXPECT_EQ(a.reason(), "NO_IMPROVEMENT");
  EXPECT_EQ(b.reason(), "NO_IMPROVEMENT");
  EXPECT_EQ(a.progress().step(), b.progress().step());
  EXPECT_EQ(store->GetModelVersion({"tiny", 1})->sha256(),
            store->GetModelVersion({"tiny", 2})->sha256());
}

}  // namespace
}  // namespace derin::server
