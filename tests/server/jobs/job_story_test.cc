// Random orders of everything that can happen to jobs, against an oracle that knows the states
// only.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "server/jobs/job_ledger.h"
#include "server/jobs/job_state.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using v1::TrainingEvent;
using v1::TrainingJob;

constexpr auto kQueued = TrainingJob::STATE_QUEUED;
constexpr auto kRunning = TrainingJob::STATE_RUNNING;
constexpr auto kPausing = TrainingJob::STATE_PAUSING;
constexpr auto kPaused = TrainingJob::STATE_PAUSED;
constexpr auto kCancelling = TrainingJob::STATE_CANCELLING;
constexpr auto kCancelled = TrainingJob::STATE_CANCELLED;
constexpr auto kSucceeded = TrainingJob::STATE_SUCCEEDED;
constexpr auto kFailed = TrainingJob::STATE_FAILED;
constexpr auto kGone = TrainingJob::STATE_UNSPECIFIED;

enum Deed {
  kPause,
  kResume,
  kCancel,
  kDelete,
  kBegin,
  kFail,
  kStop,
  kSucceed,
  kYield,
  kEdit,
  kDeeds
};

// What becomes of a job; nullopt where that is refused. Written from the design, not from the code.
std::optional<TrainingJob::State> After(TrainingJob::State state, Deed deed) {
  const std::map<Deed, std::map<TrainingJob::State, TrainingJob::State>> table = {
      {kPause,
       {{kQueued, kPaused}, {kRunning, kPausing}, {kPausing, kPausing}, {kPaused, kPaused}}},
      {kResume, {{kPaused, kQueued}, {kQueued, kQueued}, {kRunning, kRunning}}},
      {kCancel,
       {{kQueued, kCancelled},
        {kPaused, kCancelled},
        {kRunning, kCancelling},
        {kPausing, kCancelling},
        {kCancelling, kCancelling},
        {kCancelled, kCancelled}}},
      {kDelete, {{kPaused, kGone}, {kSucceeded, kGone}, {kFailed, kGone}, {kCancelled, kGone}}},
      {kBegin, {{kQueued, kRunning}}},
      // The runner does these to a job that it began only.
      {kFail, {{kRunning, kFailed}, {kPausing, kFailed}, {kCancelling, kCancelled}}},
      {kStop, {{kRunning, kQueued}, {kPausing, kPaused}, {kCancelling, kCancelled}}},
      {kSucceed, {{kRunning, kSucceeded}, {kPausing, kSucceeded}, {kCancelling, kCancelled}}},
      // It stays RUNNING until the runner has ended its attempt.
      {kYield, {{kRunning, kRunning}}},
      {kEdit,
       {{kQueued, kQueued},
        {kRunning, kRunning},
        {kPausing, kPausing},
        {kPaused, kPaused},
        {kCancelling, kCancelling},
        {kCancelled, kCancelled},
        {kSucceeded, kSucceeded},
        {kFailed, kFailed}}}};
  const auto& row = table.at(deed);
  const auto found = row.find(state);
  if (found == row.end()) return std::nullopt;
  return found->second;
}

bool Begun(TrainingJob::State state) {
  return state == kRunning || state == kPausing || state == kCancelling;
}

struct JobStoryTest : TrainingGround {
  std::unique_ptr<JobWatchers> watchers;
  std::unique_ptr<JobLedger> ledger;
  std::map<std::string, TrainingJob::State> states;  // the oracle's

  void SetUp() override {
    TrainingGround::SetUp();
    NewLedger();
  }
  void NewLedger() {
    ledger.reset();
    watchers = std::make_unique<JobWatchers>(*store);
    ledger = std::make_unique<JobLedger>(*store, *registry, *watchers, Seconds());
  }
  static TrainedModel Model() {
    const StackConfig config{.layers = 1, .hidden = 2, .vocabulary = 257};
    return {.file = {config, Tokenizer::Bytes(), Normalization::kRaw, InitialParameters(config, 1)},
            .training_perplexity = 2.5};
  }

  absl::Status Do(const std::string& id, Deed deed) {
    switch (deed) {
      case kPause:
        return ledger->Pause(id).status();
      case kResume:
        return ledger->Resume(id).status();
      case kCancel:
        return ledger->Cancel(id).status();
      case kDelete:
        return ledger->Delete(id);
      case kBegin:
        return ledger->Begin(id).status();
      case kFail:
        return ledger->End(id, {kFailed, "REASON", "A sentence.", {}}).status();
      case kYield:
        return ledger->Yield(id).status();
      case kEdit: {
        v1::UpdateTrainingJobRequest request;
        request.mutable_training_job()->set_priority(3);
        request.mutable_update_mask()->add_paths("priority");
        return ledger->Edit(id, request).status();
      }
      case kStop:
        return ledger->End(id, {kQueued, "", "The server stops.", {}}).status();
      default:
        return ledger->Succeed(id, Model(), {kSucceeded, "COMPLETED", "A sentence.", {}}).status();
    }
  }
  void Crash() {
    NewLedger();
    ASSERT_TRUE(ledger->Recover().ok());
    for (auto& [id, state] : states) {
      if (Begun(state)) state = *After(state, kStop);
    }
  }
  // All events are there, in order, and each state may follow the one before.
  void CheckStory(const std::string& id) {
    const auto events = store->ListTrainingEvents(id, 0);
    ASSERT_TRUE(events.ok()) << events.status();
    TrainingJob::State before = kGone;
    for (size_t i = 0; i < events->size(); ++i) {
      const TrainingEvent& event = (*events)[i];
      ASSERT_EQ(event.sequence(), static_cast<int64_t>(i) + 1);
      if (event.kind() != TrainingEvent::KIND_STATE_CHANGED) continue;
      if (i == 0) {
        EXPECT_EQ(event.state(), kQueued);
      } else {
        EXPECT_TRUE(CanBecome(before, event.state()))
            << StateName(before) << " to " << StateName(event.state());
      }
      before = event.state();
    }
    const auto job = store->GetTrainingJob(id);
    EXPECT_EQ(job->state(), states.at(id)) << id;
    EXPECT_EQ(before, states.at(id)) << id;
    EXPECT_EQ(job->last_sequence(), static_cast<int64_t>(events->size()));
  }
};

TEST_F(JobStoryTest, EveryOrderOfDeedsMakesALegalStoryWithoutGaps) {
  std::map<Deed, int> done;
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    for (int i = 0; i < 400; ++i) {
      const std::string id = "job-" + std::to_string(random() % 5);
      if (random() % 40 == 0) {
        Crash();
        continue;
      }
      if (!states.contains(id)) {
        ASSERT_TRUE(ledger->Add({.id = id, .spec = TinySpec()}, 100).ok());
        states[id] = kQueued;
        continue;
      }
      const auto deed = static_cast<Deed>(random() % kDeeds);
      const TrainingJob::State state = states.at(id);
      if ((deed == kFail || deed == kStop || deed == kSucceed) && !Begun(state)) continue;
      const auto wanted = After(state, deed);
      const absl::Status status = Do(id, deed);
      ASSERT_EQ(status.ok(), wanted.has_value()) << id << " " << deed << ": " << status;
      if (!wanted.has_value()) {
        EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
        continue;
      }
      ++done[deed];
      if (*wanted == kGone) {
        states.erase(id);
        EXPECT_EQ(store->GetTrainingJob(id).status().code(), absl::StatusCode::kNotFound);
      } else {
        states[id] = *wanted;
        CheckStory(id);
      }
    }
    for (const auto& [id, state] : states) CheckStory(id);
  }
  EXPECT_EQ(done.size(), static_cast<size_t>(kDeeds)) << "each was done";
}

}  // namespace
}  // namespace derin::server
