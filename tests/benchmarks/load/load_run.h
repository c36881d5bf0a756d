#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "tests/benchmarks/load/load_settings.h"
#include "tests/benchmarks/load/load_statistics.h"
#include "tests/benchmarks/load/load_stream.h"
#include "tests/benchmarks/load/load_target.h"

namespace derin {

// What a run of load saw.
struct LoadResult {
  LoadStatistics statistics;
  int most_under_way = 0;     // texts at once, at the most
  double own_processors = 0;  // that this process kept busy in the measured time
};

// Puts a server under load. In a closed loop each stream asks for a text as soon as it has thought
// about the one before. In an open loop texts are due at times that do not depend on the server;
// one that finds all streams busy waits for the first that is free, and its latency counts from
// when it was due, so that a server that stalls cannot hide it by holding back those who would
// notice.
class LoadRun {
 public:
  // `target` outlives the run.
  LoadRun(const LoadSettings& settings, LoadTarget& target);

  absl::StatusOr<LoadResult> Run() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Wakeup = std::pair<absl::Time, LoadStream*>;

  void RunClosedLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunOpenLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnEnd(LoadStream& stream, bool failed) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends what is under way, and waits for that.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);
  void Start(LoadStream& stream, absl::Time due) { stream.Start(due, NextSeed()); }
  uint64_t NextSeed() { return (settings_.seed << 32) + ++started_; }
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return under_way_ == 0 && due_.empty();
  }
  void CountStart() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LoadSettings settings_;
  LoadTarget& target_;
  std::vector<std::unique_ptr<LoadRecord>> records_;  // one for each connection
  std::vector<std::unique_ptr<LoadStream>> streams_;
  absl::Time start_, end_;
  std::atomic<uint64_t> started_ = 0;

  absl::Mutex mutex_;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  int most_under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<Wakeup> thinking_ ABSL_GUARDED_BY(mutex_);     // closed loop: until when
  std::deque<LoadStream*> free_ ABSL_GUARDED_BY(mutex_);  // open loop
  std::deque<absl::Time> due_ ABSL_GUARDED_BY(mutex_);    // open loop: texts without a stream
};

}  // namespace derin
