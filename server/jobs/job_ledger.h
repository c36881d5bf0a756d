#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "derin/v1/model.pb.h"
#include "derin/v1/training.pb.h"
#include "server/jobs/job_edit.h"
#include "server/jobs/job_watchers.h"
#include "server/jobs/trained_model.h"
#include "server/registry/model_registry.h"
#include "server/storage/metadata_store.h"
#include "server/storage/proto_time.h"
#include "server/storage/resource_name.h"

namespace derin::server {

// What becomes of a job.
struct JobChange {
  v1::TrainingJob::State to = v1::TrainingJob::STATE_UNSPECIFIED;
  std::string reason;               // for a job that is over
  std::string message;              // of the event, and of a job that is over
  v1::TrainingProgress progress{};  // stays with the job
  // Stays with a job that is over; one that goes on has that of its newest checkpoint.
  std::optional<v1::ListTrainingMetricsResponse> curve{};
};

// Who creates a job, and how many that are not over it may have; unset: any number.
struct JobOwner {
  std::string name = "local";
  std::optional<int64_t> max_jobs{};
};

// All changes of stored jobs go through here: one at a time, each legal, with its event in the same
// transaction, and told to the watchers once it is stored. Thread-safe.
class JobLedger {
 public:
  // All outlive the ledger.
  JobLedger(MetadataStore& store, ModelRegistry& registry, JobWatchers& watchers, WallClock clock);

  // Stores a queued job; see MetadataStore::InsertTrainingJob. RESOURCE_EXHAUSTED, reason
  // JOBS_FULL, with a hint when to try again, when `max_queued` wait already, or CALLER_JOBS_FULL
  // when its owner has `max_jobs` that are not over. With `validate_only`
  // the answer is the job as it would be.
  struct NewJob {
    std::string id;
    v1::TrainingSpec spec;
    int64_t parameter_count = 0;
    std::string request_id;
    std::string request_sha256;
    bool validate_only = false;
    std::optional<JobStart> start{};
    JobOwner owner{};
    int32_t priority = 0;
    int32_t share = 1;
    int64_t memory_bytes = 0;
    int64_t tokens_per_epoch = 0;
    JobLabels labels{};
    std::string trace_id{};
  };
  absl::StatusOr<v1::TrainingJob> Add(const NewJob& job, int max_queued)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // QUEUED -> RUNNING: the next attempt. FAILED_PRECONDITION when it waits no more.
  absl::StatusOr<v1::TrainingJob> Begin(const std::string& id) ABSL_LOCKS_EXCLUDED(mutex_);
  // A job that waits is PAUSED, one that runs PAUSING; one that was asked before stays as it is.
  // FAILED_PRECONDITION, reason JOB_IS_OVER for one that is over, JOB_STATE for one that ends.
  absl::StatusOr<v1::TrainingJob> Pause(const std::string& id) ABSL_LOCKS_EXCLUDED(mutex_);
  // A paused job is QUEUED; one that waits or runs stays as it is. FAILED_PRECONDITION as above,
  // JOB_STATE also for one that is about to pause.
  absl::StatusOr<v1::TrainingJob> Resume(const std::string& id) ABSL_LOCKS_EXCLUDED(mutex_);
  // A job that waits is CANCELLED, one that runs CANCELLING; one that was asked before stays as it
  // is. FAILED_PRECONDITION, reason JOB_IS_OVER, for one that ended otherwise.
  absl::StatusOr<v1::TrainingJob> Cancel(const std::string& id) ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes `version` the next one of the job's model; see MetadataStore::PublishCheckpoint. A job
  // that is not over gets the event and stays as it is otherwise.
  absl::StatusOr<v1::ModelVersion> PublishCheckpoint(const CheckpointReference& checkpoint,
                                                     v1::ModelVersion version)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Removes a job that is over or PAUSED with all that belongs to it, and ends its watches.
  // FAILED_PRECONDITION, reason JOB_STATE, in any other state.
  absl::Status Delete(const std::string& id) ABSL_LOCKS_EXCLUDED(mutex_);
  // Something happened to an attempt: stores that event; the job stays as it is otherwise.
  absl::Status Note(const std::string& id, v1::TrainingEvent::Kind kind, int64_t step,
                    std::string message) ABSL_LOCKS_EXCLUDED(mutex_);
  // A KIND_WAITING event of a job that waits. FAILED_PRECONDITION when it waits no more.
  absl::Status NoteWaiting(const std::string& id, std::string message) ABSL_LOCKS_EXCLUDED(mutex_);
  // A running job takes its place behind those that wait, and stays RUNNING until its attempt has
  // ended. FAILED_PRECONDITION, reason JOB_IS_OVER or JOB_STATE, in any other state.
  absl::StatusOr<v1::TrainingJob> Yield(const std::string& id) ABSL_LOCKS_EXCLUDED(mutex_);
  // Changes what can be changed of a job in whatever state it is, without an event. See ApplyEdit.
  absl::StatusOr<v1::TrainingJob> Edit(const std::string& id,
                                       const v1::UpdateTrainingJobRequest& request)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The attempt ended as `change` says; but a job that was asked to cancel is CANCELLED instead,
  // and one that was asked to pause is PAUSED instead of QUEUED.
  absl::StatusOr<v1::TrainingJob> End(const std::string& id, JobChange change)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The attempt made `model`: publishes it as the job's version and ends the job as `change`, to
  // SUCCEEDED, says. A job that was asked to cancel is CANCELLED instead. After an error the job is
  // as before.
  absl::StatusOr<v1::TrainingJob> Succeed(const std::string& id, const TrainedModel& model,
                                          const JobChange& change) ABSL_LOCKS_EXCLUDED(mutex_);

  // After a restart, before anything runs: RUNNING jobs are QUEUED, PAUSING ones PAUSED, CANCELLING
  // ones CANCELLED.
  absl::Status Recover() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<v1::TrainingJob::State> StateOf(const std::string& id);
  // The job that is to begin next, nullopt when none waits: of the highest priority, that with the
  // earliest queue_time.
  absl::StatusOr<std::optional<v1::TrainingJob>> NextQueued();
  // Jobs that are not over, by state.
  struct Counts {
    int queued = 0;
    int running = 0;
    int pausing = 0;
    int paused = 0;
    int cancelling = 0;
  };
  absl::StatusOr<Counts> Count();

 private:
  absl::Status CheckOwner(const JobOwner& owner);
  // Stores that event of a job that stays as it is otherwise.
  absl::Status NoteLocked(v1::TrainingJob job, v1::TrainingEvent::Kind kind, int64_t step,
                          std::string message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // An event of `job` as it is, now.
  v1::TrainingEvent EventOf(const v1::TrainingJob& job, v1::TrainingEvent::Kind kind,
                            int64_t step) const;
  // `job` after `change`, with its event.
  JobUpdate Changed(v1::TrainingJob job, const JobChange& change) const;
  // Stores a job of which neither the state nor the events have changed.
  absl::StatusOr<v1::TrainingJob> StoreEdited(v1::TrainingJob job)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Stores the change and tells it. A CANCELLING job becomes CANCELLED, whatever was wanted, and a
  // PAUSING one PAUSED where QUEUED was wanted.
  absl::StatusOr<v1::TrainingJob> Store(v1::TrainingJob job, JobChange change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  MetadataStore& store_;
  ModelRegistry& registry_;
  JobWatchers& watchers_;
  const WallClock clock_;
  // Held from reading a job to storing its change. The store locks itself; this makes the two one.
  absl::Mutex mutex_;
};

}  // namespace derin::server
