#include "server/jobs/job_ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/jobs/job_state.h"
#include "server/status/error.h"

namespace derin::server {

using v1::TrainingEvent;
using v1::TrainingJob;

namespace {

// How long a client that found the queue full is told to wait.
constexpr absl::Duration kQueueRetry = absl::Seconds(10);

// `trainingJobs/ID is STATE` and what follows from that.
absl::Status InThatState(const TrainingJob& job, std::string_view reason,
                         const std::string& consequence) {
  return Refusal(
      absl::StatusCode::kFailedPrecondition, reason,
      absl::StrCat(job.name(), " is ", std::string(StateName(job.state())), consequence));
}

absl::Status NotInState(const TrainingJob& job, TrainingJob::State to) {
  return InThatState(job, "JOB_STATE",
                     absl::StrCat(" and cannot become ", std::string(StateName(to))));
}

absl::Status AlreadyOver(const TrainingJob& job) {
  return InThatState(job, "JOB_IS_OVER", " already");
}

// Whether `job` begins before `other`, which was created before it.
bool GoesBefore(const TrainingJob& job, const TrainingJob& other) {
  if (job.priority() != other.priority()) return job.priority() > other.priority();
  return FromTimestamp(job.queue_time()) < FromTimestamp(other.queue_time());
}

JobChange Cancellation(std::string message) {
  return {TrainingJob::STATE_CANCELLED, "CANCELLED", std::move(message), {}};
}

}  // namespace

JobLedger::JobLedger(MetadataStore& store, ModelRegistry& registry, JobWatchers& watchers,
                     WallClock clock)
    : store_(store), registry_(registry), watchers_(watchers), clock_(std::move(clock)) {}

absl::StatusOr<TrainingJob> JobLedger::Add(const NewJob& new_job, int max_queued) {
  TrainingJob job;
  job.set_name(ResourceName(kTrainingJobs, new_job.id));
  *job.mutable_spec() = new_job.spec;
  job.set_parameter_count(new_job.parameter_count);
  *job.mutable_create_time() = ToTimestamp(clock_());
  *job.mutable_queue_time() = job.create_time();
  job.set_owner(new_job.owner.name);
  job.set_priority(new_job.priority);
  job.set_share(new_job.share);
  job.set_memory_bytes(new_job.memory_bytes);
  job.set_tokens_per_epoch(new_job.tokens_per_epoch);
  *job.mutable_labels() = new_job.labels;
  job.set_trace_id(new_job.trace_id);
  const JobUpdate update =
      Changed(std::move(job), {TrainingJob::STATE_QUEUED, "", "The job waits for the device.", {}});

  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Counts> counts = Count();
  if (!counts.ok()) return counts.status();
  if (counts->queued >= max_queued) {
    return WithRetryAfter(
        Refusal(absl::StatusCode::kResourceExhausted, "JOBS_FULL",
                absl::StrFormat("%d training jobs wait; that is as many as may (--max-queued-jobs)",
                                counts->queued)),
        kQueueRetry);
  }
  if (absl::Status status = CheckOwner(new_job.owner); !status.ok()) return status;
  if (new_job.validate_only) {
    if (store_.GetTrainingJob(new_job.id).ok()) {
      return Refusal(absl::StatusCode::kAlreadyExists, "JOB_EXISTS",
                     absl::StrFormat("there is %s already", update.job.name()));
    }
    return update.job;
  }
  auto inserted =
      store_.InsertTrainingJob({update, new_job.request_id, new_job.request_sha256, new_job.start});
  if (!inserted.ok()) return inserted.status();
  if (inserted->is_new) watchers_.Publish(inserted->update.job);
  return std::move(inserted->update.job);
}

absl::Status JobLedger::CheckOwner(const JobOwner& owner) {
  if (!owner.max_jobs.has_value()) return absl::OkStatus();
  const auto jobs = store_.ListUnfinishedTrainingJobs();
  if (!jobs.ok()) return jobs.status();
  const int64_t owned = std::count_if(jobs->begin(), jobs->end(), [&owner](const TrainingJob& job) {
    return job.owner() == owner.name;
  });
  if (owned < *owner.max_jobs) return absl::OkStatus();
  return WithRetryAfter(
      Refusal(absl::StatusCode::kResourceExhausted, "CALLER_JOBS_FULL",
              absl::StrFormat("%s has as many training jobs that are not over as its token allows: "
                              "max_jobs is %d",
                              owner.name, *owner.max_jobs)),
      kQueueRetry);
}

absl::StatusOr<TrainingJob> JobLedger::Begin(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job;
  if (job->state() != TrainingJob::STATE_QUEUED) {
    return NotInState(*job, TrainingJob::STATE_RUNNING);
  }
  const int attempt = job->attempt() + 1;
  return Store(*job, {TrainingJob::STATE_RUNNING,
                      "",
                      absl::StrFormat("Attempt %d of the training began.", attempt),
                      {}});
}

absl::StatusOr<TrainingJob> JobLedger::Pause(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job;
  switch (job->state()) {
    case TrainingJob::STATE_QUEUED:
      return Store(*job,
                   {TrainingJob::STATE_PAUSED, "", "The job was paused while it waited.", {}});
    case TrainingJob::STATE_RUNNING:
      return Store(*job, {TrainingJob::STATE_PAUSING,
                          "",
                          "The job was asked to pause; it does so after its next step.",
                          {}});
    case TrainingJob::STATE_PAUSING:
    case TrainingJob::STATE_PAUSED:
      return job;
    default:
      return IsOver(job->state()) ? AlreadyOver(*job) : NotInState(*job, TrainingJob::STATE_PAUSED);
  }
}

absl::StatusOr<TrainingJob> JobLedger::Resume(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job;
  switch (job->state()) {
    case TrainingJob::STATE_PAUSED:
      return Store(
          *job,
          {TrainingJob::STATE_QUEUED, "", "The job was resumed; it waits for the device.", {}});
    case TrainingJob::STATE_QUEUED:
    case TrainingJob::STATE_RUNNING:
      return job;
    default:
      return IsOver(job->state()) ? AlreadyOver(*job) : NotInState(*job, TrainingJob::STATE_QUEUED);
  }
}

absl::StatusOr<TrainingJob> JobLedger::Cancel(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job;
  switch (job->state()) {
    case TrainingJob::STATE_QUEUED:
    case TrainingJob::STATE_PAUSED:
      return Store(*job, Cancellation("The job was cancelled while it waited."));
    case TrainingJob::STATE_RUNNING:
    case TrainingJob::STATE_PAUSING:
      return Store(*job, {TrainingJob::STATE_CANCELLING,
                          "",
                          "The job was asked to end; it does so at its next step.",
                          {}});
    case TrainingJob::STATE_CANCELLING:
    case TrainingJob::STATE_CANCELLED:
      return job;
    default:
      return AlreadyOver(*job);
  }
}

absl::StatusOr<v1::ModelVersion> JobLedger::PublishCheckpoint(const CheckpointReference& checkpoint,
                                                              v1::ModelVersion version) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(checkpoint.job_id);
  if (!job.ok()) return job.status();
  *version.mutable_create_time() = ToTimestamp(clock_());
  JobUpdate update{*std::move(job), {}};
  if (!IsOver(update.job.state())) {
    update.events.push_back(EventOf(update.job, TrainingEvent::KIND_PUBLISHED, checkpoint.step));
  }
  auto stored = store_.PublishCheckpoint(std::move(version), std::move(update), checkpoint.step);
  if (!stored.ok()) return stored.status();
  if (!stored->update.events.empty()) watchers_.Publish(stored->update.job);
  return std::move(stored->version);
}

absl::Status JobLedger::Delete(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  const absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job.status();
  if (!IsOver(job->state()) && job->state() != TrainingJob::STATE_PAUSED) {
    return InThatState(
        *job, "JOB_STATE",
        "; only one that is over or PAUSED can be deleted: cancel or pause it first");
  }
  if (absl::Status deleted = store_.DeleteTrainingJob(id); !deleted.ok()) return deleted;
  watchers_.PublishDeletion(id);
  return absl::OkStatus();
}

absl::Status JobLedger::Note(const std::string& id, TrainingEvent::Kind kind, int64_t step,
                             std::string message) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job.status();
  return NoteLocked(*std::move(job), kind, step, std::move(message));
}

absl::Status JobLedger::NoteWaiting(const std::string& id, std::string message) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job.status();
  if (job->state() != TrainingJob::STATE_QUEUED) {
    return InThatState(*job, "JOB_STATE", " and waits no more");
  }
  const int64_t step = job->progress().step();
  return NoteLocked(*std::move(job), TrainingEvent::KIND_WAITING, step, std::move(message));
}

absl::Status JobLedger::NoteLocked(TrainingJob job, TrainingEvent::Kind kind, int64_t step,
                                   std::string message) {
  TrainingEvent event = EventOf(job, kind, step);
  event.set_message(std::move(message));
  auto stored = store_.UpdateTrainingJob({std::move(job), {std::move(event)}});
  if (!stored.ok()) return stored.status();
  watchers_.Publish(stored->job);
  return absl::OkStatus();
}

absl::StatusOr<TrainingJob> JobLedger::Yield(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job;
  if (IsOver(job->state())) return AlreadyOver(*job);
  if (job->state() != TrainingJob::STATE_RUNNING) {
    return InThatState(*job, "JOB_STATE", "; only one that is RUNNING can yield");
  }
  *job->mutable_queue_time() = ToTimestamp(clock_());
  return StoreEdited(*std::move(job));
}

absl::StatusOr<TrainingJob> JobLedger::Edit(const std::string& id,
                                            const v1::UpdateTrainingJobRequest& request) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job;
  if (absl::Status status = ApplyEdit(request, *job); !status.ok()) return status;
  return StoreEdited(*std::move(job));
}

absl::StatusOr<TrainingJob> JobLedger::StoreEdited(TrainingJob job) {
  if (absl::Status status = store_.EditTrainingJob(job); !status.ok()) return status;
  watchers_.AddProgress(job);
  return job;
}

absl::StatusOr<TrainingJob> JobLedger::End(const std::string& id, JobChange change) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job;
  return Store(*job, std::move(change));
}

absl::StatusOr<TrainingJob> JobLedger::Succeed(const std::string& id, const TrainedModel& model,
                                               const JobChange& change) {
  v1::ModelVersion version;
  version.set_training_perplexity(model.training_perplexity);
  if (model.validation_perplexity) version.set_validation_perplexity(*model.validation_perplexity);
  // Not under the lock: it is large, and has to reach the disk.
  auto written = registry_.Write(model.file, std::move(version));

  absl::MutexLock lock(&mutex_);
  absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job;
  if (job->state() == TrainingJob::STATE_CANCELLING) return Store(*job, change);
  if (!written.ok()) return written.status();
  if (!CanBecome(job->state(), change.to)) return NotInState(*job, change.to);
  JobUpdate update = Changed(*std::move(job), change);
  TrainingEvent published = update.events.front();
  published.set_kind(TrainingEvent::KIND_PUBLISHED);
  update.events.insert(update.events.begin(), published);

  auto stored = registry_.Publish(*std::move(written), std::move(update));
  if (!stored.ok()) return stored.status();
  watchers_.Publish(stored->update.job);
  return std::move(stored->update.job);
}

absl::Status JobLedger::Recover() {
  absl::MutexLock lock(&mutex_);
  auto jobs = store_.ListUnfinishedTrainingJobs();
  if (!jobs.ok()) return jobs.status();
  for (const TrainingJob& job : *jobs) {
    if (job.state() == TrainingJob::STATE_QUEUED || job.state() == TrainingJob::STATE_PAUSED) {
      continue;
    }
    const auto stored =
        Store(job, {TrainingJob::STATE_QUEUED,
                    "",
                    "The server was restarted; the training goes on when it is its turn.",
                    {}});
    if (!stored.ok()) return stored.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<TrainingJob::State> JobLedger::StateOf(const std::string& id) {
  const absl::StatusOr<TrainingJob> job = store_.GetTrainingJob(id);
  if (!job.ok()) return job.status();
  return job->state();
}

absl::StatusOr<std::optional<TrainingJob>> JobLedger::NextQueued() {
  auto jobs = store_.ListUnfinishedTrainingJobs();
  if (!jobs.ok()) return jobs.status();
  const TrainingJob* next = nullptr;
  for (const TrainingJob& job : *jobs) {
    if (job.state() != TrainingJob::STATE_QUEUED) continue;
    if (next == nullptr || GoesBefore(job, *next)) next = &job;
  }
  return next == nullptr ? std::nullopt : std::optional(*next);
}

absl::StatusOr<JobLedger::Counts> JobLedger::Count() {
  auto jobs = store_.ListUnfinishedTrainingJobs();
  if (!jobs.ok()) return jobs.status();
  Counts counts;
  for (const TrainingJob& job : *jobs) {
    if (job.state() == TrainingJob::STATE_QUEUED) ++counts.queued;
    if (job.state() == TrainingJob::STATE_RUNNING) ++counts.running;
    if (job.state() == TrainingJob::STATE_PAUSING) ++counts.pausing;
    if (job.state() == TrainingJob::STATE_PAUSED) ++counts.paused;
    if (job.state() == TrainingJob::STATE_CANCELLING) ++counts.cancelling;
  }
  return counts;
}

absl::StatusOr<TrainingJob> JobLedger::Store(TrainingJob job, JobChange change) {
  if (job.state() == TrainingJob::STATE_CANCELLING) {
    JobChange cancellation = Cancellation("The job was cancelled.");
    cancellation.progress = std::move(change.progress);
    cancellation.curve = std::move(change.curve);
    change = std::move(cancellation);
  }
  if (job.state() == TrainingJob::STATE_PAUSING && change.to == TrainingJob::STATE_QUEUED) {
    change.to = TrainingJob::STATE_PAUSED;
    change.message = "The job is paused.";
  }
  if (!CanBecome(job.state(), change.to)) return NotInState(job, change.to);
  watchers_.AddProgress(job);
  auto stored = store_.UpdateTrainingJob(Changed(std::move(job), change));
  if (!stored.ok()) return stored.status();
  watchers_.Publish(stored->job);
  return std::move(stored->job);
}

TrainingEvent JobLedger::EventOf(const TrainingJob& job, TrainingEvent::Kind kind,
                                 int64_t step) const {
  TrainingEvent event;
  event.set_attempt(job.attempt());
  *event.mutable_time() = ToTimestamp(clock_());
  event.set_kind(kind);
  event.set_state(job.state());
  event.set_step(step);
  return event;
}

JobUpdate JobLedger::Changed(TrainingJob job, const JobChange& change) const {
  const google::protobuf::Timestamp now = ToTimestamp(clock_());
  job.set_state(change.to);
  if (change.to == TrainingJob::STATE_RUNNING) {
    job.set_attempt(job.attempt() + 1);
    *job.mutable_start_time() = now;
    job.clear_progress();
  }
  if (change.progress.attempt() == job.attempt() && job.attempt() > 0) {
    *job.mutable_progress() = change.progress;
  }
  if (IsOver(change.to)) {
    *job.mutable_end_time() = now;
    job.set_reason(change.reason);
    job.set_message(change.message);
  }
  TrainingEvent event = EventOf(job, TrainingEvent::KIND_STATE_CHANGED, job.progress().step());
  event.set_message(change.message);
  JobUpdate update{std::move(job), {std::move(event)}};
  if (IsOver(change.to)) update.curve = change.curve;
  return update;
}

}  // namespace derin::server
