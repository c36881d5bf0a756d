#include "server/jobs/job_watchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "server/status/error.h"
#include "tests/model/backend/cpu/sleeping_thread.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using v1::TrainingJob;

struct JobWatchersTest : testing::Test {
  TemporaryFolder folder;
  std::unique_ptr<MetadataStore> store;
  std::unique_ptr<JobWatchers> watchers;
  TrainingJob job;

  void SetUp() override {
    store = *MetadataStore::Open(folder.path() / "metadata.sqlite");
    ASSERT_TRUE(store->InsertCorpus(TestCorpus("text")).ok());
    auto inserted = store->InsertTrainingJob(TestJob("j"));
    ASSERT_TRUE(inserted.ok()) << inserted.status();
    job = inserted->update.job;
    watchers = std::make_unique<JobWatchers>(*store);
  }

  void Enter(TrainingJob::State state) {
    if (state == TrainingJob::STATE_RUNNING) job.set_attempt(job.attempt() + 1);
    auto stored = store->UpdateTrainingJob(InState(job, state));
    ASSERT_TRUE(stored.ok()) << stored.status();
    job = stored->job;
    watchers->Publish(job);
  }
  void Reach(int64_t step) {
    v1::TrainingProgress progress;
    progress.set_attempt(job.attempt());
    progress.set_step(step);
    watchers->PublishProgress("j", progress);
  }
  std::unique_ptr<JobWatch> Watch(int64_t since_sequence = 0) {
    auto watch = watchers->Watch("j", since_sequence, [] {});
    EXPECT_TRUE(watch.ok()) << watch.status();
    return *std::move(watch);
  }
  // All that the watch has to tell now.
  static std::vector<std::string> Listen(JobWatch& watch) {
    std::vector<std::string> told;
    while (true) {
      auto next = watch.Next();
      if (!next.ok()) {
        told.push_back(absl::StrCat("error ", ErrorReason(next.status())));
        return told;
      }
      if (!next->has_value()) return told;
      const v1::WatchTrainingJobResponse& response = **next;
      if (response.has_snapshot()) {
        told.push_back(absl::StrCat("snapshot at ", response.snapshot().progress().step()));
      }
      if (response.has_event()) told.push_back(absl::StrCat("event ", response.event().sequence()));
      if (response.has_progress()) {
        told.push_back(absl::StrCat("progress ", response.progress().step()));
      }
    }
  }
};

TEST_F(JobWatchersTest, TellsASnapshotThenEventsThenProgress) {
  const auto watch = Watch();
  EXPECT_THAT(Listen(*watch), ElementsAre("snapshot at 0", "event 1"));
  EXPECT_THAT(Listen(*watch), ElementsAre());
  Enter(TrainingJob::STATE_RUNNING);
  Reach(10);
  EXPECT_THAT(Listen(*watch), ElementsAre("event 2", "progress 10"));
  Reach(20);
  EXPECT_THAT(Listen(*watch), ElementsAre("progress 20"));
  EXPECT_FALSE(watch->over());
}

TEST_F(JobWatchersTest, TheWatchesOfADeletedJobEnd) {
  const auto watch = Watch(), late = Watch();
  Enter(TrainingJob::STATE_RUNNING);
  Reach(10);
  EXPECT_THAT(Listen(*watch), ElementsAre("snapshot at 0", "event 1", "event 2", "progress 10"));
  Enter(TrainingJob::STATE_CANCELLED);
  ASSERT_TRUE(store->DeleteTrainingJob("j").ok());
  watchers->PublishDeletion("j");
  EXPECT_THAT(Listen(*watch), ElementsAre("error JOB_NOT_FOUND"));
  // The next job of that id is told from its beginning, and not to them.
  job = store->InsertTrainingJob(TestJob("j"))->update.job;
  watchers->Publish(job);
  EXPECT_THAT(Listen(*Watch()), ElementsAre("snapshot at 0", "event 1"));
  EXPECT_THAT(Listen(*late), ElementsAre("error JOB_NOT_FOUND"));
}

TEST_F(JobWatchersTest, ASlowWatcherLosesProgressButNoEvents) {
  const auto watch = Watch();
  Enter(TrainingJob::STATE_RUNNING);
  for (int step = 1; step <= 1000; ++step) Reach(step);
  Enter(TrainingJob::STATE_QUEUED);
  Enter(TrainingJob::STATE_RUNNING);
  for (int step = 1; step <= 500; ++step) Reach(step);
  Enter(TrainingJob::STATE_CANCELLING);
  Enter(TrainingJob::STATE_CANCELLED);
  EXPECT_THAT(Listen(*watch), ElementsAre("snapshot at 0", "event 1", "event 2", "event 3",
                                          "event 4", "progress 500", "event 5", "event 6"));
  EXPECT_TRUE(watch->over());
}

TEST_F(JobWatchersTest, ResumesAfterAnEvent) {
  Enter(TrainingJob::STATE_RUNNING);
  Reach(7);
  const auto watch = Watch(1);
  EXPECT_THAT(Listen(*watch), ElementsAre("snapshot at 7", "event 2"));
  const auto other = Watch(2);
  EXPECT_THAT(Listen(*other), ElementsAre("snapshot at 7"));
}

TEST_F(JobWatchersTest, TellsTheWholeStoryOfAJobThatIsOver) {
  Enter(TrainingJob::STATE_RUNNING);
  Reach(3);
  Enter(TrainingJob::STATE_FAILED);
  const auto watch = Watch();
  EXPECT_THAT(Listen(*watch), ElementsAre("snapshot at 0", "event 1", "event 2", "event 3"));
  EXPECT_TRUE(watch->over());
}

TEST_F(JobWatchersTest, RefusesANumberThatWasNeverGiven) {
  for (const int64_t since : {int64_t{-1}, int64_t{2}}) {
    const auto watch = watchers->Watch("j", since, [] {});
    EXPECT_EQ(watch.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorField(watch.status()), "since_sequence");
    EXPECT_THAT(std::string(watch.status().message()), HasSubstr(absl::StrCat("got ", since)));
  }
  EXPECT_EQ(watchers->Watch("nobody", 0, [] {}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(JobWatchersTest, EveryWatchEndsWhenTheServerStops) {
  const auto watch = Watch();
  Listen(*watch);
  absl::Notification called;
  auto other = watchers->Watch("j", 0, [&called] {
    if (!called.HasBeenNotified()) called.Notify();
  });
  ASSERT_TRUE(other.ok());
  const absl::Status stopping =
      Refusal(absl::StatusCode::kUnavailable, "SERVER_STOPPING", "the server is stopping");
  watchers->StopWatching(stopping);
  EXPECT_THAT(Listen(*watch), ElementsAre("error SERVER_STOPPING"));
  called.WaitForNotification();
  EXPECT_EQ(watchers->Watch("j", 0, [] {}).status(), stopping);
}

TEST_F(JobWatchersTest, CallsEachWatcherWhenThereIsNews) {
  constexpr int kWatchers = 20;
  std::vector<std::unique_ptr<absl::Notification>> called;
  std::vector<std::unique_ptr<JobWatch>> watches;
  for (int i = 0; i < kWatchers; ++i) {
    absl::Notification& notification = *called.emplace_back(std::make_unique<absl::Notification>());
    watches.push_back(*watchers->Watch("j", 0, [&notification] {
      if (!notification.HasBeenNotified()) notification.Notify();
    }));
  }
  Enter(TrainingJob::STATE_RUNNING);
  for (const auto& notification : called) notification->WaitForNotification();
}

TEST_F(JobWatchersTest, AWatcherThatBlocksHoldsNobodyUpWhoPublishes) {
  absl::Notification called, released;
  auto slow = *watchers->Watch("j", 0, [&] {
    if (!called.HasBeenNotified()) called.Notify();
    released.WaitForNotification();
  });
  const auto quick = Watch();
  Listen(*quick);
  Reach(1);
  called.WaitForNotification();
  Reach(2);  // would never return, were it to wait for the slow one
  Enter(TrainingJob::STATE_RUNNING);
  EXPECT_THAT(Listen(*quick), ElementsAre("progress 2", "event 2"));
  released.Notify();
}

TEST_F(JobWatchersTest, AWatcherThatLeftIsNotCalledAgain) {
  absl::Notification called, released;
  std::atomic<bool> gone = false;
  auto watch = *watchers->Watch("j", 0, [&] {
    EXPECT_FALSE(gone);
    called.Notify();  // at most once, or this fails
    released.WaitForNotification();
  });
  Reach(1);
  called.WaitForNotification();
  std::thread leaving([&] {
    watch.reset();  // waits for the call under way
    gone = true;
  });
  EXPECT_FALSE(gone);
  released.Notify();
  leaving.join();
  Reach(2);
  Enter(TrainingJob::STATE_RUNNING);
  const auto last = Watch();  // destroyed only after the news was delivered
  EXPECT_THAT(Listen(*last), ElementsAre("snapshot at 0", "event 1", "event 2"));
}

TEST_F(JobWatchersTest, TheCallUnderWayMayAskAWatchThatLeavesAJobThatIsOver) {
  absl::Notification called, released;
  std::unique_ptr<JobWatch> watch;
  JobWatch* leaver = nullptr;
  watch = *watchers->Watch("j", 0, [&] {
    if (!called.HasBeenNotified()) called.Notify();
    released.WaitForNotification();
    EXPECT_TRUE(leaver->Next().ok());
  });
  leaver = watch.get();
  Enter(TrainingJob::STATE_CANCELLED);
  called.WaitForNotification();
  std::atomic<pid_t> id = 0;
  std::thread leaving([&] {
    id = gettid();
    watch.reset();
  });
  while (id == 0) sched_yield();
  cpu::WaitUntilItSleeps(id);
  released.Notify();
  leaving.join();
}

TEST_F(JobWatchersTest, AddsTheLatestProgressToAJob) {
  Enter(TrainingJob::STATE_RUNNING);
  Reach(12);
  TrainingJob asked = job;
  watchers->AddProgress(asked);
  EXPECT_EQ(asked.progress().step(), 12);
  // Not to another attempt, which has done nothing yet.
  asked = job;
  asked.set_attempt(job.attempt() + 1);
  watchers->AddProgress(asked);
  EXPECT_FALSE(asked.has_progress());
}

}  // namespace
}  // namespace derin::server
