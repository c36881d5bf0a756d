#include "server/jobs/job_runner.h"

#include <spdlog/spdlog.h>

#include <new>
#include <optional>
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

// How long to wait before the store is tried again: it fails when the disk is full, and nothing
// here can help that.
constexpr absl::Duration kStoreRetry = absl::Seconds(5);

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

JobRunner::JobRunner(const TrainingRun::Surroundings& surroundings, JobLedger& ledger,
                     JobWatchers& watchers)
    : surroundings_(surroundings), ledger_(ledger), watchers_(watchers) {}

void JobRunner::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void JobRunner::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void JobRunner::Wake() {
  absl::MutexLock lock(&mutex_);
  wake_ = true;
}

void JobRunner::Interrupt(const std::string& job_id) {
  absl::MutexLock lock(&mutex_);
  if (running_ == job_id) interrupted_ = true;
}

void JobRunner::Yield(const std::string& job_id) {
  absl::MutexLock lock(&mutex_);
  if (running_ == job_id) yields_ = interrupted_ = true;
}

std::optional<v1::ListTrainingMetricsResponse> JobRunner::CurveOf(const std::string& job_id) {
  std::shared_ptr<const TrainingCurve> curve;
  {
    absl::MutexLock lock(&mutex_);
    if (running_ == job_id) curve = curve_;
  }
  if (curve == nullptr) return std::nullopt;
  return curve->Snapshot();
}

void JobRunner::SetCurve(std::shared_ptr<const TrainingCurve> curve) {
  absl::MutexLock lock(&mutex_);
  curve_ = std::move(curve);
}

bool JobRunner::StoppedWithin(absl::Duration timeout) {
  const auto stopped = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stop_.load(); };
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopped), timeout);
}

void JobRunner::AwaitWork() {
  const auto work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return wake_ || stop_; };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&work));
  wake_ = false;
}

void JobRunner::Loop() {
  while (!stop_) {
    if (!surroundings_.backend.health().ok()) {
      spdlog::error(
          "No training job begins any more: those that wait go on once derind is started again");
      return;
    }
    const absl::StatusOr<bool> ran = RunNext();
    if (!ran.ok()) {
      spdlog::error("The next training job cannot begin: {}", Text(ran.status().message()));
      StoppedWithin(kStoreRetry);
    } else if (!*ran) {
      AwaitWork();
    }
  }
}

absl::StatusOr<bool> JobRunner::RunNext() {
  const absl::StatusOr<std::string> id = ledger_.NextQueued();
  if (!id.ok()) return id.status();
  if (id->empty()) return false;
  {
    // Before the job is RUNNING, so that no cancellation of a running job is missed.
    absl::MutexLock lock(&mutex_);
    running_ = *id;
    yields_ = interrupted_ = false;
  }
  const absl::StatusOr<TrainingJob> job = ledger_.Begin(*id);
  if (job.ok()) {
    Run(*job);
  } else if (!absl::IsFailedPrecondition(job.status()) && !absl::IsNotFound(job.status())) {
    return job.status();  // and not one that was cancelled, paused or even deleted just now
  }
  return true;
}

void JobRunner::Run(const TrainingJob& job) {
  const std::string id(IdOf(job.name()));
  LogBeginning(job);
  Outcome outcome;
  try {
    outcome = Train(job);
  } catch (const std::bad_alloc&) {
    outcome.change = Failure(
        absl::ResourceExhaustedError("the training wants more memory than the process can have"));
  }
  // The next job must not begin before this one's end is stored, or both would be RUNNING.
  while (true) {
    const absl::StatusOr<TrainingJob> ended = Conclude(id, outcome);
    if (ended.ok()) {
      Log(spdlog::level::info, ended->message().empty() ? outcome.change.message : ended->message(),
          {{"training_job", id}, {"state", std::string(StateName(ended->state()))}});
      break;
    }
    spdlog::error("The end of training job {} cannot be stored: {}", id,
                  Text(ended.status().message()));
    if (StoppedWithin(kStoreRetry)) break;  // the next start takes it up
  }
  SetCurve(nullptr);  // the store has it now
  surroundings_.metrics.TrainingJobIsOver(id);
  SweepBlobs(surroundings_.store,
             surroundings_.blobs);  // a cancelled job keeps one checkpoint only
}

absl::Status JobRunner::OrDeviceLost(const absl::Status& status) const {
  const absl::Status health = surroundings_.backend.health();
  return health.ok() ? status : DeviceLost(health);
}

bool JobRunner::EndsHere(const std::string& id) {
  if (stop_ || yields_) return true;
  // Cleared before the ledger is asked, so that one that comes meanwhile is not lost.
  if (!interrupted_.exchange(false)) return false;
  const absl::StatusOr<TrainingJob::State> state = ledger_.StateOf(id);
  // An interruption may come late, when the job was paused and resumed already.
  if (state.ok()) return *state != TrainingJob::STATE_RUNNING;
  interrupted_ = true;  // asked again after the next step
  return false;
}

absl::Status JobRunner::WriteLastCheckpoint(const std::string& id, TrainingRun& run) {
  while (true) {
    absl::Status written = run.WriteCheckpoint();
    if (written.ok()) return written;
    spdlog::error("The last checkpoint of training job {} cannot be written: {}", id,
                  Text(written.message()));
    if (!absl::IsResourceExhausted(written) && !absl::IsUnavailable(written)) return written;
    if (!surroundings_.backend.health().ok()) return written;
    if (StoppedWithin(kStoreRetry)) return written;
    const auto state = ledger_.StateOf(id);
    if (state.ok() && *state == TrainingJob::STATE_CANCELLING) return written;
  }
}

JobRunner::Outcome JobRunner::Train(const TrainingJob& job) {
  const std::string id(IdOf(job.name()));
  Outcome outcome;
  absl::StatusOr<std::unique_ptr<TrainingRun>> made = TrainingRun::Create(surroundings_, job);
  if (!made.ok()) {
    outcome.change = Failure(OrDeviceLost(made.status()));
    return outcome;
  }
  TrainingRun& run = **made;
  SetCurve(run.curve());
  absl::Status status;
  if (!run.resumed_message().empty()) {
    NoteEvent(id, v1::TrainingEvent::KIND_RESUMED, run.steps_done(), run.resumed_message());
  }
  const auto tell = [&] {
    std::optional<v1::TrainingProgress> progress = run.Progress();
    if (!progress.has_value()) return;
    run.ProgressTold(*progress);
    outcome.change.progress = *progress;
    watchers_.PublishProgress(id, *std::move(progress));
  };
  while (status.ok() && !run.done() && !EndsHere(id)) {
    status = run.Step();
    if (ErrorReason(status) == kDiverged) status = Recover(id, run, status);
    // One that is done gets its last below.
    if (status.ok() && !run.done() && run.SampleIsDue()) DrawSample(id, run);
    if (run.ProgressIsDue()) tell();
    if (!status.ok() || !run.CheckpointIsDue()) continue;
    if (const absl::Status written = run.WriteCheckpoint(); !written.ok()) {
      spdlog::error("A checkpoint of training job {} cannot be written; the training goes on: {}",
                    id, Text(written.message()));
    }
  }
  if (status.ok() && run.done()) DrawSample(id, run);
  tell();
  if (status.ok() && run.done()) {
    // What another job may go on from; after a crash this one only publishes.
    if (const absl::Status written = run.WriteCheckpoint(); !written.ok()) {
      spdlog::error("The last checkpoint of training job {} cannot be written: {}", id,
                    Text(written.message()));
    }
  }

  const v1::TrainingProgress progress = std::move(outcome.change.progress);
  if (status.ok() && run.done()) {
    absl::StatusOr<TrainedModel> model = run.Model();
    status = model.status();
    if (model.ok()) outcome.model = *std::move(model);
  }
  if (!status.ok()) {
    outcome.change = Failure(OrDeviceLost(status));
  } else if (outcome.model.has_value()) {
    JobEnding ending = run.Ending();
    outcome.change = {
        TrainingJob::STATE_SUCCEEDED, std::move(ending.reason), std::move(ending.message), {}};
  } else {
    outcome.change = Interruption(id, run);
  }
  outcome.change.progress = progress;
  outcome.change.curve = run.curve()->Snapshot();
  return outcome;
}

absl::Status JobRunner::Recover(const std::string& id, TrainingRun& run,
                                const absl::Status& diverged) {
  const absl::StatusOr<std::string> recovered = run.Recover(diverged);
  if (!recovered.ok()) return recovered.status();
  spdlog::warn("Training job {}: {}", id, *recovered);
  SetCurve(run.curve());
  NoteEvent(id, v1::TrainingEvent::KIND_RECOVERED, run.steps_done(), *recovered);
  return absl::OkStatus();
}

void JobRunner::DrawSample(const std::string& id, TrainingRun& run) {
  const absl::Status drawn = run.DrawSample();
  if (drawn.ok()) return;
  spdlog::error("A text of training job {} cannot be drawn; the training goes on: {}", id,
                Text(drawn.message()));
}

void JobRunner::NoteEvent(const std::string& id, v1::TrainingEvent::Kind kind, int64_t step,
                          const std::string& message) {
  const absl::Status noted = ledger_.Note(id, kind, step, message);
  if (noted.ok()) return;
  spdlog::error("An event of training job {} cannot be stored; the training goes on: {}", id,
                Text(noted.message()));
}

JobChange JobRunner::Interruption(const std::string& id, TrainingRun& run) {
  const absl::StatusOr<TrainingJob::State> state = ledger_.StateOf(id);
  if (state.ok() && *state == TrainingJob::STATE_CANCELLING) {
    return {TrainingJob::STATE_CANCELLED, "CANCELLED", "The job was cancelled.", {}};
  }
  const absl::Status written = WriteLastCheckpoint(id, run);
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
          absl::StrCat(stop_ ? "The server stops" : "The job yields",
                       "; the training goes on from ", where, " once it runs."),
          {}};
}

absl::StatusOr<TrainingJob> JobRunner::Conclude(const std::string& id, Outcome& outcome) {
  if (outcome.model.has_value()) {
    absl::StatusOr<TrainingJob> job = ledger_.Succeed(id, *outcome.model, outcome.change);
    if (job.ok()) return job;
    outcome.model.reset();
    JobChange failure = Failure(job.status());
    failure.progress = std::move(outcome.change.progress);
    failure.curve = std::move(outcome.change.curve);
    outcome.change = std::move(failure);
  }
  return ledger_.End(id, outcome.change);
}

}  // namespace derin::server
