#include "server/jobs/job_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "server/status/error.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using v1::TrainingEvent;
using v1::TrainingJob;

struct JobLedgerTest : TrainingGround {
  std::unique_ptr<JobWatchers> watchers;
  std::unique_ptr<JobLedger> ledger;

  void SetUp() override {
    TrainingGround::SetUp();
    watchers = std::make_unique<JobWatchers>(*store);
    ledger = std::make_unique<JobLedger>(*store, *registry, *watchers, Seconds());
  }

  absl::StatusOr<TrainingJob> Add(const std::string& id, int max_queued = 10) {
    return ledger->Add({.id = id, .spec = TinySpec(), .parameter_count = 5}, max_queued);
  }
  static v1::TrainingProgress ProgressAt(int64_t step) {
    v1::TrainingProgress progress;
    progress.set_attempt(1);
    progress.set_step(step);
    progress.set_epoch_training_perplexity(3);
    return progress;
  }
  TrainedModel Model() {
    const StackConfig config{.layers = 1, .hidden = 2, .vocabulary = 257};
    return {.file = {config, Tokenizer::Bytes(), Normalization::kRaw, InitialParameters(config, 1)},
            .training_perplexity = 2.5};
  }
  static JobChange Success(const v1::TrainingProgress& progress) {
    return {TrainingJob::STATE_SUCCEEDED, "MAX_STEPS", "A sentence.", progress};
  }
  // The id of the job that is next, empty when none waits.
  std::string Next() {
    const auto next = ledger->NextQueued();
    EXPECT_TRUE(next.ok()) << next.status();
    return next.ok() && next->has_value() ? std::string(IdOf((*next)->name())) : "";
  }
  std::vector<TrainingEvent> Events(const std::string& id) {
    return *store->ListTrainingEvents(id, 0);
  }
};

TEST_F(JobLedgerTest, TellsWhyAJobWaitsAndOnlyWhileItWaits) {
  ASSERT_TRUE(Add("a").ok());
  ASSERT_TRUE(ledger->NoteWaiting("a", "There is no memory.").ok());
  ASSERT_EQ(Events("a").size(), 2u);
  EXPECT_EQ(Events("a")[1].kind(), TrainingEvent::KIND_WAITING);
  EXPECT_EQ(Events("a")[1].message(), "There is no memory.");
  EXPECT_EQ(Events("a")[1].state(), TrainingJob::STATE_QUEUED);
  ASSERT_TRUE(ledger->Cancel("a").ok());
  EXPECT_EQ(ledger->NoteWaiting("a", "There is no memory.").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Events("a").size(), 3u);
}

TEST_F(JobLedgerTest, AJobGoesFromTheQueueToItsVersion) {
  const auto queued = Add("a");
  ASSERT_TRUE(queued.ok()) << queued.status();
  EXPECT_EQ(queued->state(), TrainingJob::STATE_QUEUED);
  EXPECT_EQ(queued->attempt(), 0);
  EXPECT_EQ(queued->parameter_count(), 5);
  EXPECT_FALSE(queued->has_start_time());

  const auto running = ledger->Begin("a");
  ASSERT_TRUE(running.ok()) << running.status();
  EXPECT_EQ(running->attempt(), 1);
  EXPECT_TRUE(running->has_start_time());

  const auto over = ledger->Succeed("a", Model(), Success(ProgressAt(30)));
  ASSERT_TRUE(over.ok()) << over.status();
  EXPECT_EQ(over->state(), TrainingJob::STATE_SUCCEEDED);
  EXPECT_EQ(over->reason(), "MAX_STEPS");
  EXPECT_EQ(over->message(), "A sentence.");
  EXPECT_EQ(over->model_version(), "models/tiny/versions/1");
  EXPECT_EQ(over->progress().step(), 30);
  EXPECT_TRUE(over->has_end_time());

  const std::vector<TrainingEvent> events = Events("a");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[1].state(), TrainingJob::STATE_RUNNING);
  EXPECT_EQ(events[1].attempt(), 1);
  EXPECT_EQ(events[2].kind(), TrainingEvent::KIND_PUBLISHED);
  EXPECT_EQ(events[2].message(), "models/tiny/versions/1");
  EXPECT_EQ(events[3].kind(), TrainingEvent::KIND_STATE_CHANGED);
  EXPECT_EQ(events[3].state(), TrainingJob::STATE_SUCCEEDED);
  EXPECT_EQ(events[3].step(), 30);
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
    EXPECT_FALSE(events[i].message().empty());
    EXPECT_TRUE(events[i].has_time());
  }
  EXPECT_EQ(store->GetModelVersion({"tiny", 1})->training_perplexity(), 2.5);
  EXPECT_FALSE(store->GetModelVersion({"tiny", 1})->has_validation_perplexity());
}

TEST_F(JobLedgerTest, TheVersionHasThePerplexityOfItsOwnWeights) {
  ASSERT_TRUE(Add("a").ok());
  ASSERT_TRUE(ledger->Begin("a").ok());
  v1::TrainingProgress progress = ProgressAt(1);  // of the last weights
  progress.set_validation_perplexity(9);
  TrainedModel best = Model();
  best.validation_perplexity = 4;
  ASSERT_TRUE(ledger->Succeed("a", best, Success(progress)).ok());
  EXPECT_EQ(store->GetModelVersion({"tiny", 1})->training_perplexity(), 2.5);
  EXPECT_EQ(store->GetModelVersion({"tiny", 1})->validation_perplexity(), 4);
}

TEST_F(JobLedgerTest, AnOwnerHasAsManyJobsThatAreNotOverAsItMay) {
  const auto add = [this](const std::string& id, const JobOwner& owner) {
    return ledger->Add({.id = id, .spec = TinySpec(), .parameter_count = 5, .owner = owner}, 10);
  };
  const auto first = add("a", {"ada", 1});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->owner(), "ada");
  const absl::Status status = add("b", {"ada", 1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "CALLER_JOBS_FULL");
  EXPECT_TRUE(ErrorRetryDelay(status).has_value());
  EXPECT_TRUE(add("c", {"bob", 1}).ok());
  EXPECT_EQ(Add("d")->owner(), "local");
  ASSERT_TRUE(ledger->Cancel("a").ok());
  EXPECT_TRUE(add("b", {"ada", 1}).ok());
}

TEST_F(JobLedgerTest, AFullQueueSaysWhenToTryAgain) {
  ASSERT_TRUE(Add("a", 2).ok());
  ASSERT_TRUE(Add("b", 2).ok());
  const absl::Status status = Add("c", 2).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "JOBS_FULL");
  EXPECT_TRUE(absl::EndsWith(status.message(), "(--max-queued-jobs)")) << status;
  EXPECT_TRUE(ErrorRetryDelay(status).has_value());
  // One that runs does not wait.
  ASSERT_TRUE(ledger->Begin("a").ok());
  EXPECT_TRUE(Add("c", 2).ok());
}

TEST_F(JobLedgerTest, CancelsAWaitingJobAtOnce) {
  ASSERT_TRUE(Add("a").ok());
  const auto job = ledger->Cancel("a");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), TrainingJob::STATE_CANCELLED);
  EXPECT_EQ(job->reason(), "CANCELLED");
  EXPECT_EQ(ledger->Begin("a").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ledger->Cancel("a")->state(), TrainingJob::STATE_CANCELLED);  // again is no error
  EXPECT_EQ(Events("a").size(), 2u);
}

TEST_F(JobLedgerTest, AJobThatWasAskedToCancelEndsSoWhateverItDid) {
  for (const auto& [id, end] :
       {std::pair<std::string, TrainingJob::State>{"failing", TrainingJob::STATE_FAILED},
        {"stopped", TrainingJob::STATE_QUEUED},
        {"done", TrainingJob::STATE_SUCCEEDED}}) {
    ASSERT_TRUE(Add(id).ok());
    ASSERT_TRUE(ledger->Begin(id).ok());
    EXPECT_EQ(ledger->Cancel(id)->state(), TrainingJob::STATE_CANCELLING);
    EXPECT_EQ(ledger->Cancel(id)->state(), TrainingJob::STATE_CANCELLING);
    const auto over = end == TrainingJob::STATE_SUCCEEDED
                          ? ledger->Succeed(id, Model(), Success(ProgressAt(8)))
                          : ledger->End(id, {end, "REASON", "A sentence.", ProgressAt(8)});
    ASSERT_TRUE(over.ok()) << over.status();
    EXPECT_EQ(over->state(), TrainingJob::STATE_CANCELLED) << id;
    EXPECT_EQ(over->reason(), "CANCELLED") << id;
    EXPECT_EQ(over->progress().step(), 8) << id;
    EXPECT_THAT(over->model_version(), IsEmpty()) << id;
  }
}

TEST_F(JobLedgerTest, AJobThatEndedOtherwiseCannotBeCancelled) {
  ASSERT_TRUE(Add("a").ok());
  ASSERT_TRUE(ledger->Begin("a").ok());
  ASSERT_TRUE(ledger->End("a", {TrainingJob::STATE_FAILED, "DIVERGED", "It diverged.", {}}).ok());
  const absl::Status status = ledger->Cancel("a").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), "JOB_IS_OVER");
  EXPECT_THAT(std::string(status.message()), HasSubstr("FAILED"));
  EXPECT_EQ(ledger->Cancel("nobody").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(JobLedgerTest, RefusesTransitionsThatDoNotExist) {
  ASSERT_TRUE(Add("a").ok());
  const absl::Status status = ledger->End("a", {TrainingJob::STATE_FAILED, "R", "M", {}}).status();
  EXPECT_EQ(ErrorReason(status), "JOB_STATE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("QUEUED and cannot become FAILED"));
  EXPECT_EQ(ledger->Succeed("a", Model(), Success({})).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Events("a").size(), 1u);
}

TEST_F(JobLedgerTest, PausesAndResumesAJobThatWaits) {
  ASSERT_TRUE(Add("a").ok());
  ASSERT_TRUE(Add("b").ok());
  EXPECT_EQ(ledger->Pause("a")->state(), TrainingJob::STATE_PAUSED);
  EXPECT_EQ(ledger->Pause("a")->state(), TrainingJob::STATE_PAUSED);  // again is no error
  EXPECT_EQ(Next(), "b");
  EXPECT_EQ(ledger->Begin("a").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ledger->Resume("a")->state(), TrainingJob::STATE_QUEUED);
  EXPECT_EQ(ledger->Resume("a")->state(), TrainingJob::STATE_QUEUED);
  EXPECT_EQ(Next(), "a");  // in its old place
  EXPECT_EQ(Events("a").size(), 3u);
}

TEST_F(JobLedgerTest, AJobThatWasAskedToPauseDoesSoUnlessItEnds) {
  for (const auto& [id, end, becomes] :
       {std::tuple<std::string, TrainingJob::State, TrainingJob::State>{
            "failing", TrainingJob::STATE_FAILED, TrainingJob::STATE_FAILED},
        {"stopped", TrainingJob::STATE_QUEUED, TrainingJob::STATE_PAUSED},
        {"pausing", TrainingJob::STATE_PAUSED, TrainingJob::STATE_PAUSED},
        {"done", TrainingJob::STATE_SUCCEEDED, TrainingJob::STATE_SUCCEEDED}}) {
    ASSERT_TRUE(Add(id).ok());
    ASSERT_TRUE(ledger->Begin(id).ok());
    EXPECT_EQ(ledger->Pause(id)->state(), TrainingJob::STATE_PAUSING);
    EXPECT_EQ(ErrorReason(ledger->Resume(id).status()), "JOB_STATE");
    const auto ended = end == TrainingJob::STATE_SUCCEEDED
                           ? ledger->Succeed(id, Model(), Success(ProgressAt(8)))
                           : ledger->End(id, {end, "REASON", "A sentence.", ProgressAt(8)});
    ASSERT_TRUE(ended.ok()) << ended.status();
    EXPECT_EQ(ended->state(), becomes) << id;
    EXPECT_EQ(ended->progress().step(), 8) << id;
  }
}

TEST_F(JobLedgerTest, APausedJobCanBeCancelledAndOneThatIsOverCannotBePaused) {
  for (const char* id : {"paused", "pausing"}) ASSERT_TRUE(Add(id).ok());
  ASSERT_TRUE(ledger->Pause("paused").ok());
  EXPECT_EQ(ledger->Cancel("paused")->state(), TrainingJob::STATE_CANCELLED);
  ASSERT_TRUE(ledger->Begin("pausing").ok());
  ASSERT_TRUE(ledger->Pause("pausing").ok());
  EXPECT_EQ(ledger->Cancel("pausing")->state(), TrainingJob::STATE_CANCELLING);
  EXPECT_EQ(ErrorReason(ledger->Pause("pausing").status()), "JOB_STATE");
  EXPECT_EQ(ErrorReason(ledger->Pause("paused").status()), "JOB_IS_OVER");
  EXPECT_EQ(ErrorReason(ledger->Resume("paused").status()), "JOB_IS_OVER");
  EXPECT_EQ(ledger->Pause("nobody").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ledger->Resume("nobody").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(JobLedgerTest, DeletesAJobThatIsOverOrPausedAndNoOther) {
  for (const char* id : {"waiting", "running", "pausing", "paused", "cancelling", "over"}) {
    ASSERT_TRUE(Add(id).ok());
  }
  for (const char* id : {"running", "pausing", "cancelling"}) ASSERT_TRUE(ledger->Begin(id).ok());
  ASSERT_TRUE(ledger->Pause("pausing").ok());
  ASSERT_TRUE(ledger->Pause("paused").ok());
  ASSERT_TRUE(ledger->Cancel("cancelling").ok());
  ASSERT_TRUE(ledger->Cancel("over").ok());
  for (const auto& [id, state] : {std::pair<std::string, std::string>{"waiting", "QUEUED"},
                                  {"running", "RUNNING"},
                                  {"pausing", "PAUSING"},
                                  {"cancelling", "CANCELLING"}}) {
    const absl::Status refused = ledger->Delete(id);
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ErrorReason(refused), "JOB_STATE");
    EXPECT_THAT(std::string(refused.message()), HasSubstr(id + " is " + state));
    EXPECT_EQ(store->GetTrainingJob(id)->state(), store->ListTrainingEvents(id, 0)->back().state());
  }
  for (const char* id : {"paused", "over"}) {
    EXPECT_TRUE(ledger->Delete(id).ok());
    EXPECT_EQ(ErrorReason(ledger->Delete(id)), "JOB_NOT_FOUND");
    EXPECT_EQ(ErrorReason(ledger->Resume(id).status()), "JOB_NOT_FOUND");
  }
}

TEST_F(JobLedgerTest, NotesThatAnAttemptGoesOn) {
  ASSERT_TRUE(Add("a").ok());
  ASSERT_TRUE(ledger->Begin("a").ok());
  ASSERT_TRUE(ledger->Note("a", TrainingEvent::KIND_RESUMED, 40, "It goes on from step 40.").ok());
  const TrainingEvent event = Events("a").back();
  EXPECT_EQ(event.sequence(), 3);
  EXPECT_EQ(event.kind(), TrainingEvent::KIND_RESUMED);
  EXPECT_EQ(event.state(), TrainingJob::STATE_RUNNING);
  EXPECT_EQ(event.attempt(), 1);
  EXPECT_EQ(event.step(), 40);
  EXPECT_EQ(event.message(), "It goes on from step 40.");
  EXPECT_EQ(store->GetTrainingJob("a")->state(), TrainingJob::STATE_RUNNING);
  EXPECT_EQ(store->GetTrainingJob("a")->last_sequence(), 3);
}

TEST_F(JobLedgerTest, RecoversWhatWasUnderWay) {
  for (const char* id : {"running", "cancelling", "pausing", "paused", "waiting"}) {
    ASSERT_TRUE(Add(id).ok());
  }
  ASSERT_TRUE(ledger->Begin("pausing").ok());
  ASSERT_TRUE(ledger->Pause("pausing").ok());
  ASSERT_TRUE(ledger->Pause("paused").ok());
  ASSERT_TRUE(ledger->Begin("running").ok());
  ASSERT_TRUE(ledger->Begin("cancelling").ok());
  ASSERT_TRUE(ledger->Cancel("cancelling").ok());
  ASSERT_TRUE(ledger->Recover().ok());
  EXPECT_EQ(store->GetTrainingJob("running")->state(), TrainingJob::STATE_QUEUED);
  EXPECT_EQ(store->GetTrainingJob("cancelling")->state(), TrainingJob::STATE_CANCELLED);
  EXPECT_EQ(store->GetTrainingJob("waiting")->state(), TrainingJob::STATE_QUEUED);
  EXPECT_EQ(store->GetTrainingJob("pausing")->state(), TrainingJob::STATE_PAUSED);
  EXPECT_EQ(store->GetTrainingJob("paused")->state(), TrainingJob::STATE_PAUSED);
  EXPECT_EQ(Events("waiting").size(), 1u);
  EXPECT_THAT(Events("running").back().message(), HasSubstr("restarted"));
  // It keeps its place, and its attempts go on.
  EXPECT_EQ(Next(), "running");
  EXPECT_EQ(ledger->Begin("running")->attempt(), 2);
  EXPECT_EQ(Next(), "waiting");
}

TEST_F(JobLedgerTest, TheNextIsOfTheHighestPriorityAndThenTheEarliest) {
  const auto add = [this](const std::string& id, int32_t priority) {
    ASSERT_TRUE(ledger->Add({.id = id, .spec = TinySpec(), .priority = priority}, 10).ok());
  };
  EXPECT_EQ(Next(), "");
  add("low", -1);
  add("first", 0);
  add("second", 0);
  EXPECT_EQ(Next(), "first");
  add("high", 7);
  EXPECT_EQ(Next(), "high");
  ASSERT_TRUE(ledger->Begin("high").ok());
  ASSERT_TRUE(ledger->Begin("first").ok());
  // One that pauses keeps its place, one that yields does not.
  ASSERT_TRUE(ledger->Pause("second").ok());
  ASSERT_TRUE(ledger->Resume("second").ok());
  ASSERT_EQ(ledger->Yield("first")->state(), TrainingJob::STATE_RUNNING);
  ASSERT_TRUE(ledger->End("first", {TrainingJob::STATE_QUEUED, "", "It yields.", {}}).ok());
  EXPECT_EQ(Next(), "second");
  ASSERT_TRUE(ledger->Begin("second").ok());
  EXPECT_EQ(Next(), "first");
}

TEST_F(JobLedgerTest, OnlyARunningJobYields) {
  ASSERT_TRUE(Add("a").ok());
  EXPECT_EQ(ErrorReason(ledger->Yield("a").status()), "JOB_STATE");
  ASSERT_TRUE(ledger->Cancel("a").ok());
  EXPECT_EQ(ErrorReason(ledger->Yield("a").status()), "JOB_IS_OVER");
  EXPECT_EQ(ErrorReason(ledger->Yield("b").status()), "JOB_NOT_FOUND");
}

TEST_F(JobLedgerTest, EditsAJobInWhateverStateItIs) {
  ASSERT_TRUE(Add("a").ok());
  ASSERT_TRUE(ledger->Cancel("a").ok());
  v1::UpdateTrainingJobRequest request;
  (*request.mutable_training_job()->mutable_labels())["team"] = "verse";
  request.mutable_update_mask()->add_paths("labels.team");
  const auto edited = ledger->Edit("a", request);
  ASSERT_TRUE(edited.ok()) << edited.status();
  EXPECT_EQ(edited->labels().at("team"), "verse");
  EXPECT_EQ(store->GetTrainingJob("a")->labels().at("team"), "verse");
  EXPECT_EQ(store->GetTrainingJob("a")->state(), TrainingJob::STATE_CANCELLED);
  EXPECT_EQ(Events("a").size(), 2u);
  request.mutable_update_mask()->add_paths("spec");
  EXPECT_EQ(ErrorField(ledger->Edit("a", request).status()), "update_mask");
}

TEST_F(JobLedgerTest, CountsJobsByState) {
  for (const char* id : {"a", "b", "c", "d", "e", "f"}) ASSERT_TRUE(Add(id).ok());
  ASSERT_TRUE(ledger->Pause("e").ok());
  ASSERT_TRUE(ledger->Begin("f").ok());
  ASSERT_TRUE(ledger->Pause("f").ok());
  ASSERT_TRUE(ledger->Begin("a").ok());
  ASSERT_TRUE(ledger->Begin("b").ok());
  ASSERT_TRUE(ledger->Cancel("b").ok());
  ASSERT_TRUE(ledger->Cancel("c").ok());
  const auto counts = ledger->Count();
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(counts->queued, 1);
  EXPECT_EQ(counts->running, 1);
  EXPECT_EQ(counts->pausing, 1);
  EXPECT_EQ(counts->paused, 1);
  EXPECT_EQ(counts->cancelling, 1);
}

}  // namespace
}  // namespace derin::server
