#include "server/jobs/job_attempt.h"

#include <spdlog/spdlog.h>

#include <new>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/jobs/job_state.h"
#include "server/logging/log_line.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"

namespace derin::server {

using v1::TrainingJob;

namespace {

void LogBeginning(const TrainingJob& job) {
  std::vector<LogField> fields = {{"training_job", std::string(IdOf(job.name()))},
                                  {"attempt", int64_t{job.attempt()}}};
  if (!job.trace_id().empty()) fields.push_back({"trace_id", job.trace_id()});
  Log(spdlog::level::info, "The training begins.", fields);
}

std::string Text(absl::string_view text) { return std::string(text); }

JobChange Failure(const absl::Status& status) {
  std::string reason = ErrorReason(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  return {TrainingJob::STATE_FAILED, std::move(reason), Text(status.message()), {}};
}

}  // namespace

JobAttempt::JobAttempt(const Surroundings& surroundings, std::string job_id)
    : surroundings_(surroundings),
      training_(surroundings.training),
      id_(std::move(job_id)),
      seat_(surroundings.shares, 1) {}

void JobAttempt::Interrupt() {
  interrupted_ = true;
  seat_.Interrupt();
}

void JobAttempt::Yield() {
  yields_ = true;
  Interrupt();
}

std::optional<v1::ListTrainingMetricsResponse> JobAttempt::Curve() const {
  std::shared_ptr<const TrainingCurve> curve;
  {
    absl::MutexLock lock(&mutex_);
    curve = curve_;
  }
  if (curve == nullptr) return std::nullopt;
  return curve->Snapshot();
}

void JobAttempt::SetCurve(std::shared_ptr<const TrainingCurve> curve) {
  absl::MutexLock lock(&mutex_);
  curve_ = std::move(curve);
}

JobAttempt::Ending JobAttempt::Run(const TrainingJob& job, const std::function<void()>& settled) {
  LogBeginning(job);
  Outcome outcome;
  try {
    outcome = Train(job, settled);
  } catch (const std::bad_alloc&) {
    outcome = Failed(
        absl::ResourceExhaustedError("the training wants more memory than the process can have"));
  }
  seat_.End();
  // Nobody takes this one's place before its end is stored, or too many would be RUNNING.
  while (true) {
    const absl::StatusOr<TrainingJob> ended = Conclude(outcome);
    if (ended.ok()) {
      Log(spdlog::level::info, ended->message().empty() ? outcome.change.message : ended->message(),
          {{"training_job", id_}, {"state", std::string(StateName(ended->state()))}});
      break;
    }
    spdlog::error("The end of training job {} cannot be stored: {}", id_,
                  Text(ended.status().message()));
    // Where it stops the next start takes it up.
    if (surroundings_.stop.WaitForNotificationWithTimeout(kStoreRetry)) break;
  }
  SetCurve(nullptr);  // the store has it now
  training_.metrics.TrainingJobIsOver(id_);
  SweepBlobs(training_.store, training_.blobs);  // a cancelled job keeps one checkpoint only
  return outcome.ending;
}

absl::Status JobAttempt::OrDeviceLost(const absl::Status& status) const {
  const absl::Status health = training_.backend.health();
  return health.ok() ? status : DeviceLost(health);
}

JobAttempt::Outcome JobAttempt::Failed(const absl::Status& why) const {
  const absl::Status status = OrDeviceLost(why);
  if (!absl::IsResourceExhausted(status) || !has_company_) {
    return {.change = Failure(status)};
  }
  return {.change = {TrainingJob::STATE_QUEUED,
                     "",
                     absl::StrCat("There is no room for it beside the jobs that run: ",
                                  status.message(), ". It waits until one of them ends."),
                     {}},
          .ending = Ending::kNoRoom};
}

bool JobAttempt::EndsHere() {
  if (surroundings_.stop.HasBeenNotified() || yields_) return true;
  // Cleared before the ledger is asked, so that one that comes meanwhile is not lost.
  if (!interrupted_.exchange(false)) return false;
  const absl::StatusOr<TrainingJob::State> state = surroundings_.ledger.StateOf(id_);
  // An interruption may come late, when the job was paused and resumed already.
  if (state.ok() && *state == TrainingJob::STATE_RUNNING) return false;
  interrupted_ = true;  // else asked again after the next step
  return state.ok();
}

absl::Status JobAttempt::WriteLastCheckpoint(TrainingRun& run) {
  while (true) {
    absl::Status written = run.WriteCheckpoint();
    if (written.ok()) return written;
    spdlog::error("The last checkpoint of training job {} cannot be written: {}", id_,
                  Text(written.message()));
    if (!absl::IsResourceExhausted(written) && !absl::IsUnavailable(written)) return written;
    if (!training_.backend.health().ok()) return written;
    if (surroundings_.stop.WaitForNotificationWithTimeout(kStoreRetry)) return written;
    const auto state = surroundings_.ledger.StateOf(id_);
    if (state.ok() && *state == TrainingJob::STATE_CANCELLING) return written;
  }
}

void JobAttempt::LeaveDevice(TrainingRun& run) {
  // An error comes back with whatever is next.
  if (const absl::Status done = run.AwaitSteps(); !done.ok()) {
    spdlog::debug("Training job {}: {}", id_, Text(done.message()));
  }
  seat_.End();
}

absl::Status JobAttempt::TakeTurns(TrainingRun& run, const std::function<void()>& tell,
                                   const std::function<void()>& settled) {
  absl::Status status;
  bool has_settled = false;
  while (status.ok() && !run.done() && !EndsHere()) {
    if (!seat_.Begin()) continue;
    status = run.Step();
    // One that is done gets its last when it has ended.
    if (status.ok() && !run.done() && run.SampleIsDue()) DrawSample(run);
    if (status.ok() && !run.done() && seat_.TurnIsOver()) {
      // What it began is done before another begins.
      status = run.AwaitSteps();
      seat_.PassOn();
    }
    if (!std::exchange(has_settled, true)) settled();
    if (ErrorReason(status) == kDiverged) {
      seat_.End();
      status = Recover(run, status);
    }
    if (run.ProgressIsDue()) tell();
    if (!status.ok() || !run.CheckpointIsDue()) continue;
    // The others train while it is written.
    LeaveDevice(run);
    if (const absl::Status written = run.WriteCheckpoint(); !written.ok()) {
      spdlog::error("A checkpoint of training job {} cannot be written; the training goes on: {}",
                    id_, Text(written.message()));
    }
  }
  return status;
}

JobAttempt::Outcome JobAttempt::Train(const TrainingJob& job,
                                      const std::function<void()>& settled) {
  // Where it is measured what computes it quickest, nobody else's steps are to be in the way.
  while (!training_.backend.capabilities().synchronous && !seat_.Begin() && !EndsHere()) {
  }
  absl::StatusOr<std::unique_ptr<TrainingRun>> made = TrainingRun::Create(training_, job);
  seat_.End();
  if (!made.ok()) return Failed(made.status());
  TrainingRun& run = **made;
  SetCurve(run.curve());
  if (!run.resumed_message().empty()) {
    NoteEvent(v1::TrainingEvent::KIND_RESUMED, run.steps_done(), run.resumed_message());
  }
  Outcome outcome;
  v1::TrainingProgress last;
  const auto tell = [&] {
    std::optional<v1::TrainingProgress> progress = run.Progress();
    if (!progress.has_value()) return;
    run.ProgressTold(*progress);
    last = *progress;
    surroundings_.watchers.PublishProgress(id_, *std::move(progress));
  };
  absl::Status status = TakeTurns(run, tell, settled);
  if (status.ok() && run.done()) DrawSample(run);
  tell();
  // A checkpoint may wait for the disk; who trains does not wait for it.
  LeaveDevice(run);
  if (status.ok() && run.done()) {
    // What another job may go on from; after a crash this one only publishes.
    if (const absl::Status written = run.WriteCheckpoint(); !written.ok()) {
      spdlog::error("The last checkpoint of training job {} cannot be written: {}", id_,
                    Text(written.message()));
    }
    absl::StatusOr<TrainedModel> model = run.Model();
    status = model.status();
    if (model.ok()) outcome.model = *std::move(model);
  }
  if (!status.ok()) {
    outcome = Failed(status);
  } else if (outcome.model.has_value()) {
    JobEnding ending = run.Ending();
    outcome.change = {
        TrainingJob::STATE_SUCCEEDED, std::move(ending.reason), std::move(ending.message), {}};
  } else {
    outcome.change = Interruption(run);
  }
  outcome.change.progress = std::move(last);
  outcome.change.curve = run.curve()->Snapshot();
  return outcome;
}

absl::Status JobAttempt::Recover(TrainingRun& run, const absl::Status& diverged) {
  const absl::StatusOr<std::string> recovered = run.Recover(diverged);
  if (!recovered.ok()) return recovered.status();
  spdlog::warn("Training job {}: {}", id_, *recovered);
  SetCurve(run.curve());
  NoteEvent(v1::TrainingEvent::KIND_RECOVERED, run.steps_done(), *recovered);
  return absl::OkStatus();
}

void JobAttempt::DrawSample(TrainingRun& run) {
  const absl::Status drawn = run.DrawSample();
  if (drawn.ok()) return;
  spdlog::error("A text of training job {} cannot be drawn; the training goes on: {}", id_,
                Text(drawn.message()));
}

void JobAttempt::NoteEvent(v1::TrainingEvent::Kind kind, int64_t step, const std::string& message) {
  const absl::Status noted = surroundings_.ledger.Note(id_, kind, step, message);
  if (noted.ok()) return;
  spdlog::error("An event of training job {} cannot be stored; the training goes on: {}", id_,
                Text(noted.message()));
}

JobChange JobAttempt::Interruption(TrainingRun& run) {
  const absl::StatusOr<TrainingJob::State> state = surroundings_.ledger.StateOf(id_);
  if (state.ok() && *state == TrainingJob::STATE_CANCELLING) {
    return {TrainingJob::STATE_CANCELLED, "CANCELLED", "The job was cancelled.", {}};
  }
  const absl::Status written = WriteLastCheckpoint(run);
  const std::string where =
      written.ok() ? absl::StrFormat("step %d", run.steps_done()) : "its newest checkpoint";
  if (state.ok() && *state == TrainingJob::STATE_PAUSING) {
    return {TrainingJob::STATE_PAUSED,
            "",
            absl::StrCat("The job is paused; it goes on from ", where, " when it is resumed."),
            {}};
  }
  return {TrainingJob::STATE_QUEUED,
          "",
          absl::StrCat(surroundings_.stop.HasBeenNotified() ? "The server stops" : "The job yields",
                       "; the training goes on from ", where, " once it runs."),
          {}};
}

absl::StatusOr<TrainingJob> JobAttempt::Conclude(Outcome& outcome) {
  if (outcome.model.has_value()) {
    absl::StatusOr<TrainingJob> job =
        surroundings_.ledger.Succeed(id_, *outcome.model, outcome.change);
    // There will be room again, and the model is whole.
    if (job.ok() || absl::IsResourceExhausted(job.status())) return job;
    outcome.model.reset();
    JobChange failure = Failure(job.status());
    failure.progress = std::move(outcome.change.progress);
    failure.curve = std::move(outcome.change.curve);
    outcome.change = std::move(failure);
  }
  return surroundings_.ledger.End(id_, outcome.change);
}

}  // namespace derin::server
