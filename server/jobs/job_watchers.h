#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "derin/v1/training.pb.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

class JobWatch;

// Tells any number of watchers what happens to jobs. Whoever publishes leaves the news in the job's
// mailbox and goes on: in a constant time, however many watchers there are and however slow they
// are. Events are read from the store by each watcher at its own pace, so none is ever lost; of
// progress the mailbox holds the latest only. Thread-safe.
class JobWatchers {
 public:
  // `store` outlives the object.
  explicit JobWatchers(MetadataStore& store);
  // All watches are destroyed before.
  ~JobWatchers();

  // `job` as it is stored now.
  void Publish(const v1::TrainingJob& job) ABSL_LOCKS_EXCLUDED(mutex_);
  // The job was deleted: its watches end with NOT_FOUND. A job that gets its id later has none.
  void PublishDeletion(const std::string& job_id) ABSL_LOCKS_EXCLUDED(mutex_);
  void PublishProgress(const std::string& job_id, v1::TrainingProgress progress)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Puts the latest published progress into a job that is not over.
  void AddProgress(v1::TrainingJob& job) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Events after number `since_sequence` of the job, and its progress. `on_news` is called by a
  // thread of this object, one call at a time and perhaps before Watch returns, whenever
  // JobWatch::Next may have more; it may call Next. NOT_FOUND; INVALID_ARGUMENT naming
  // since_sequence when it is negative or above the job's last_sequence; once StopWatching was
  // called, its status.
  absl::StatusOr<std::unique_ptr<JobWatch>> Watch(const std::string& job_id, int64_t since_sequence,
                                                  std::function<void()> on_news)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Every watch, also later ones, ends with `status`.
  void StopWatching(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class JobWatch;

  // What is known about a job that is not over or is watched.
  struct Mailbox {
    int64_t last_sequence = 0;  // of the events stored
    bool over = false;
    std::shared_ptr<const v1::TrainingProgress> progress;  // null: none yet
    int64_t progress_number = 0;                           // grows with each progress published
    int64_t progress_after = 0;                            // last_sequence when it was published
    std::set<JobWatch*> watches;
    bool has_news = false;  // and so is in `news_`
  };

  // What a watch may have to tell.
  struct News {
    absl::Status stopped;
    int64_t last_sequence = 0;
    bool over = false;
    std::shared_ptr<const v1::TrainingProgress> progress;  // null: none that it has not told
    int64_t progress_number = 0;
    int64_t progress_after = 0;
  };
  News NewsFor(const JobWatch& watch) const ABSL_LOCKS_EXCLUDED(mutex_);

  void MarkNews(const std::string& job_id, Mailbox& mailbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void AddProgress(const Mailbox& mailbox, v1::TrainingJob& job);
  void DropIfUnused(const std::string& job_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver() ABSL_LOCKS_EXCLUDED(mutex_);
  void DeliverOne(const std::string& job_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  MetadataStore& store_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Mailbox> mailboxes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> news_ ABSL_GUARDED_BY(mutex_);     // ids of jobs whose watches to call
  const JobWatch* called_ ABSL_GUARDED_BY(mutex_) = nullptr;  // its on_news runs now
  absl::Status stopped_ ABSL_GUARDED_BY(mutex_);
  bool quit_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// One watcher's place in the story of one job. One thread at a time.
class JobWatch {
 public:
  // Waits while on_news runs, which therefore may not destroy the watch; it is not called again.
  ~JobWatch();
  JobWatch(const JobWatch&) = delete;
  JobWatch& operator=(const JobWatch&) = delete;

  // The next message: a snapshot first, then events in order and progress in between, where it was
  // published. Nothing: on_news will be called when there may be more, or never when over() is
  // true. An error ends the watch.
  absl::StatusOr<std::optional<v1::WatchTrainingJobResponse>> Next();
  // The job is over, and all was told.
  bool over() const { return over_; }

 private:
  friend class JobWatchers;
  JobWatch(JobWatchers& watchers, std::string job_id, std::function<void()> on_news)
      : watchers_(watchers), job_id_(std::move(job_id)), on_news_(std::move(on_news)) {}
  absl::StatusOr<std::optional<v1::WatchTrainingJobResponse>> NextEvent();
  // Why the store has not got the event that was announced.
  absl::Status NoEvent() const;

  JobWatchers& watchers_;
  const std::string job_id_;
  const std::function<void()> on_news_;
  bool deleted_ = false;                     // the job; under the mutex of `watchers_`
  std::optional<v1::TrainingJob> snapshot_;  // until it is told
  std::string created_;                      // the job's create_time, serialized
  std::deque<v1::TrainingEvent> events_;     // read from the store, not told yet
  int64_t told_sequence_ = 0;
  int64_t told_progress_ = 0;
  bool over_ = false;
};

}  // namespace derin::server
