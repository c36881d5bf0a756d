#include "model/backend/cpu/turn.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/model/backend/cpu/sleeping_thread.h"
#include "tests/sanitized.h"

namespace derin::cpu {
namespace {

TEST(Turn, DoesEachTaskOnceHoweverMuchOneIs) {
  for (const QueuePriority priority : {QueuePriority::kTraining, QueuePriority::kGeneration}) {
    for (const double flops : {0.0, 1e3, 30e6, 1e9}) {
      for (const int threads : {1, 2, 3}) {
        Device device(InstructionSet::kAvx2, threads);
        CpuQueue queue(device, priority);
        Turn turn(queue);
        EXPECT_EQ(turn.workers(), threads);
        std::vector<std::atomic<int>> times(11);
        turn.ForEach(11, flops, [&](int64_t task, int) { ++times[task]; });
        for (const std::atomic<int>& one : times) EXPECT_EQ(one, 1);
      }
    }
  }
}

TEST(Turn, TrainingLetsGenerationGoBeforeInTheMiddleOfALongOperation) {
  Device device(InstructionSet::kAvx2, 1);
  CpuQueue training(device, QueuePriority::kTraining),
      generation(device, QueuePriority::kGeneration);
  std::atomic<int> done = 0, done_before_generation = 0;
  std::atomic<pid_t> id = 0;
  std::thread other;
  {
    Turn turn(training);
    turn.ForEach(10, 40e6, [&](int64_t, int) {
      if (++done > 1) return;
      other = std::thread([&] {
        id = gettid();
        Turn its_turn(generation);
        done_before_generation = done.load();
      });
      while (id == 0) sched_yield();
      WaitUntilItSleeps(id);
    });
    EXPECT_EQ(done, 10);
    EXPECT_GT(done_before_generation, 0);
    EXPECT_LT(done_before_generation, 10);
  }
  other.join();
}

TEST(CpuQueue, ScratchIsZeroedWhenItGrowsAndStaysWhereItIsWhenItIsLargeEnough) {
  Device device(InstructionSet::kAvx2, 1);
  CpuQueue queue(device, QueuePriority::kTraining);
  auto* small = static_cast<char*>(queue.Scratch(100));
  ASSERT_NE(small, nullptr);
  EXPECT_TRUE(std::all_of(small, small + 100, [](char c) { return c == 0; }));
  std::fill_n(small, 100, 'x');
  EXPECT_EQ(queue.Scratch(7), small);
  EXPECT_EQ(queue.Scratch(100), small);
  auto* large = static_cast<char*>(queue.Scratch(100'000));
  ASSERT_NE(large, nullptr);
  EXPECT_TRUE(std::all_of(large, large + 100'000, [](char c) { return c == 0; }));
  EXPECT_EQ(queue.Scratch(100), large);
}

TEST(CpuQueue, ScratchThatThereIsNoMemoryForFailsTheQueue) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer ends the program instead";
  Device device(InstructionSet::kAvx2, 1);
  CpuQueue queue(device, QueuePriority::kTraining);
  EXPECT_EQ(queue.Scratch(size_t{1} << 50), nullptr);
  EXPECT_EQ(queue.Finish().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace derin::cpu
