#include "server/jobs/job_runner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/jobs/job_edit.h"
#include "server/storage/resource_name.h"

namespace derin::server {

using v1::TrainingJob;

namespace {

// Generation frees memory too, and tells nobody.
constexpr absl::Duration kRoomRetry = absl::Seconds(1);

std::string Text(absl::string_view text) { return std::string(text); }

std::string Runs(size_t jobs) {
  if (jobs == 0) return "what is being tried";
  return jobs == 1 ? "the job that runs" : absl::StrFormat("the %d jobs that run", jobs);
}

}  // namespace

JobRunner::JobRunner(const TrainingRun::Surroundings& surroundings, JobLedger& ledger,
                     JobWatchers& watchers, int max_running)
    : surroundings_(surroundings),
      ledger_(ledger),
      watchers_(watchers),
      max_running_(static_cast<size_t>(max_running)),
      shares_(surroundings.clock) {}

void JobRunner::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void JobRunner::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    if (!stop_.HasBeenNotified()) stop_.Notify();
    wake_ = true;
  }
  if (thread_.joinable()) thread_.join();
  const auto all_over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::all_of(places_.begin(), places_.end(),
                       [](const auto& place) { return place.second.over; });
  };
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&all_over));
  }
  JoinOver();
}

void JobRunner::Wake() {
  absl::MutexLock lock(&mutex_);
  wake_ = true;
}

std::shared_ptr<JobAttempt> JobRunner::Find(const std::string& job_id) {
  absl::MutexLock lock(&mutex_);
  const auto found = places_.find(job_id);
  return found == places_.end() ? nullptr : found->second.attempt;
}

void JobRunner::Interrupt(const std::string& job_id) {
  if (const auto attempt = Find(job_id)) attempt->Interrupt();
}

void JobRunner::Yield(const std::string& job_id) {
  if (const auto attempt = Find(job_id)) attempt->Yield();
}

void JobRunner::UpdateShare(const std::string& job_id) {
  // Read and set in one, so that of two edits the later one stays.
  absl::MutexLock lock(&mutex_);
  const auto found = places_.find(job_id);
  if (found == places_.end()) return;
  const auto job = surroundings_.store.GetTrainingJob(job_id);
  if (job.ok()) found->second.attempt->SetShare(ShareOf(*job));
}

std::optional<v1::ListTrainingMetricsResponse> JobRunner::CurveOf(const std::string& job_id) {
  const auto attempt = Find(job_id);
  if (attempt == nullptr) return std::nullopt;
  return attempt->Curve();
}

int64_t JobRunner::MemoryInUse() {
  absl::MutexLock lock(&mutex_);
  int64_t bytes = 0;
  for (const auto& [id, place] : places_) bytes += place.memory_bytes;
  return bytes;
}

void JobRunner::Try(absl::FunctionRef<void()> tryout) {
  absl::MutexLock one_at_a_time(&tryout_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    trying_ = true;
    for (auto& [id, place] : places_) place.attempt->MeetCompany();
  }
  {
    DeviceShares::Seat seat(shares_, /*share=*/1);
    while (!seat.Begin()) {
    }
    tryout();
    seat.End();
  }
  absl::MutexLock lock(&mutex_);
  trying_ = false;
  no_room_for_.clear();
  wake_ = true;
}

std::string JobRunner::WhyWaiting(const TrainingJob& job) {
  if (job.state() != TrainingJob::STATE_QUEUED) return "";
  absl::MutexLock lock(&mutex_);
  if (lost_) return "The device is lost; derin has to be started again.";
  const std::string id(IdOf(job.name()));
  if (blocked_.has_value()) {
    if (blocked_->job_id == id) return blocked_->why;
    return absl::StrFormat("%s is before it and waits for memory.",
                           ResourceName(kTrainingJobs, blocked_->job_id));
  }
  if (places_.size() < max_running_ || places_.contains(id)) return "";
  return absl::StrFormat("%d %s; that is as many as may at once (--max-running-jobs).",
                         places_.size(), places_.size() == 1 ? "job runs" : "jobs run");
}

void JobRunner::AwaitWork() {
  const auto work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return wake_; };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&work),
                          blocked_.has_value() ? kRoomRetry : absl::InfiniteDuration());
  wake_ = false;
}

void JobRunner::Loop() {
  while (!stop_.HasBeenNotified()) {
    if (!surroundings_.backend.health().ok()) {
      spdlog::error(
          "No training job begins any more: those that wait go on once derind is started again");
      absl::MutexLock lock(&mutex_);
      lost_ = true;
      return;
    }
    JoinOver();
    const absl::StatusOr<bool> began = BeginNext();
    if (!began.ok()) {
      spdlog::error("The next training job cannot begin: {}", Text(began.status().message()));
      stop_.WaitForNotificationWithTimeout(JobAttempt::kStoreRetry);
    } else if (!*began) {
      AwaitWork();
    }
  }
}

void JobRunner::JoinOver() {
  std::map<std::string, Place> over;
  {
    absl::MutexLock lock(&mutex_);
    for (auto place = places_.begin(); place != places_.end();) {
      const auto next = std::next(place);
      if (place->second.over) over.insert(places_.extract(place));
      place = next;
    }
    for (const auto& [id, place] : over) {
      if (place.ending != JobAttempt::Ending::kNoRoom) no_room_for_.clear();
    }
    for (const auto& [id, place] : over) {
      if (place.ending == JobAttempt::Ending::kNoRoom) no_room_for_ = id;
    }
  }
  for (auto& [id, place] : over) place.thread.join();
}

bool JobRunner::PlaceIsFree() {
  absl::MutexLock lock(&mutex_);
  return places_.size() < max_running_ &&
         std::all_of(places_.begin(), places_.end(),
                     [](const auto& place) { return place.second.settled || place.second.over; });
}

absl::StatusOr<bool> JobRunner::BeginNext() {
  if (!PlaceIsFree()) return false;
  const auto next = ledger_.NextQueued();
  if (!next.ok()) return next.status();
  if (!next->has_value()) {
    absl::MutexLock lock(&mutex_);
    blocked_.reset();
    told_.clear();
    return false;
  }
  const TrainingJob& job = **next;
  const std::string id(IdOf(job.name()));
  // One that has just gone back to the queue still has its place.
  if (Find(id) != nullptr || !HasRoom(job)) return false;
  return Begin(job);
}

bool JobRunner::HasRoom(const TrainingJob& job) {
  const std::string id(IdOf(job.name()));
  const int64_t free = surroundings_.backend.FreeBytes();
  std::string why;
  {
    absl::MutexLock lock(&mutex_);
    if ((places_.empty() && !trying_) || (job.memory_bytes() <= free && no_room_for_ != id)) {
      blocked_.reset();
      return true;
    }
    why = absl::StrFormat("It takes up to %d bytes of the device's memory; %d are free beside %s.",
                          job.memory_bytes(), free, Runs(places_.size()));
    blocked_ = {.job_id = id, .why = why};
    if (!told_.insert(id).second) return false;
  }
  // It may have been cancelled just now.
  const absl::Status noted = ledger_.NoteWaiting(id, why);
  if (!noted.ok()) spdlog::debug("Training job {}: {}", id, Text(noted.message()));
  return false;
}

absl::StatusOr<bool> JobRunner::Begin(const TrainingJob& next) {
  const std::string id(IdOf(next.name()));
  auto attempt = std::make_shared<JobAttempt>(
      JobAttempt::Surroundings{surroundings_, ledger_, watchers_, shares_, stop_}, id);
  Place* place = nullptr;
  {
    // Before the job is RUNNING, so that no cancellation of a running job is missed.
    absl::MutexLock lock(&mutex_);
    if (!places_.empty() || trying_) attempt->MeetCompany();
    for (auto& [other_id, other] : places_) other.attempt->MeetCompany();
    told_.erase(id);
    place = &places_[id];  // stays where it is
    place->attempt = std::move(attempt);
    place->memory_bytes = next.memory_bytes();
  }
  const absl::StatusOr<TrainingJob> job = ledger_.Begin(id);
  if (job.ok()) {
    UpdateShare(id);
    absl::MutexLock lock(&mutex_);
    place->thread = std::thread([this, place, job = *job] { Run(*place, job); });
    return true;
  }
  {
    absl::MutexLock lock(&mutex_);
    places_.erase(id);
  }
  // One that was cancelled, paused or even deleted just now is no trouble.
  if (absl::IsFailedPrecondition(job.status()) || absl::IsNotFound(job.status())) return true;
  return job.status();
}

void JobRunner::Run(Place& place, const TrainingJob& job) {
  const std::shared_ptr<JobAttempt> attempt = Find(std::string(IdOf(job.name())));
  const JobAttempt::Ending ending = attempt->Run(job, [this, &place] {
    absl::MutexLock lock(&mutex_);
    place.settled = wake_ = true;
  });
  absl::MutexLock lock(&mutex_);
  place.ending = ending;
  place.over = wake_ = true;
}

}  // namespace derin::server
