#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace derin::server {

// Recording threads are spread over this many shards, each on cache lines of its own, so that two
// of them rarely write the same line. A scrape adds the shards up.
inline constexpr size_t kMetricShards = 16;

// The shard of a thread that has none yet: they are dealt out in turn.
size_t NextShard();

// The calling thread's shard, the same for its whole life.
inline size_t ThisThreadsShard() {
  constinit thread_local size_t shard = kMetricShards;
  if (shard == kMetricShards) [[unlikely]]
    shard = NextShard();
  return shard;
}

// A sum that many threads add to, without locks and in a few nanoseconds.
class ShardedSum {
 public:
  void Add(int64_t amount) {
    shards_[ThisThreadsShard()].value.fetch_add(amount, std::memory_order_relaxed);
  }

  // All that was added before the call, and perhaps some of what is added during it.
  int64_t Value() const {
    int64_t total = 0;
    for (const Shard& shard : shards_) total += shard.value.load(std::memory_order_relaxed);
    return total;
  }

 private:
  struct alignas(64) Shard {
    std::atomic<int64_t> value{0};
  };
  std::array<Shard, kMetricShards> shards_;
};

// Only rises, from 0.
class Counter {
 public:
  void Add(uint64_t amount = 1) { sum_.Add(static_cast<int64_t>(amount)); }
  uint64_t Value() const { return static_cast<uint64_t>(sum_.Value()); }

 private:
  ShardedSum sum_;
};

// Time that only rises, from 0; kept in nanoseconds.
class TimeCounter {
 public:
  void Add(absl::Duration time) { nanoseconds_.Add(absl::ToInt64Nanoseconds(time)); }
  double Seconds() const { return static_cast<double>(nanoseconds_.Value()) * 1e-9; }

 private:
  ShardedSum nanoseconds_;
};

// Counts what is under way: rises and falls, by one thread or another.
class UpDownCounter {
 public:
  void Add(int64_t amount) { sum_.Add(amount); }
  // Never below 0, which the sum may be that is read while somebody counts.
  int64_t Value() const { return std::max<int64_t>(0, sum_.Value()); }

 private:
  ShardedSum sum_;
};

}  // namespace derin::server
