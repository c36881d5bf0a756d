#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/jobs/device_shares.h"
#include "server/jobs/job_ledger.h"
#include "server/jobs/job_watchers.h"
#include "server/jobs/training_run.h"

namespace derin::server {

// One attempt at one job, from its beginning to the stored end: trains in the job's turns on the
// device, tells the watchers, writes checkpoints, and says what becomes of the job. Run is for one
// thread; all else for any.
class JobAttempt {
 public:
  // How long to wait before the store is tried again: it fails when the disk is full, and nothing
  // here can help that.
  static constexpr absl::Duration kStoreRetry = absl::Seconds(5);

  // All outlive the attempt.
  struct Surroundings {
    const TrainingRun::Surroundings& training;
    JobLedger& ledger;
    JobWatchers& watchers;
    DeviceShares& shares;
    const absl::Notification& stop;  // the server stops: back to the queue at the next step
  };

  // Not before it is made is the job to become RUNNING, so that no interruption is missed.
  JobAttempt(const Surroundings& surroundings, std::string job_id);

  enum class Ending {
    kStored,
    // Stored, and there was no memory for it beside the other jobs: it waits again, to go on from
    // its newest checkpoint.
    kNoRoom,
  };
  // Trains `job`, which is RUNNING, until its end is stored, or the server stops and it cannot be.
  // `settled` is called once its first step is done, so that all it takes of the device's memory is
  // taken.
  Ending Run(const v1::TrainingJob& job, const std::function<void()>& settled);
  // Others run or ran beside it: without memory it is not FAILED, but waits again.
  void MeetCompany() { has_company_ = true; }

  // The job ends at its next step. The ledger has it as CANCELLING or PAUSING already.
  void Interrupt();
  // The job goes back to the queue at its next step.
  void Yield();
  void SetShare(int share) { seat_.SetShare(share); }
  // Its curve until now, of which the store has only a part; nullopt before it trains.
  std::optional<v1::ListTrainingMetricsResponse> Curve() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // How the attempt ends.
  struct Outcome {
    std::optional<TrainedModel> model{};  // there when it is to succeed
    JobChange change{};                   // what becomes of the job; has the last progress
    Ending ending = Ending::kStored;
  };

  Outcome Train(const v1::TrainingJob& job, const std::function<void()>& settled);
  // Of one that could not be made, or not go on: `why`.
  Outcome Failed(const absl::Status& why) const;
  // Steps until the job is done or ends here; `tell` is called where progress is due.
  absl::Status TakeTurns(TrainingRun& run, const std::function<void()>& tell,
                         const std::function<void()>& settled);
  // Ends the turn, once all that it began is done.
  void LeaveDevice(TrainingRun& run);
  void SetCurve(std::shared_ptr<const TrainingCurve> curve) ABSL_LOCKS_EXCLUDED(mutex_);
  // Why it failed: `status`, or the loss of the device that led to it.
  absl::Status OrDeviceLost(const absl::Status& status) const;
  // Whether it is to end here: the server stops, or the ledger says so.
  bool EndsHere();
  // Of a run that diverged; an error where that cannot be.
  absl::Status Recover(TrainingRun& run, const absl::Status& diverged);
  // These two log an error: the training goes on.
  void DrawSample(TrainingRun& run);
  void NoteEvent(v1::TrainingEvent::Kind kind, int64_t step, const std::string& message);
  // Tries until the disk has room, unless the server stops, the job is cancelled or the device is
  // lost.
  absl::Status WriteLastCheckpoint(TrainingRun& run);
  // What becomes of a job that was interrupted; writes a checkpoint where it is to go on.
  JobChange Interruption(TrainingRun& run);
  // Stores the outcome. A model that cannot be published turns it into a failure.
  absl::StatusOr<v1::TrainingJob> Conclude(Outcome& outcome);

  const Surroundings surroundings_;
  const TrainingRun::Surroundings& training_;
  const std::string id_;
  DeviceShares::Seat seat_;
  std::atomic<bool> interrupted_{false};  // it may have to end: ask the ledger
  std::atomic<bool> yields_{false};       // it is to go back to the queue
  std::atomic<bool> has_company_{false};
  mutable absl::Mutex mutex_;
  std::shared_ptr<const TrainingCurve> curve_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
