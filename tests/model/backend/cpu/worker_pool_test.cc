#include "model/backend/cpu/worker_pool.h"

#include <sched.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <atomic>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/backend/cpu/sleeping_thread.h"

namespace derin::cpu {
namespace {

// More than this machine has cores, too.
constexpr int kThreads[] = {1, 2, 3, 5};

// Calls body(task, worker) for `tasks_of_each` tasks of each worker; nobody gets a second task
// before everybody has a first one, so that all workers must come.
template <class Body>
void ForEachTogether(WorkerPool& pool, int tasks_of_each, const Body& body) {
  std::atomic<int> arrived = 0;
  std::vector<char> has_arrived(pool.threads(), false);
  pool.ForEach(int64_t{pool.threads()} * tasks_of_each, [&](int64_t task, int worker) {
    body(task, worker);
    if (has_arrived[worker]) return;
    has_arrived[worker] = true;
    ++arrived;
    while (arrived < pool.threads()) sched_yield();
  });
}

// How this thread computes: all of the control register but the flags of what has happened so far.
unsigned Mode() { return _mm_getcsr() & ~0x3fu; }

TEST(WorkerPool, DoesEachTaskOnce) {
  for (const int threads : kThreads) {
    WorkerPool pool(threads);
    for (const int tasks : {0, 1, 2, 3, 4, 5, 7, 64, 1000}) {
      SCOPED_TRACE(testing::Message() << threads << " threads, " << tasks << " tasks");
      std::vector<std::atomic<int>> times(tasks);
      std::atomic<int> strangers = 0;
      pool.ForEach(tasks, [&](int64_t task, int worker) {
        ++times[task];
        strangers += worker < 0 || worker >= threads;
      });
      for (const std::atomic<int>& one : times) EXPECT_EQ(one, 1);
      EXPECT_EQ(strangers, 0);
    }
  }
}

TEST(WorkerPool, DoesEachTaskOnceInAsManyPartsAsOneLikes) {
  for (const int threads : kThreads) {
    WorkerPool pool(threads);
    for (const int tasks : {1, 6, 17}) {
      for (const int parts : {1, 2, 3, 20}) {
        SCOPED_TRACE(testing::Message() << threads << " threads, " << tasks << " tasks, " << parts);
        std::vector<std::atomic<int>> times(tasks);
        for (int part = 0; part < parts; ++part) {
          pool.ForEach(
              tasks, [&](int64_t task, int) { ++times[task]; }, part, parts);
        }
        for (const std::atomic<int>& one : times) EXPECT_EQ(one, 1);
      }
    }
  }
}

TEST(WorkerPool, EachWorkerBeginsWithItsOwnRangeOfNeighbouringTasks) {
  for (const int threads : kThreads) {
    WorkerPool pool(threads);
    for (int round = 0; round < 20; ++round) {
      std::vector<int64_t> first(threads, -1);
      ForEachTogether(pool, 4, [&](int64_t task, int worker) {
        if (first[worker] < 0) first[worker] = task;
      });
      for (int worker = 0; worker < threads; ++worker) EXPECT_EQ(first[worker], 4 * worker);
    }
  }
}

TEST(WorkerPool, WhoIsDoneTakesOverTasksThatNobodyHasBegun) {
  WorkerPool pool(2);
  std::atomic<int> done = 0;
  std::vector<int> worker_of(8, -1);
  // Task 0 ends only when all others are done, so the rest of its range has to be done by the
  // other one.
  pool.ForEach(8, [&](int64_t task, int worker) {
    worker_of[task] = worker;
    if (task == 0) {
      while (done < 7) sched_yield();
    }
    ++done;
  });
  EXPECT_THAT(std::vector<int>(worker_of.begin() + 1, worker_of.begin() + 4),
              testing::Each(1 - worker_of[0]));
}

TEST(WorkerPool, GoesOnForThousandsOfRoundsWithoutABreak) {
  constexpr int kRounds = 10'000;
  for (const int threads : kThreads) {
    WorkerPool pool(threads);
    int64_t sum = 0;  // guarded by the rounds themselves
    std::vector<int64_t> of_task(threads + 1);
    for (int round = 1; round <= kRounds; ++round) {
      pool.ForEach(threads + 1, [&](int64_t task, int) { of_task[task] = task + round; });
      for (const int64_t one : of_task) sum += one;
    }
    const int64_t tasks = threads + 1, rounds = kRounds;
    EXPECT_EQ(sum, rounds * tasks * (tasks - 1) / 2 + tasks * rounds * (rounds + 1) / 2);
  }
}

TEST(WorkerPool, HelpersThatFellAsleepWakeUpForTheNextRound) {
  for (const int threads : {2, 3, 5}) {
    WorkerPool pool(threads);
    std::vector<pid_t> thread(threads);
    for (int round = 0; round < 5; ++round) {
      ForEachTogether(pool, 1, [&](int64_t, int worker) { thread[worker] = gettid(); });
      for (int worker = 1; worker < threads; ++worker) {
        WaitUntilItSleeps(thread[worker]);
      }
    }
  }
}

TEST(WorkerPool, CanBeDismissedWhileItsHelpersSleep) {
  WorkerPool pool(3);
  std::vector<pid_t> thread(3);
  ForEachTogether(pool, 1, [&](int64_t, int worker) { thread[worker] = gettid(); });
  for (int worker = 1; worker < 3; ++worker) {
    WaitUntilItSleeps(thread[worker]);
  }
}

TEST(WorkerPool, CanBeMadeAndDismissedAgainAndAgainUsedOrNot) {
  for (int i = 0; i < 200; ++i) {
    WorkerPool unused(1 + i % 4), used(1 + i % 3);
    std::atomic<int> done = 0;
    used.ForEach(3, [&](int64_t, int) { ++done; });
    EXPECT_EQ(done, 3);
  }
}

TEST(WorkerPool, FlushesDenormalsWhileWorkingAndLeavesTheCallersModeAsItWas) {
  volatile const float smallest = std::numeric_limits<float>::min();
  for (const int threads : kThreads) {
    WorkerPool pool(threads);
    const unsigned mode = Mode();
    ASSERT_GT(smallest * 0.5f, 0);
    ForEachTogether(pool, 2, [&](int64_t, int worker) {
      volatile const float denormal = std::numeric_limits<float>::denorm_min();
      EXPECT_EQ(smallest * 0.5f, 0) << "flushed to zero by worker " << worker;
      EXPECT_EQ(denormal * 1e30f, 0) << "taken for zero by worker " << worker;
    });
    EXPECT_EQ(Mode(), mode);
    EXPECT_GT(smallest * 0.5f, 0);
  }
}

std::atomic<int> rests = 0;
thread_local bool busy = false;

TEST(WorkerPool, AThreadRestsWhenItHasDoneItsTasks) {
  rests = 0;
  {
    WorkerPool pool(3, [] {
      if (std::exchange(busy, false)) ++rests;
    });
    // One task each, which nobody leaves before all have begun.
    ForEachTogether(pool, 1, [](int64_t, int) { busy = true; });
  }
  EXPECT_EQ(rests, 3);
}

TEST(WorkerPool, FindsACoreAtLeast) { EXPECT_GE(WorkerPool::AvailableCores(), 1); }

}  // namespace
}  // namespace derin::cpu
