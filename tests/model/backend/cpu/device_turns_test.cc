#include "model/backend/cpu/device_turns.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "tests/model/backend/cpu/sleeping_thread.h"

namespace derin::cpu {
namespace {

constexpr QueuePriority kTraining = QueuePriority::kTraining;
constexpr QueuePriority kGeneration = QueuePriority::kGeneration;

// A thread that calls DeviceTurns as it is told, one call after the other.
class Caller {
 public:
  Caller() : thread_([this] { Run(); }) {}
  ~Caller() {
    Do([this] { stop_ = true; });
    thread_.join();
  }

  // Has `call` made, and returns when it has returned or waits for its turn.
  void Do(std::function<void()> call) {
    Join();
    call_ = std::move(call);
    state_ = kAsked;
    Settle();
  }
  // Returns when the last call has returned or waits for its turn.
  void Settle() {
    for (int times = 0; waits() && times < 5;) {
      sched_yield();
      times = sleeps() ? times + 1 : 0;
    }
  }
  // Returns when the last call has returned.
  void Join() {
    while (waits()) sched_yield();
  }
  bool waits() const { return state_ != kDone; }
  bool sleeps() const { return state_ == kCalling && Sleeps(id_); }

 private:
  enum State { kDone, kAsked, kCalling };

  void Run() {
    id_ = gettid();
    while (!stop_) {
      while (state_ != kAsked) sched_yield();
      state_ = kCalling;
      call_();
      state_ = kDone;
    }
  }

  std::function<void()> call_;
  bool stop_ = false;
  std::atomic<State> state_ = kDone;
  std::atomic<pid_t> id_ = 0;
  std::thread thread_;
};

class DeviceTurnsTest : public testing::Test {
 protected:
  void Begin(Caller& caller, QueuePriority priority) {
    caller.Do([this, priority] { turns_.Begin(priority); });
  }
  void End(Caller& caller) {
    caller.Do([this] { turns_.End(); });
  }
  void Yield(Caller& caller) {
    caller.Do([this] { turns_.Yield(); });
  }
  void Pass(absl::Duration time) { now_ = now_ + absl::ToInt64Microseconds(time); }

  std::atomic<int64_t> now_ = 0;  // microseconds
  DeviceTurns turns_{[this] { return absl::Microseconds(now_.load()); }};
};

TEST_F(DeviceTurnsTest, NobodyWaitsWithoutCompetition) {
  for (const QueuePriority priority : {kTraining, kGeneration, kTraining}) {
    for (int i = 0; i < 100; ++i) {
      turns_.Begin(priority);
      Pass(absl::Seconds(1));
      if (priority == kTraining) turns_.Yield();
      turns_.End();
    }
  }
}

TEST_F(DeviceTurnsTest, CountsTheTimeThatEachHasTheDevice) {
  for (const auto& [priority, time] : {std::pair{kTraining, absl::Seconds(2)},
                                       {kGeneration, absl::Seconds(3)},
                                       {kTraining, absl::Seconds(4)}}) {
    Pass(absl::Seconds(10));
    turns_.Begin(priority);
    Pass(time);
    turns_.End();
  }
  EXPECT_EQ(turns_.TimeHeld().training, absl::Seconds(6));
  EXPECT_EQ(turns_.TimeHeld().generation, absl::Seconds(3));
}

TEST_F(DeviceTurnsTest, OneHasTheDeviceAtATime) {
  for (const auto& [first, second] : {std::pair{kTraining, kGeneration},
                                      {kGeneration, kTraining},
                                      {kTraining, kTraining},
                                      {kGeneration, kGeneration}}) {
    Caller holder, other;
    Begin(holder, first);
    holder.Join();
    Begin(other, second);
    EXPECT_TRUE(other.waits());
    End(holder);
    other.Join();
    End(other);
  }
}

TEST_F(DeviceTurnsTest, GenerationGoesBeforeTrainingThatHasWaitedLonger) {
  Caller holder, training, generation;
  Begin(holder, kGeneration);
  holder.Join();
  Begin(training, kTraining);
  Begin(generation, kGeneration);
  End(holder);
  generation.Join();
  training.Settle();
  EXPECT_TRUE(training.waits());
  End(generation);
  training.Join();
  End(training);
}

TEST_F(DeviceTurnsTest, YieldLetsWaitingGenerationThrough) {
  Caller training, generation;
  Begin(training, kTraining);
  training.Join();
  Yield(training);  // nobody else is there
  training.Join();
  Begin(generation, kGeneration);
  Pass(absl::Milliseconds(1));
  Yield(training);
  EXPECT_TRUE(training.waits());
  generation.Join();
  End(generation);
  training.Join();
  End(training);
}

TEST_F(DeviceTurnsTest, YieldDoesNotLetOtherTrainingThrough) {
  Caller training, other;
  Begin(training, kTraining);
  training.Join();
  Begin(other, kTraining);
  Yield(training);
  training.Join();
  EXPECT_TRUE(other.waits());
  End(training);
  other.Join();
  End(other);
}

TEST_F(DeviceTurnsTest, WhatTrainingIsOwedDoesNotGrowWithoutBound) {
  const absl::Duration step = absl::Milliseconds(3), piece = absl::Microseconds(100);
  Caller training, generation;
  Begin(training, kTraining);
  training.Join();
  // A hundred times training is away when it could be paid.
  for (int i = 0; i < 100; ++i) {
    Begin(generation, kGeneration);
    Pass(piece);
    End(training);
    training.Join();
    Pass(DeviceTurns::kBetweenOperations);
    generation.Join();
    Begin(training, kTraining);
    Pass(step);
    End(generation);
    training.Join();
  }
  // Now comes a long one, which goes on for no more than a turn and what was owed for a step.
  Begin(generation, kGeneration);
  absl::Duration went_on;
  while (!training.waits() && went_on < absl::Milliseconds(50)) {
    Pass(piece);
    went_on += piece;
    Yield(training);
  }
  const bool yielded = training.waits();
  EXPECT_TRUE(yielded);
  EXPECT_LE(went_on, DeviceTurns::kTurn + step / 3 + piece);
  if (!yielded) End(training);
  generation.Join();
  End(generation);
  if (!yielded) return;
  training.Join();
  End(training);
}

TEST_F(DeviceTurnsTest, GenerationWaitsAMomentForTrainingThatIsOwedATurn) {
  const absl::Duration step = absl::Milliseconds(30);
  Caller training, generation;
  Begin(generation, kGeneration);
  generation.Join();
  Begin(training, kTraining);
  Pass(step);  // training is owed 10 ms
  End(generation);
  training.Join();
  Pass(absl::Milliseconds(1));
  End(training);
  training.Join();
  // Back within the moment.
  Pass(DeviceTurns::kBetweenOperations / 2);
  Begin(generation, kGeneration);
  EXPECT_TRUE(generation.waits());
  Begin(training, kTraining);
  training.Join();
  EXPECT_TRUE(generation.waits());
  // Not back within the moment.
  End(training);
  training.Join();
  EXPECT_TRUE(generation.waits());
  Pass(DeviceTurns::kBetweenOperations);
  generation.Join();
  End(generation);
}

// Training, and two of generation so that one of them is always waiting.
class DeviceTurnsShareTest : public DeviceTurnsTest {
 protected:
  static constexpr absl::Duration kSpan = absl::Milliseconds(120);
  struct Got {
    absl::Duration training;          // in kSpan
    absl::Duration training_waited;   // at a time, at most
    absl::Duration training_went_on;  // while generation waited, at most
  };

  // Generation holds the device for `step` at a time, training for `pieces` times `piece` with a
  // place to yield between them. All come back as soon as they are done.
  Got Simulate(absl::Duration step, absl::Duration piece, int pieces) {
    Got got;
    absl::Duration trained_until, generated_until;
    int done = 0;
    for (int i = 0; i < 3; ++i) Begin(callers_[i], PriorityOf(i));
    while (now() < kSpan) {
      const int i = Holder();
      Caller& holder = callers_[i];
      if (PriorityOf(i) == kGeneration) {
        Pass(step);
        generated_until = now();
      } else {
        got.training_waited = std::max(got.training_waited, now() - trained_until);
        Pass(piece);
        trained_until = now();
        got.training += piece;
        got.training_went_on = std::max(got.training_went_on, now() - generated_until);
        if (++done % pieces != 0) {
          Yield(holder);
          continue;
        }
      }
      holder.Do([this, i] {
        turns_.End();
        turns_.Begin(PriorityOf(i));
      });
    }
    for (int left = 3; left > 0; --left) {
      const int i = Holder();
      End(callers_[i]);
      Pass(DeviceTurns::kBetweenOperations);  // nobody expects it back
      gone_[i] = true;
    }
    return got;
  }

 private:
  static QueuePriority PriorityOf(int caller) { return caller == 0 ? kTraining : kGeneration; }
  absl::Duration now() const { return absl::Microseconds(now_.load()); }

  // Who has the device. All others wait by then: they sleep at the same time, since one of them may
  // sleep for a moment because another holds the mutex.
  int Holder() {
    int holder = -1;
    for (int times = 0; times < 5;) {
      sched_yield();
      int sleeping = 0, present = 0;
      for (int i = 0; i < 3; ++i) {
        if (gone_[i]) continue;
        ++present;
        if (!callers_[i].waits()) holder = i;
        sleeping += callers_[i].sleeps();
      }
      times = holder >= 0 && sleeping == present - 1 ? times + 1 : 0;
    }
    return holder;
  }

  Caller callers_[3];
  bool gone_[3] = {};
};

TEST_F(DeviceTurnsShareTest, TrainingThatAlwaysWaitsGetsAQuarterOfTheTime) {
  const absl::Duration step = absl::Microseconds(400), piece = absl::Microseconds(500);
  const Got got = Simulate(step, piece, 7);
  // The quarter is made up for by the end of a round.
  EXPECT_GE(got.training, (kSpan - absl::Milliseconds(5)) / 4);
  EXPECT_LE(got.training, kSpan / 2);
  // Until a turn is owed, and the step in which it comes to that.
  EXPECT_LE(got.training_waited, 3 * DeviceTurns::kTurn + step);
}

// Between two operations training does not wait, and yet is not passed over while it is owed a
// turn.
TEST_F(DeviceTurnsShareTest, TrainingInShortOperationsGetsAQuarterOfTheTime) {
  const Got got = Simulate(absl::Microseconds(400), absl::Microseconds(100), 1);
  EXPECT_GE(got.training, (kSpan - absl::Milliseconds(5)) / 4);
  EXPECT_LE(got.training, kSpan / 2);
}

TEST_F(DeviceTurnsShareTest, TrainingBesideLongStepsGetsAQuarterOfTheTime) {
  const absl::Duration step = absl::Milliseconds(7);
  const Got got = Simulate(step, absl::Microseconds(300), 7);
  EXPECT_GE(got.training, (kSpan - 4 * step) / 4);
}

TEST_F(DeviceTurnsShareTest, TrainingGoesOnForAFewPiecesAtMostWhileGenerationWaits) {
  const absl::Duration step = absl::Microseconds(200), piece = absl::Microseconds(500);
  const Got got = Simulate(step, piece, 20);
  // What it is owed, to the end of a piece.
  EXPECT_LE(got.training_went_on, DeviceTurns::kTurn + step / 3 + piece);
}

}  // namespace
}  // namespace derin::cpu
