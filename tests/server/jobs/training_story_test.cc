// Random orders of everything that can happen to jobs that really train, two at once, with the
// server restarted in between.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/sanitized.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using v1::TrainingJob;

struct TrainingStoryTest : TrainingGround {
  static constexpr int kKinds = 3;
  static constexpr int kEpochs = 150;

  // What is known of a job that is there.
  struct Known {
    int kind;  // of what it trains; a fork's is that of the job that it came from
    bool cancelled = false;
  };

  std::unique_ptr<TrainingJobs> jobs;
  std::map<std::string, Known> known;
  std::set<std::string> deleted;
  std::mt19937 random;
  int created = 0;
  std::atomic<int64_t> clock_reads = 0;  // some with each step of any job

  void TearDown() override { jobs.reset(); }
  void Restart() {
    jobs.reset();
    jobs = std::make_unique<TrainingJobs>(
        Parts(), TrainingJobsOptions{.max_running_jobs = 2,
                                     .wall_clock = wall_clock,
                                     .monotonic_clock = [this, system = SystemMonotonicClock()] {
                                       ++clock_reads;
                                       return system();
                                     }});
    ASSERT_TRUE(jobs->Start().ok());
  }
  std::string AnyJob() {
    auto job = known.begin();
    std::advance(job, random() % known.size());
    return job->first;
  }
  std::string NewId() { return "job-" + std::to_string(++created); }

  void Create() {
    const int kind = static_cast<int>(random() % kKinds);
    const std::string id = NewId();
    ASSERT_TRUE(jobs->Create(Request(id, SpecOfKind(kind, kEpochs))).ok());
    known[id] = {kind};
  }
  void Fork() {
    const std::string source = AnyJob();
    const auto checkpoints = jobs->ListCheckpoints(source);
    ASSERT_TRUE(checkpoints.ok()) << checkpoints.status();
    if (checkpoints->empty()) return;
    v1::TrainingSpec spec;
    spec.mutable_start_from()->set_training_checkpoint(
        (*checkpoints)[random() % checkpoints->size()].name());
    const std::string id = NewId();
    const absl::Status forked = jobs->Create(Request(id, spec)).status();
    if (forked.ok()) {
      known[id] = {known[source].kind};
      return;
    }
    // Of the last checkpoint nothing is left to train, and one that runs may drop it just now.
    const bool over = absl::IsInvalidArgument(forked), dropped = absl::IsNotFound(forked);
    EXPECT_TRUE(over || dropped) << forked;
  }
  void Cancel() {
    const std::string id = AnyJob();
    // Refused where it has ended by itself.
    if (jobs->Cancel(id).ok()) known[id].cancelled = true;
  }
  void Delete() {
    const std::string id = AnyJob();
    if (!jobs->Delete(id).ok()) return;
    known.erase(id);
    deleted.insert(id);
    EXPECT_TRUE(absl::IsNotFound(jobs->Get(id).status()));
  }
  void Edit() {
    v1::UpdateTrainingJobRequest request;
    request.mutable_training_job()->set_share(1 + static_cast<int32_t>(random() % 100));
    request.mutable_training_job()->set_priority(static_cast<int32_t>(random() % 10));
    request.mutable_update_mask()->add_paths("share");
    request.mutable_update_mask()->add_paths("priority");
    const absl::Status edited = jobs->Update(AnyJob(), request).status();
    EXPECT_TRUE(edited.ok() || absl::IsFailedPrecondition(edited)) << edited;
  }
  void DoSomething() {
    if (known.empty()) return Create();
    switch (random() % 16) {
      case 0:
        return known.size() < 6 ? Create() : Delete();
      case 1:
      case 2:
        return Fork();
      case 3:
      case 4:
      case 5:
        jobs->Pause(AnyJob()).IgnoreError();
        return;
      case 6:
      case 7:
      case 8:
      case 9:
        jobs->Resume(AnyJob()).IgnoreError();
        return;
      case 10:
        return Cancel();
      case 11:
        return Delete();
      case 12:
        return random() % 3 == 0 ? Restart() : Edit();
      case 13:
        return Edit();
      default:
        jobs->Yield(AnyJob()).IgnoreError();
    }
  }
  // Until it is over, however often it has to be resumed.
  void BringToItsEnd(const std::string& id) {
    while (!IsOver(Job(id).state())) {
      if (jobs->Resume(id).ok()) break;
      sched_yield();  // one that is PAUSING cannot be resumed before it is PAUSED
    }
    Tale(*jobs, id).AwaitEnd();
  }
};

TEST_F(TrainingStoryTest, WhateverHappensWhatIsNotCancelledEndsAsIfItHadRunAlone) {
  Restart();
  std::vector<std::string> wanted;
  for (int kind = 0; kind < kKinds; ++kind) {
    const std::string id = "alone-" + std::to_string(kind);
    ASSERT_TRUE(jobs->Create(Request(id, SpecOfKind(kind, kEpochs))).ok());
    Tale(*jobs, id).AwaitEnd();
    wanted.push_back(Weights(id));
  }
  int forks = 0, ended = 0;
  const uint32_t seeds = kSanitized ? 2 : 4;
  for (uint32_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    random.seed(seed);
    known.clear();
    for (int i = 0; i < 3; ++i) Create();
    for (int deed = 0; deed < 80; ++deed) {
      DoSomething();
      if (HasFatalFailure()) return;
      const auto counts = jobs->Count();
      ASSERT_TRUE(counts.ok());
      ASSERT_LE(counts->running + counts->pausing + counts->cancelling, 2);
      // Some steps in between, of those that run.
      const int64_t until = clock_reads + static_cast<int64_t>(random() % 1000);
      while (clock_reads < until && jobs->Count()->running > 0) sched_yield();
    }
    for (const auto& [id, job] : known) BringToItsEnd(id);
    for (const auto& [id, job] : known) {
      const TrainingJob::State end = Job(id).state();
      ExpectLegalStory(id, end);
      // A cancellation comes too late for a job that is at its end.
      if (end == TrainingJob::STATE_CANCELLED) {
        EXPECT_TRUE(job.cancelled) << id;
        continue;
      }
      EXPECT_EQ(end, TrainingJob::STATE_SUCCEEDED) << id << ": " << Job(id).message();
      EXPECT_EQ(Weights(id), wanted[job.kind]) << id;
      ++ended;
      if (Job(id).spec().has_start_from()) ++forks;
    }
    for (const std::string& id : deleted) EXPECT_TRUE(absl::IsNotFound(jobs->Get(id).status()));
  }
  EXPECT_GT(forks, 0);
  EXPECT_GT(ended, forks);
}

}  // namespace
}  // namespace derin::server
