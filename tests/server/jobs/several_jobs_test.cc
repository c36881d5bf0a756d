// Jobs that run beside each other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "server/jobs/job_runner.h"
#include "server/jobs/job_state.h"
#include "tests/sanitized.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using v1::TrainingJob;

constexpr auto kQueued = TrainingJob::STATE_QUEUED;
constexpr auto kRunning = TrainingJob::STATE_RUNNING;
constexpr auto kPaused = TrainingJob::STATE_PAUSED;

// More than any device has: room for it only when nothing else runs.
constexpr int64_t kHuge = int64_t{1} << 60;

struct SeveralJobsTest : TrainingGround {
  std::unique_ptr<JobWatchers> watchers;
  std::unique_ptr<JobLedger> ledger;
  std::unique_ptr<JobRunner> runner;
  std::atomic<int64_t> clock_reads = 0;  // some with each step of any job
  const MonotonicClock clock = [this, system = SystemMonotonicClock()] {
    ++clock_reads;
    return system();
  };

  void SetUp() override {
    TrainingGround::SetUp();
    NewRunner(2);
  }
  void TearDown() override { runner.reset(); }
  // As after a crash: nothing of the old ones is asked.
  void NewRunner(int max_running) {
    runner.reset();
    ledger.reset();
    watchers = std::make_unique<JobWatchers>(*store);
    ledger = std::make_unique<JobLedger>(*store, *registry, *watchers, Seconds());
    runner = std::make_unique<JobRunner>(
        TrainingRun::Surroundings{*backend, *store, *blobs, metrics, clock, wall_clock}, *ledger,
        *watchers, max_running);
  }
  void Add(const std::string& id, const v1::TrainingSpec& spec, int64_t memory_bytes = 0,
           int32_t share = 1) {
    ASSERT_TRUE(
        ledger->Add({.id = id, .spec = spec, .share = share, .memory_bytes = memory_bytes}, 100)
            .ok());
    runner->Wake();
  }
  std::unique_ptr<Tale> Watch(const std::string& id) {
    return std::make_unique<Tale>(
        [&](std::function<void()> on_news) { return watchers->Watch(id, 0, std::move(on_news)); });
  }
};

TEST_F(SeveralJobsTest, TwoAtOnceEndWithTheSameWeightsAsEachAlone) {
  for (const char* device : {"reference", "cpu"}) {
    SCOPED_TRACE(device);
    auto made = NewBackend(device);
    ASSERT_TRUE(made.ok()) << made.status();
    runner.reset();
    registry.reset();
    backend = *std::move(made);
    registry = std::make_unique<ModelRegistry>(*backend, *store, *blobs, ModelRegistryOptions{});
    const std::string name(device);
    const std::vector<std::string> alone = {name + "-alone-0", name + "-alone-1"};
    const std::vector<std::string> beside = {name + "-beside-0", name + "-beside-1"};
    NewRunner(1);
    runner->Start();
    for (int i = 0; i < 2; ++i) Add(alone[i], SpecOfKind(i, 200));
    for (const std::string& id : alone) Watch(id)->AwaitEnd();

    NewRunner(2);
    for (int i = 0; i < 2; ++i) Add(beside[i], SpecOfKind(i, 200), 0, 1 + 2 * i);
    runner->Start();
    for (const std::string& id : beside) Watch(id)->AwaitEnd();
    for (int i = 0; i < 2; ++i) EXPECT_EQ(Weights(alone[i]), Weights(beside[i]));
    EXPECT_NE(Weights(beside[0]), Weights(beside[1]));
    // They did run beside each other.
    EXPECT_LT(Job(beside[1]).start_time().seconds(), Job(beside[0]).end_time().seconds());
  }
}

TEST_F(SeveralJobsTest, AThirdWaitsForAPlaceAndIsToldSo) {
  for (const char* id : {"a", "b"}) Add(id, EndlessSpec());
  Add("c", TinySpec());
  const auto a = Watch("a"), b = Watch("b"), c = Watch("c");
  runner->Start();
  a->AwaitProgress(1);
  b->AwaitProgress(1);
  EXPECT_EQ(Job("c").state(), kQueued);
  EXPECT_EQ(runner->WhyWaiting(Job("c")),
            "2 jobs run; that is as many as may at once (--max-running-jobs).");
  EXPECT_EQ(runner->WhyWaiting(Job("a")), "");
  ASSERT_TRUE(ledger->Pause("a").ok());
  runner->Interrupt("a");
  c->AwaitEnd();
  EXPECT_EQ(c->States(), "QUEUED RUNNING P SUCCEEDED");
  EXPECT_EQ(a->States(), "QUEUED RUNNING PAUSING PAUSED");
  EXPECT_EQ(Job("b").state(), kRunning) << "the others go on";
}

TEST_F(SeveralJobsTest, AJobWithoutMemoryWaitsAndIsNotOvertaken) {
  Add("running", EndlessSpec());
  Add("large", TinySpec(), kHuge);
  Add("small", TinySpec(), 1);
  const auto running = Watch("running"), large = Watch("large"), small = Watch("small");
  runner->Start();
  large->AwaitEvents(2);
  EXPECT_EQ(large->States(), "QUEUED W");
  EXPECT_THAT(runner->WhyWaiting(Job("large")), HasSubstr("bytes of the device's memory"));
  EXPECT_EQ(runner->WhyWaiting(Job("small")),
            "trainingJobs/large is before it and waits for memory.");
  running->AwaitProgress(1);
  EXPECT_EQ(Job("small").state(), kQueued);
  // Once it has the device to itself it begins; the small one does when that is over.
  ASSERT_TRUE(ledger->Cancel("running").ok());
  runner->Interrupt("running");
  large->AwaitEnd();
  small->AwaitEnd();
  EXPECT_EQ(large->States(), "QUEUED W RUNNING P SUCCEEDED");
  EXPECT_EQ(small->States(), "QUEUED RUNNING P SUCCEEDED") << "never told, since never first";
  EXPECT_LT(Job("large").start_time().seconds(), Job("small").start_time().seconds());
}

TEST_F(SeveralJobsTest, WhoWaitsForMemoryHoldsNobodyOnceItIsGone) {
  Add("running", EndlessSpec());
  Add("large", TinySpec(), kHuge);
  Add("small", TinySpec(), 1);
  const auto large = Watch("large"), small = Watch("small");
  runner->Start();
  large->AwaitEvents(2);
  ASSERT_TRUE(ledger->Cancel("large").ok());
  runner->Wake();
  small->AwaitEnd();
  EXPECT_EQ(Job("running").state(), kRunning);
  EXPECT_EQ(large->States(), "QUEUED W CANCELLED");
}

TEST_F(SeveralJobsTest, WhatIsTriedHasATurnAndNoJobFailsForWantOfItsMemory) {
  Add("running", EndlessSpec());
  const auto running = Watch("running");
  runner->Start();
  running->AwaitProgress(1);
  bool tried = false;
  runner->Try([&tried] { tried = true; });
  EXPECT_TRUE(tried);
  EXPECT_EQ(Job("running").state(), kRunning);
  ASSERT_TRUE(ledger->Cancel("running").ok());
  runner->Interrupt("running");
  running->AwaitEnd();
  // One that would begin, since nothing else runs, waits meanwhile.
  std::unique_ptr<Tale> large;
  runner->Try([&] {
    Add("large", TinySpec(), kHuge);
    large = Watch("large");
    large->AwaitEvents(2);
    EXPECT_EQ(large->States(), "QUEUED W");
  });
  large->AwaitEnd();
  EXPECT_EQ(large->States(), "QUEUED W RUNNING P SUCCEEDED");
}

TEST_F(SeveralJobsTest, AJobThatYieldsStaysInItsPlaceWhereNobodyWaits) {
  for (const char* id : {"a", "b"}) Add(id, EndlessSpec());
  const auto a = Watch("a"), b = Watch("b");
  runner->Start();
  a->AwaitProgress(1);
  b->AwaitProgress(1);
  ASSERT_TRUE(ledger->Yield("a").ok());
  runner->Yield("a");
  a->AwaitProgress(2);
  runner->Stop();
  a->AwaitEvents(6);
  b->AwaitEvents(3);
  EXPECT_EQ(a->States(), "QUEUED RUNNING QUEUED RUNNING R QUEUED");
  EXPECT_EQ(b->States(), "QUEUED RUNNING QUEUED");
}

TEST_F(SeveralJobsTest, OneThatDivergesLeavesTheOtherAlone) {
  v1::TrainingSpec diverging = TinySpec();
  diverging.mutable_config()->set_cell(v1::CELL_VANILLA_RELU);
  diverging.mutable_learning_rate()->set_peak(1000);
  diverging.set_clip(1e30);
  diverging.set_epochs(1000);
  diverging.set_recover_from_divergence(true);
  Add("steady", EndlessSpec());
  Add("diverging", diverging);
  const auto steady = Watch("steady"), failed = Watch("diverging");
  runner->Start();
  failed->AwaitEnd();
  EXPECT_EQ(failed->States(), "QUEUED RUNNING D FAILED");
  steady->AwaitProgress(1);
  EXPECT_EQ(Job("steady").state(), kRunning);
}

TEST_F(SeveralJobsTest, AChangedShareIsTheRunningJobsToo) {
  Add("a", EndlessSpec());
  Add("b", EndlessSpec());
  const auto a = Watch("a"), b = Watch("b");
  runner->Start();
  a->AwaitProgress(1);
  b->AwaitProgress(1);
  v1::UpdateTrainingJobRequest request;
  request.mutable_training_job()->set_share(100);
  request.mutable_update_mask()->add_paths("share");
  ASSERT_TRUE(ledger->Edit("a", request).ok());
  runner->UpdateShare("a");
  runner->UpdateShare("nobody");
  // From here on the steps of the two, which are alike, are as 100 to 1: after some, surely more
  // than 5 to 1.
  const auto steps = [this](const char* id) {
    const auto curve = runner->CurveOf(id);
    const int count = curve.has_value() ? curve->training_metrics_size() : 0;
    return count == 0 ? 0 : curve->training_metrics(count - 1).step();
  };
  const int64_t a0 = steps("a"), b0 = steps("b");
  const auto done = [&] { return steps("a") - a0 + steps("b") - b0; };
  while (done() < (kSanitized ? 8'000 : 40'000)) sched_yield();
  EXPECT_GT(steps("a") - a0, 5 * (steps("b") - b0));
}

// Random orders of what can happen to jobs of which two run at once, with the server restarted in
// between: every story is legal, never more than two run, and what comes out is what would have
// come without all that.
TEST_F(SeveralJobsTest, WhateverHappensToThemTheyEndAsIfEachHadRunAlone) {
  constexpr int kJobs = 4;
  NewRunner(1);
  runner->Start();
  std::vector<std::string> wanted;
  for (int i = 0; i < kJobs; ++i) {
    const std::string id = "alone-" + std::to_string(i);
    Add(id, SpecOfKind(i, 200));
    Watch(id)->AwaitEnd();
    wanted.push_back(Weights(id));
  }

  const uint32_t seeds = kSanitized ? 1 : 3;
  for (uint32_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto id_of = [&](size_t i) {
      return "job-" + std::to_string(seed) + "-" + std::to_string(i);
    };
    NewRunner(2);
    for (int i = 0; i < kJobs; ++i) {
      Add(id_of(i), SpecOfKind(i, 200), i == 2 ? kHuge : 1, 1 + static_cast<int32_t>(random() % 5));
    }
    runner->Start();
    for (int deed = 0; deed < 60; ++deed) {
      const std::string id = id_of(random() % kJobs);
      switch (random() % 6) {
        case 0:
          if (ledger->Pause(id).ok()) runner->Interrupt(id);
          break;
        case 1:
        case 2:
          if (ledger->Resume(id).ok()) runner->Wake();
          break;
        case 3:
          if (ledger->Yield(id).ok()) runner->Yield(id);
          break;
        case 4:
          if (random() % 4 == 0) {
            NewRunner(2);
            ASSERT_TRUE(ledger->Recover().ok());
            runner->Start();
          }
          break;
        default: {
          v1::UpdateTrainingJobRequest request;
          request.mutable_training_job()->set_share(1 + static_cast<int32_t>(random() % 100));
          request.mutable_update_mask()->add_paths("share");
          if (ledger->Edit(id, request).ok()) runner->UpdateShare(id);
        }
      }
      const auto counts = ledger->Count();
      ASSERT_TRUE(counts.ok());
      ASSERT_LE(counts->running + counts->pausing + counts->cancelling, 2);
      // Some steps in between, of those that run.
      const int64_t until = clock_reads + static_cast<int64_t>(random() % 1000);
      while (clock_reads < until && ledger->Count()->running > 0) sched_yield();
    }
    for (int i = 0; i < kJobs; ++i) {
      // One that is PAUSING cannot be resumed before it is PAUSED.
      while (absl::IsFailedPrecondition(ledger->Resume(id_of(i)).status()) &&
             !IsOver(Job(id_of(i)).state())) {
        sched_yield();
      }
      runner->Wake();
    }
    for (int i = 0; i < kJobs; ++i) {
      Watch(id_of(i))->AwaitEnd();
      EXPECT_EQ(Weights(id_of(i)), wanted[i]) << id_of(i);
      ExpectLegalStory(id_of(i), TrainingJob::STATE_SUCCEEDED);
    }
  }
}

}  // namespace
}  // namespace derin::server
