#include "server/metrics/counter.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace derin::server {
namespace {

TEST(Counter, AddsUpWhatManyThreadsCounted) {
  constexpr int kThreads = 40;  // more than there are shards
  constexpr int kAdds = 10'000;
  Counter counter;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&counter, t] {
      for (int i = 0; i < kAdds; ++i) counter.Add(t + 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.Value(), uint64_t{kAdds} * kThreads * (kThreads + 1) / 2);
}

TEST(TimeCounter, AddsUpTimesToTheNanosecond) {
  TimeCounter busy;
  busy.Add(absl::Seconds(3));
  busy.Add(absl::Nanoseconds(1));
  EXPECT_DOUBLE_EQ(busy.Seconds(), 3.000000001);
}

TEST(UpDownCounter, FallsByAnotherThreadThanItRose) {
  UpDownCounter in_flight;
  in_flight.Add(3);
  std::thread([&in_flight] { in_flight.Add(-2); }).join();
  EXPECT_EQ(in_flight.Value(), 1);
}

TEST(ShardedSum, GivesEachShardCacheLinesOfItsOwn) {
  EXPECT_EQ(alignof(ShardedSum), 64u);
  EXPECT_EQ(sizeof(ShardedSum), 64 * kMetricShards);
}

}  // namespace
}  // namespace derin::server
