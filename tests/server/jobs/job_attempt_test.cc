#include "server/jobs/job_attempt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "tests/server/jobs/training_ground.h"
#include "tests/server/storage/full_disk.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using v1::TrainingJob;

// One attempt, on the test's own thread.
struct JobAttemptTest : TrainingGround {
  const MonotonicClock clock = SystemMonotonicClock();
  std::unique_ptr<TrainingRun::Surroundings> training;
  std::unique_ptr<JobWatchers> watchers;
  std::unique_ptr<JobLedger> ledger;
  DeviceShares shares{clock};
  absl::Notification stop;
  std::unique_ptr<JobAttempt> attempt;
  int settled = 0;

  void SetUp() override {
    TrainingGround::SetUp();
    training = std::make_unique<TrainingRun::Surroundings>(
        TrainingRun::Surroundings{*backend, *store, *blobs, metrics, clock, wall_clock});
    watchers = std::make_unique<JobWatchers>(*store);
    ledger = std::make_unique<JobLedger>(*store, *registry, *watchers, Seconds());
    attempt = NewAttempt("a");
  }
  std::unique_ptr<JobAttempt> NewAttempt(const std::string& id) {
    return std::make_unique<JobAttempt>(
        JobAttempt::Surroundings{*training, *ledger, *watchers, shares, stop}, id);
  }
  JobAttempt::Ending Run(const v1::TrainingSpec& spec) {
    EXPECT_TRUE(ledger->Add({.id = "a", .spec = spec}, 100).ok());
    const auto job = ledger->Begin("a");
    EXPECT_TRUE(job.ok()) << job.status();
    return attempt->Run(*job, [this] { ++settled; });
  }
  TrainingJob Job() { return *store->GetTrainingJob("a"); }
};

TEST_F(JobAttemptTest, TrainsToItsStoredEndAndSettlesOnce) {
  EXPECT_EQ(attempt->Curve(), std::nullopt);
  EXPECT_EQ(Run(TinySpec()), JobAttempt::Ending::kStored);
  EXPECT_EQ(Job().state(), TrainingJob::STATE_SUCCEEDED);
  EXPECT_EQ(settled, 1);
  EXPECT_EQ(attempt->Curve(), std::nullopt) << "the store has it";
}

TEST_F(JobAttemptTest, OneThatYieldsBeforeItsFirstStepIsQueuedAtTheBeginning) {
  attempt->Yield();
  EXPECT_EQ(Run(EndlessSpec()), JobAttempt::Ending::kStored);
  EXPECT_EQ(Job().state(), TrainingJob::STATE_QUEUED);
  EXPECT_EQ(settled, 0);
  EXPECT_EQ(store->ListTrainingCheckpoints("a")->size(), 1u);
}

TEST_F(JobAttemptTest, OneThatWaitsForItsTurnIsInterruptedAtOnce) {
  DeviceShares::Seat other(shares, 1);
  ASSERT_TRUE(other.Begin());  // and never ends it
  std::thread asks([this] {
    while (!attempt->Curve().has_value()) std::this_thread::yield();
    EXPECT_EQ(ledger->Pause("a")->state(), TrainingJob::STATE_PAUSING);
    attempt->Interrupt();
  });
  Run(EndlessSpec());
  asks.join();
  EXPECT_EQ(Job().state(), TrainingJob::STATE_PAUSED);
}

TEST_F(JobAttemptTest, AModelThatTheDiskHasNoRoomForIsNotGivenUp) {
  v1::TrainingSpec spec = TinySpec();
  spec.mutable_config()->set_hidden(1024);  // more than all that the store writes
  spec.set_max_steps(1);
  ASSERT_TRUE(ledger->Add({.id = "a", .spec = spec}, 100).ok());
  const auto job = ledger->Begin("a");
  ASSERT_TRUE(job.ok()) << job.status();
  std::optional<FullDisk> full;
  attempt->Run(*job, [&] {
    full.emplace(1 << 20);
    // With room it would be tried again and again.
    stop.Notify();
  });
  full.reset();
  EXPECT_EQ(Job().state(), TrainingJob::STATE_RUNNING) << Job().message();
  // As a restart does.
  ASSERT_TRUE(ledger->Recover().ok());
  EXPECT_EQ(Job().state(), TrainingJob::STATE_QUEUED);
}

TEST_F(JobAttemptTest, LeavesTheDeviceWithItsEnd) {
  DeviceShares::Seat other(shares, 1);
  Run(TinySpec());
  EXPECT_TRUE(other.Begin()) << "while the attempt is still there";
}

// Has the reference's answers, but no memory.
class FullBackend : public Backend {
 public:
  explicit FullBackend(Backend& backend) : backend_(backend) {}
  const Capabilities& capabilities() const override { return backend_.capabilities(); }
  std::string EngineId(Precision precision) const override { return backend_.EngineId(precision); }
  int64_t FreeBytes() const override { return 0; }
  absl::StatusOr<Buffer> Allocate(ElementType, size_t, Memory) override {
    return absl::ResourceExhaustedError("no memory");
  }
  absl::StatusOr<std::unique_ptr<Queue>> NewQueue(QueuePriority priority) override {
    return backend_.NewQueue(priority);
  }
  std::unique_ptr<Recording> Record(std::function<void(Queue&)> body) override {
    return backend_.Record(std::move(body));
  }
  StackPlan Plan(const StackConfig& config, const StackExtent& extent) const override {
    return backend_.Plan(config, extent);
  }
  absl::StatusOr<std::unique_ptr<RecurrentStack>> NewStack(const StackConfig&, const StackExtent&,
                                                           std::string_view) override {
    return absl::ResourceExhaustedError("no memory");
  }
  void Upload(Queue&, const void*, View) override {}
  void Copy(Queue&, View, View) override {}
  void Zero(Queue&, View) override {}
  absl::Status Download(Queue&, View, void*) override { return absl::OkStatus(); }
  void GatherWindow(Queue&, View, View, View, View) override {}
  void ProjectAndLoss(Queue&, View, const HeadViews&, View, View, View, const HeadViews&) override {
  }
  void SquaredNorm(Queue&, View, View) override {}
  void Update(Queue&, const OptimizerConfig&, const UpdateViews&) override {}
  void Logits(Queue&, View, const HeadViews&, View) override {}
  void LogitsBackward(Queue&, View, const HeadViews&, View, View, View, GradientMode) override {}
  void Sample(Queue&, View, const SampleViews&) override {}
  void CopyStates(Queue&, View, int64_t, View, View) override {}

 private:
  Backend& backend_;
};

struct FullDeviceTest : JobAttemptTest {
  void SetUp() override {
    JobAttemptTest::SetUp();
    full = std::make_unique<FullBackend>(*backend);
    training = std::make_unique<TrainingRun::Surroundings>(
        TrainingRun::Surroundings{*full, *store, *blobs, metrics, clock, wall_clock});
    attempt = NewAttempt("a");
  }
  std::unique_ptr<FullBackend> full;
};

TEST_F(FullDeviceTest, BesideOthersAJobWithoutMemoryWaitsAgain) {
  attempt->MeetCompany();
  EXPECT_EQ(Run(TinySpec()), JobAttempt::Ending::kNoRoom);
  EXPECT_EQ(Job().state(), TrainingJob::STATE_QUEUED);
  EXPECT_THAT(store->ListTrainingEvents("a", 2)->front().message(),
              HasSubstr("no room for it beside the jobs that run"));
}

TEST_F(FullDeviceTest, AloneItHasFailed) {
  EXPECT_EQ(Run(TinySpec()), JobAttempt::Ending::kStored);
  EXPECT_EQ(Job().state(), TrainingJob::STATE_FAILED);
  EXPECT_EQ(Job().reason(), "DEVICE_MEMORY_FULL");
}

}  // namespace
}  // namespace derin::server
