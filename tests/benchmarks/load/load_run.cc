#include "tests/benchmarks/load/load_run.h"

#include <sys/resource.h>

#include <algorithm>
#include <thread>

#include "absl/time/clock.h"
#include "tests/benchmarks/load/arrivals.h"

namespace derin {
namespace {

constexpr absl::Duration kConnectTime = absl::Seconds(10);
// A stream whose text failed asks again after it, so that a server that refuses is not flooded.
constexpr absl::Duration kAfterError = absl::Milliseconds(100);
// How long texts of an open loop that are due may go on after the measured time.
constexpr absl::Duration kDrainTime = absl::Seconds(10);

double ProcessorSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void SleepUntil(absl::Time time) { absl::SleepFor(time - absl::Now()); }

}  // namespace

LoadRun::LoadRun(const LoadSettings& settings, LoadTarget& target)
    : settings_(settings), target_(target) {}

absl::StatusOr<LoadResult> LoadRun::Run() {
  if (!target_.Connect(kConnectTime)) {
    return absl::UnavailableError("nobody answers at " + settings_.server);
  }
  start_ = absl::Now();
  const absl::Time begin = start_ + settings_.warm_up;
  end_ = begin + settings_.duration;
  for (int i = 0; i < settings_.connections; ++i) {
    records_.push_back(std::make_unique<LoadRecord>());
    records_.back()->begin = begin;
    records_.back()->end = end_;
    records_.back()->counts_those_that_wait = settings_.rate > 0;
  }
  for (int i = 0; i < settings_.streams; ++i) {
    const int connection = i % settings_.connections;
    streams_.push_back(std::make_unique<LoadStream>(
        target_, *records_[connection],
        LoadStream::Options{.connection = connection,
                            .keeps_session = settings_.sessions == SessionReuse::kKeep},
        [this](LoadStream& stream, bool failed) { OnEnd(stream, failed); }));
  }
  double used = 0;
  std::thread meter([&] {
    SleepUntil(begin);
    const double before = ProcessorSeconds();
    SleepUntil(end_);
    used = ProcessorSeconds() - before;
  });
  settings_.rate > 0 ? RunOpenLoop() : RunClosedLoop();
  Stop();
  meter.join();

  LoadResult result;
  for (const auto& record : records_) {
    absl::MutexLock lock(&record->mutex);
    result.statistics.Add(record->statistics);
  }
  result.own_processors = used / absl::ToDoubleSeconds(settings_.duration);
  absl::MutexLock lock(&mutex_);
  result.most_under_way = most_under_way_;
  return result;
}

void LoadRun::CountStart() { most_under_way_ = std::max(most_under_way_, ++under_way_); }

void LoadRun::RunClosedLoop() {
  for (const auto& stream : streams_) {
    {
      absl::MutexLock lock(&mutex_);
      CountStart();
    }
    Start(*stream, absl::Now());
  }
  while (absl::Now() < end_) {
    LoadStream* stream = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      const absl::Time next = thinking_.empty() ? end_ : std::min(end_, thinking_.begin()->first);
      const auto has_earlier = [this, next]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return !thinking_.empty() && thinking_.begin()->first < next;
      };
      mutex_.AwaitWithDeadline(absl::Condition(&has_earlier), next);
      if (thinking_.empty() || thinking_.begin()->first > absl::Now()) continue;
      stream = thinking_.begin()->second;
      thinking_.erase(thinking_.begin());
      CountStart();
    }
    Start(*stream, absl::Now());
  }
}

void LoadRun::RunOpenLoop() {
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& stream : streams_) free_.push_back(stream.get());
  }
  Arrivals arrivals(settings_.rate, settings_.seed);
  for (absl::Time due = start_ + arrivals.Next(); due < end_; due = start_ + arrivals.Next()) {
    SleepUntil(due);
    LoadStream* stream = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      if (free_.empty()) {
        due_.push_back(due);
        continue;
      }
      // The one that has been free for the longest, so that all sessions come round.
      stream = free_.front();
      free_.pop_front();
      CountStart();
    }
    Start(*stream, due);
  }
  SleepUntil(end_);
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(this, &LoadRun::Idle), kDrainTime);
}

void LoadRun::OnEnd(LoadStream& stream, bool failed) {
  absl::Time due = absl::Now();
  {
    absl::MutexLock lock(&mutex_);
    if (settings_.rate > 0 && !over_ && !due_.empty()) {
      due = due_.front();
      due_.pop_front();
    } else if (settings_.rate > 0 || over_ || due >= end_) {
      --under_way_;
      if (settings_.rate > 0) free_.push_back(&stream);
      return;
    } else if (failed || settings_.think > absl::ZeroDuration()) {
      --under_way_;
      thinking_.insert({due + (failed ? kAfterError : settings_.think), &stream});
      return;
    }
  }
  Start(stream, due);
}

void LoadRun::Stop() {
  for (const auto& record : records_) {
    absl::MutexLock lock(&record->mutex);
    record->over = true;
  }
  std::deque<absl::Time> never_started;
  {
    absl::MutexLock lock(&mutex_);
    over_ = true;
    never_started.swap(due_);
  }
  {
    LoadRecord& record = *records_.front();
    absl::MutexLock lock(&record.mutex);
    for (const absl::Time due : never_started) {
      if (record.Measures(due)) record.GaveUp(due, absl::Now());
    }
  }
  target_.CancelAll();
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &LoadRun::Idle));
  }
  target_.CloseSessions();
}

}  // namespace derin
