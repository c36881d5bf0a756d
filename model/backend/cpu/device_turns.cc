#include "model/backend/cpu/device_turns.h"

#include <algorithm>
#include <utility>

#include "model/check.h"

namespace derin::cpu {
namespace {

// How often a thread looks whether training stays away.
constexpr absl::Duration kLook = absl::Microseconds(50);

}  // namespace

DeviceTurns::DeviceTurns(Clock clock) : clock_(std::move(clock)) {}

bool DeviceTurns::GenerationMayBegin() const {
  return !busy_ && !(paying_ && waiting_training_ > 0);
}

bool DeviceTurns::TrainingMayBegin() const {
  return !busy_ && (waiting_generation_ == 0 || paying_);
}

bool DeviceTurns::TrainingIsBack() const { return busy_ || waiting_training_ > 0; }

void DeviceTurns::AwaitGenerationsTurn() {
  mutex_.Await(absl::Condition(this, &DeviceTurns::GenerationMayBegin));
  while (paying_) {
    if (clock_() - training_ended_ >= kBetweenOperations) {
      paying_ = false;
      return;
    }
    mutex_.AwaitWithTimeout(absl::Condition(this, &DeviceTurns::TrainingIsBack), kLook);
    mutex_.Await(absl::Condition(this, &DeviceTurns::GenerationMayBegin));
  }
}

void DeviceTurns::Begin(QueuePriority priority) {
  absl::MutexLock lock(&mutex_);
  if (priority == QueuePriority::kGeneration) {
    ++waiting_generation_;
    generation_waits_ = true;
    AwaitGenerationsTurn();
    generation_waits_ = --waiting_generation_ > 0;
  } else {
    ++waiting_training_;
    mutex_.Await(absl::Condition(this, &DeviceTurns::TrainingMayBegin));
    --waiting_training_;
  }
  busy_ = true;
  holder_ = priority;
  begin_ = clock_();
}

DeviceTime DeviceTurns::TimeHeld() const {
  absl::MutexLock lock(&mutex_);
  return held_;
}

void DeviceTurns::EndLocked() {
  DERIN_CHECK(busy_);
  busy_ = false;
  const absl::Duration now = clock_(), held = now - begin_;
  (holder_ == QueuePriority::kTraining ? held_.training : held_.generation) += held;
  if (holder_ == QueuePriority::kTraining) {
    owed_ = std::max(absl::ZeroDuration(), owed_ - held);
    training_ended_ = now;
  } else if (waiting_training_ > 0) {
    // Of what training left, being away when its turn came, no more than that turn.
    owed_ = std::min(owed_, kTurn) + held / 3;
  }
  paying_ = owed_ > absl::ZeroDuration() && (paying_ || owed_ >= kTurn);
}

void DeviceTurns::End() {
  absl::MutexLock lock(&mutex_);
  EndLocked();
}

void DeviceTurns::EndAndBegin() {
  {
    absl::MutexLock lock(&mutex_);
    // What it is owed it may use up without a break.
    if (owed_ > clock_() - begin_) return;
    EndLocked();
  }
  Begin(QueuePriority::kTraining);
}

}  // namespace derin::cpu
