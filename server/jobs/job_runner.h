#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/jobs/job_ledger.h"
#include "server/jobs/job_watchers.h"
#include "server/jobs/training_run.h"

namespace derin::server {

// The training thread: takes the job that is next, trains it to its end, takes the next. When
// the device is lost, the job that runs is FAILED, reason DEVICE_LOST, since it may be what did it;
// those that wait stay in the queue for the next process.
class JobRunner {
 public:
  // All outlive the runner.
  JobRunner(const TrainingRun::Surroundings& surroundings, JobLedger& ledger,
            JobWatchers& watchers);
  ~JobRunner() { Stop(); }

  void Start();
  // The job that runs goes back to the queue at its next step; returns when the thread has ended.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // There may be a job in the queue.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);
  // The job, if it runs, ends at its next step. The ledger has it as CANCELLING or PAUSING already.
  void Interrupt(const std::string& job_id) ABSL_LOCKS_EXCLUDED(mutex_);
  // The job, if it runs, goes back to the queue at its next step.
  void Yield(const std::string& job_id) ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the job, if it runs: its curve until now, of which the store has only a part.
  std::optional<v1::ListTrainingMetricsResponse> CurveOf(const std::string& job_id)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // How an attempt ended.
  struct Outcome {
    std::optional<TrainedModel> model;  // there when it is to succeed
    JobChange change;                   // what becomes of the job; has the last progress
  };

  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);
  // Runs the job that is next to its end; false when none waits.
  absl::StatusOr<bool> RunNext() ABSL_LOCKS_EXCLUDED(mutex_);
  void Run(const v1::TrainingJob& job) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetCurve(std::shared_ptr<const TrainingCurve> curve) ABSL_LOCKS_EXCLUDED(mutex_);
  Outcome Train(const v1::TrainingJob& job);
  // Why an attempt failed: `status`, or the loss of the device that led to it.
  absl::Status OrDeviceLost(const absl::Status& status) const;
  // Whether the attempt is to end here: the server stops, or the ledger says so.
  bool EndsHere(const std::string& id);
  // Of a run that diverged; an error where that cannot be.
  absl::Status Recover(const std::string& id, TrainingRun& run, const absl::Status& diverged);
  // These two log an error: the training goes on.
  void DrawSample(const std::string& id, TrainingRun& run);
  void NoteEvent(const std::string& id, v1::TrainingEvent::Kind kind, int64_t step,
                 const std::string& message);
  // Tries until the disk has room, unless the server stops, the job is cancelled or the device is
  // lost.
  absl::Status WriteLastCheckpoint(const std::string& id, TrainingRun& run)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What becomes of a job that was interrupted; writes a checkpoint where it is to go on.
  JobChange Interruption(const std::string& id, TrainingRun& run) ABSL_LOCKS_EXCLUDED(mutex_);
  // Stores the outcome. A model that cannot be published turns it into a failure.
  absl::StatusOr<v1::TrainingJob> Conclude(const std::string& id, Outcome& outcome);
  bool StoppedWithin(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);
  void AwaitWork() ABSL_LOCKS_EXCLUDED(mutex_);

  const TrainingRun::Surroundings surroundings_;
  JobLedger& ledger_;
  JobWatchers& watchers_;
  absl::Mutex mutex_;
  bool wake_ ABSL_GUARDED_BY(mutex_) = false;
  std::string running_ ABSL_GUARDED_BY(mutex_);  // id of the job that runs or is about to
  std::shared_ptr<const TrainingCurve> curve_
      ABSL_GUARDED_BY(mutex_);            // of that job, while it runs
  std::atomic<bool> interrupted_{false};  // that job may have to end: ask the ledger
  std::atomic<bool> yields_{false};       // that job is to go back to the queue
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace derin::server
