#pragma once

#include <atomic>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "model/backend/backend.h"
#include "model/backend/queue.h"

namespace derin::cpu {

// Whose turn it is to use the processor: one operation at a time has all of the worker pool.
// Generation goes first, but training that keeps coming gets at least a quarter of the time.
class DeviceTurns {
 public:
  using Clock = std::function<absl::Duration()>;  // monotonic
  // The quarter is given in turns of about this length, and a third of the last turn of generation
  // where that is longer, at each of whose ends generation can take over.
  static constexpr absl::Duration kTurn = absl::Milliseconds(1);
  // So long generation waits for training that is being paid what it is owed and is between two
  // operations.
  static constexpr absl::Duration kBetweenOperations = absl::Microseconds(100);

  explicit DeviceTurns(Clock clock);

  // Blocks until it is the caller's turn, which lasts until End. Not reentrant.
  void Begin(QueuePriority priority) ABSL_LOCKS_EXCLUDED(mutex_);
  void End() ABSL_LOCKS_EXCLUDED(mutex_);

  // Of all turns that have ended.
  DeviceTime TimeHeld() const ABSL_LOCKS_EXCLUDED(mutex_);

  // To be called by training during its turn, where its work can wait: lets generation go before.
  void Yield() ABSL_LOCKS_EXCLUDED(mutex_) {
    if (generation_waits_.load(std::memory_order_relaxed)) EndAndBegin();
  }

 private:
  void EndAndBegin() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool GenerationMayBegin() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TrainingMayBegin() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TrainingIsBack() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AwaitGenerationsTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock clock_;
  mutable absl::Mutex mutex_;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  QueuePriority holder_ ABSL_GUARDED_BY(mutex_) = QueuePriority::kTraining;
  absl::Duration begin_ ABSL_GUARDED_BY(mutex_);
  DeviceTime held_ ABSL_GUARDED_BY(mutex_);
  int waiting_generation_ ABSL_GUARDED_BY(mutex_) = 0;
  int waiting_training_ ABSL_GUARDED_BY(mutex_) = 0;
  // What training is owed for the time that it waited for generation.
  absl::Duration owed_ ABSL_GUARDED_BY(mutex_);
  // Whether training goes first: from when it is owed a turn until it is owed nothing.
  bool paying_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration training_ended_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> generation_waits_ = false;  // whether waiting_generation_ is not 0
};

}  // namespace derin::cpu
