#include "server/jobs/job_watchers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "model/check.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

absl::Status Deleted(const std::string& job_id) {
  return Refusal(absl::StatusCode::kNotFound, "JOB_NOT_FOUND",
                 absl::StrFormat("the training job %s was deleted", Quoted(job_id)));
}

}  // namespace

JobWatchers::JobWatchers(MetadataStore& store) : store_(store), thread_([this] { Deliver(); }) {}

JobWatchers::~JobWatchers() {
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, mailbox] : mailboxes_) DERIN_CHECK(mailbox.watches.empty());
    quit_ = true;
  }
  thread_.join();
}

void JobWatchers::Publish(const v1::TrainingJob& job) {
  const std::string id(IdOf(job.name()));
  absl::MutexLock lock(&mutex_);
  Mailbox& mailbox = mailboxes_[id];
  mailbox.last_sequence = std::max(mailbox.last_sequence, job.last_sequence());
  mailbox.over = IsOver(job.state());
  MarkNews(id, mailbox);
  DropIfUnused(id);
}

void JobWatchers::PublishDeletion(const std::string& job_id) {
  absl::MutexLock lock(&mutex_);
  const auto found = mailboxes_.find(job_id);
  if (found == mailboxes_.end()) return;
  Mailbox& mailbox = found->second;
  for (JobWatch* watch : mailbox.watches) watch->deleted_ = true;
  MarkNews(job_id, mailbox);
  // What it says from here on is said of the next job of that id.
  mailbox.last_sequence = 0;
  mailbox.over = false;
  mailbox.progress = nullptr;
  DropIfUnused(job_id);
}

void JobWatchers::PublishProgress(const std::string& job_id, v1::TrainingProgress progress) {
  auto published = std::make_shared<const v1::TrainingProgress>(std::move(progress));
  absl::MutexLock lock(&mutex_);
  Mailbox& mailbox = mailboxes_[job_id];
  mailbox.progress = std::move(published);
  ++mailbox.progress_number;
  mailbox.progress_after = mailbox.last_sequence;
  MarkNews(job_id, mailbox);
}

void JobWatchers::AddProgress(v1::TrainingJob& job) const {
  absl::MutexLock lock(&mutex_);
  auto found = mailboxes_.find(std::string(IdOf(job.name())));
  if (found != mailboxes_.end()) AddProgress(found->second, job);
}

void JobWatchers::AddProgress(const Mailbox& mailbox, v1::TrainingJob& job) {
  if (IsOver(job.state()) || mailbox.progress == nullptr) return;
  // What an attempt before had reached is void.
  if (mailbox.progress->attempt() == job.attempt()) *job.mutable_progress() = *mailbox.progress;
}

absl::StatusOr<std::unique_ptr<JobWatch>> JobWatchers::Watch(const std::string& job_id,
                                                             int64_t since_sequence,
                                                             std::function<void()> on_news) {
  std::unique_ptr<JobWatch> watch(new JobWatch(*this, job_id, std::move(on_news)));
  {
    absl::MutexLock lock(&mutex_);
    if (!stopped_.ok()) return stopped_;
    mailboxes_[job_id].watches.insert(watch.get());
  }
  // Read after joining: what is stored later comes as news.
  absl::StatusOr<v1::TrainingJob> job = store_.GetTrainingJob(job_id);
  if (!job.ok()) return job.status();
  if (since_sequence < 0 || since_sequence > job->last_sequence()) {
    return InvalidField("since_sequence",
                        absl::StrFormat("got %d, wanted 0 to %d, the number of the newest event",
                                        since_sequence, job->last_sequence()));
  }
  absl::MutexLock lock(&mutex_);
  if (watch->deleted_) return Deleted(job_id);
  Mailbox& mailbox = mailboxes_[job_id];
  AddProgress(mailbox, *job);
  watch->told_progress_ = mailbox.progress_number;
  mailbox.last_sequence = std::max(mailbox.last_sequence, job->last_sequence());
  mailbox.over = mailbox.over || IsOver(job->state());
  watch->told_sequence_ = since_sequence;
  watch->created_ = job->create_time().SerializeAsString();
  watch->snapshot_ = *std::move(job);
  return watch;
}

void JobWatchers::StopWatching(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  stopped_ = status;
  for (auto& [id, mailbox] : mailboxes_) MarkNews(id, mailbox);
}

JobWatchers::News JobWatchers::NewsFor(const JobWatch& watch) const {
  absl::MutexLock lock(&mutex_);
  const Mailbox& mailbox = mailboxes_.at(watch.job_id_);
  News news{.stopped = watch.deleted_ ? Deleted(watch.job_id_) : stopped_,
            .last_sequence = mailbox.last_sequence,
            .over = mailbox.over,
            .progress = nullptr,
            .progress_number = mailbox.progress_number,
            .progress_after = mailbox.progress_after};
  if (mailbox.progress_number > watch.told_progress_) news.progress = mailbox.progress;
  return news;
}

void JobWatchers::MarkNews(const std::string& job_id, Mailbox& mailbox) {
  if (mailbox.has_news || mailbox.watches.empty()) return;
  mailbox.has_news = true;
  news_.push_back(job_id);
}

void JobWatchers::DropIfUnused(const std::string& job_id) {
  auto found = mailboxes_.find(job_id);
  if (found == mailboxes_.end() || !found->second.watches.empty()) return;
  // While the job runs, its progress is kept for those who ask.
  if (found->second.over || found->second.progress == nullptr) mailboxes_.erase(found);
}

void JobWatchers::Deliver() {
  const auto awake = [this]()
                         ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return quit_ || !news_.empty(); };
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(&awake));
    if (quit_) return;
    for (const std::string& job_id : std::exchange(news_, {})) DeliverOne(job_id);
  }
}

void JobWatchers::DeliverOne(const std::string& job_id) {
  auto found = mailboxes_.find(job_id);
  if (found == mailboxes_.end()) return;
  found->second.has_news = false;
  const std::vector<JobWatch*> watches(found->second.watches.begin(), found->second.watches.end());
  for (JobWatch* watch : watches) {
    // It may have left while another one was called.
    found = mailboxes_.find(job_id);
    if (found == mailboxes_.end() || !found->second.watches.contains(watch)) continue;
    called_ = watch;
    mutex_.Unlock();
    watch->on_news_();
    mutex_.Lock();
    called_ = nullptr;
  }
}

JobWatch::~JobWatch() {
  absl::MutexLock lock(&watchers_.mutex_);
  // First: on_news may ask for what the mailbox has.
  const auto not_called = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(watchers_.mutex_) {
    return watchers_.called_ != this;
  };
  watchers_.mutex_.Await(absl::Condition(&not_called));
  watchers_.mailboxes_[job_id_].watches.erase(this);
  watchers_.DropIfUnused(job_id_);
}

absl::StatusOr<std::optional<v1::WatchTrainingJobResponse>> JobWatch::Next() {
  const JobWatchers::News news = watchers_.NewsFor(*this);
  if (!news.stopped.ok()) return news.stopped;
  if (snapshot_.has_value()) {
    v1::WatchTrainingJobResponse response;
    *response.mutable_snapshot() = *std::move(snapshot_);
    snapshot_.reset();
    return response;
  }
  if (news.progress != nullptr && told_sequence_ >= news.progress_after) {
    v1::WatchTrainingJobResponse response;
    *response.mutable_progress() = *news.progress;
    told_progress_ = news.progress_number;
    return response;
  }
  if (told_sequence_ < news.last_sequence) return NextEvent();
  over_ = news.over;
  return std::nullopt;
}

absl::StatusOr<std::optional<v1::WatchTrainingJobResponse>> JobWatch::NextEvent() {
  if (events_.empty()) {
    auto events = watchers_.store_.ListTrainingEvents(job_id_, told_sequence_);
    if (!events.ok()) return events.status();
    events_.assign(std::make_move_iterator(events->begin()),
                   std::make_move_iterator(events->end()));
  }
  if (events_.empty() || events_.front().sequence() != told_sequence_ + 1) {
    return NoEvent();
  }
  v1::WatchTrainingJobResponse response;
  *response.mutable_event() = std::move(events_.front());
  events_.pop_front();
  told_sequence_ = response.event().sequence();
  return response;
}

absl::Status JobWatch::NoEvent() const {
  // The job may be gone before anybody is told, and another one may have its id.
  const absl::StatusOr<v1::TrainingJob> job = watchers_.store_.GetTrainingJob(job_id_);
  if (absl::IsNotFound(job.status())) return Deleted(job_id_);
  if (!job.ok()) return job.status();
  if (job->create_time().SerializeAsString() != created_) return Deleted(job_id_);
  return absl::DataLossError(
      absl::StrFormat("the store lacks event %d of training job %s", told_sequence_ + 1, job_id_));
}

}  // namespace derin::server
