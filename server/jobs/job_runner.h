#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/jobs/device_shares.h"
#include "server/jobs/job_attempt.h"
#include "server/jobs/job_ledger.h"
#include "server/jobs/job_watchers.h"
#include "server/jobs/training_run.h"

namespace derin::server {

// Runs the jobs of the queue, up to `max_running` at once, each on a thread of its own and in its
// turns on the device (see DeviceShares): what comes of a job does not depend on what runs beside
// it.
//
// Jobs begin in the order of the queue: the first in line begins once there is a place for it and
// its memory_bytes are free on the device; until then it waits, with a KIND_WAITING event, and none
// behind it begins, however small, so that a large job is not starved by small ones. It has the
// device's memory to itself at the latest when all that run have ended: then it begins whatever it
// takes, and is FAILED where that is more than there is. The next is looked at only when the last
// one that began has taken its memory.
//
// When the device is lost, the jobs that run are FAILED, reason DEVICE_LOST, since any may be what
// did it; those that wait stay in the queue for the next process.
class JobRunner {
 public:
  // All outlive the runner.
  JobRunner(const TrainingRun::Surroundings& surroundings, JobLedger& ledger, JobWatchers& watchers,
            int max_running = 1);
  ~JobRunner() { Stop(); }

  void Start();
  // The jobs that run go back to the queue at their next step; returns when all threads have ended.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // The queue is no longer what it was.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);
  // The job, if it runs, ends at its next step. The ledger has it as CANCELLING or PAUSING already.
  void Interrupt(const std::string& job_id) ABSL_LOCKS_EXCLUDED(mutex_);
  // The job, if it runs, goes back to the queue at its next step.
  void Yield(const std::string& job_id) ABSL_LOCKS_EXCLUDED(mutex_);
  // The job, if it runs, gets the share that is stored.
  void UpdateShare(const std::string& job_id) ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the job, if it runs: its curve until now, of which the store has only a part.
  std::optional<v1::ListTrainingMetricsResponse> CurveOf(const std::string& job_id)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the device, by all jobs that run, at most.
  int64_t MemoryInUse() ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls `tryout`, which uses the device for a moment, once it has the turn that a job would have.
  // One at a time. A job that finds no memory meanwhile waits.
  void Try(absl::FunctionRef<void()> tryout) ABSL_LOCKS_EXCLUDED(tryout_mutex_, mutex_);
  // Why a queued job does not run, a sentence; empty for any other, and for one that is about to.
  std::string WhyWaiting(const v1::TrainingJob& job) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Of a job that runs or is about to.
  struct Place {
    std::shared_ptr<JobAttempt> attempt;
    std::thread thread{};
    int64_t memory_bytes = 0;
    bool settled = false;  // has taken its memory
    bool over = false;     // the thread is about to end
    JobAttempt::Ending ending = JobAttempt::Ending::kStored;
  };
  // The first in line, where there is no room for it.
  struct Blocked {
    std::string job_id;
    std::string why;
  };

  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);
  // Begins the job that is next; false when none can begin now.
  absl::StatusOr<bool> BeginNext() ABSL_LOCKS_EXCLUDED(mutex_);
  bool PlaceIsFree() ABSL_LOCKS_EXCLUDED(mutex_);
  // False where it has to wait until others end; tells so.
  bool HasRoom(const v1::TrainingJob& job) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<bool> Begin(const v1::TrainingJob& next) ABSL_LOCKS_EXCLUDED(mutex_);
  // What the thread of `place` does.
  void Run(Place& place, const v1::TrainingJob& job) ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes the places of jobs that are over free.
  void JoinOver() ABSL_LOCKS_EXCLUDED(mutex_);
  void AwaitWork() ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<JobAttempt> Find(const std::string& job_id) ABSL_LOCKS_EXCLUDED(mutex_);

  const TrainingRun::Surroundings surroundings_;
  JobLedger& ledger_;
  JobWatchers& watchers_;
  const size_t max_running_;
  DeviceShares shares_;
  absl::Notification stop_;
  absl::Mutex tryout_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  absl::Mutex mutex_;
  bool trying_ ABSL_GUARDED_BY(mutex_) = false;
  bool wake_ ABSL_GUARDED_BY(mutex_) = false;
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;  // the device, so that no job begins any more
  std::map<std::string, Place> places_ ABSL_GUARDED_BY(mutex_);  // by id
  std::optional<Blocked> blocked_ ABSL_GUARDED_BY(mutex_);
  // The job that found no room although it seemed to be there: waits until another one ends.
  std::string no_room_for_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> told_ ABSL_GUARDED_BY(mutex_);  // jobs that have their KIND_WAITING event
  std::thread thread_;
};

}  // namespace derin::server
