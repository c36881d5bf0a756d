#include "model/backend/cpu/worker_pool.h"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "model/backend/control_group.h"
#include "model/backend/cpu/flush_denormals.h"
#include "model/check.h"

namespace derin::cpu {
namespace {

// Longer than what mostly lies between two operations of a step of generation, and well below what
// a person or a bill would notice. Who sleeps lets the core sleep, and waking both takes tens of
// microseconds.
constexpr std::chrono::microseconds kAwake(150);
// Somebody who waits this long, some microseconds, may be in the way of whom it waits for.
constexpr int kSpinsBeforeYield = 200;

}  // namespace

int WorkerPool::AvailableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // It fails where the machine may have more processors than the set.
  const int cores = sched_getaffinity(0, sizeof set, &set) == 0
                        ? CPU_COUNT(&set)
                        : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return std::min(cores, ControlGroup().processors().value_or(cores));
}

WorkerPool::WorkerPool(int threads, void (*rest)())
    : ranges_(std::make_unique<Range[]>(threads)), rest_(rest) {
  DERIN_CHECK(threads >= 1);
  for (int worker = 1; worker < threads; ++worker) {
    helpers_.emplace_back([this, worker] {
      const FlushDenormals flush;
      Help(worker);
    });
  }
}

WorkerPool::~WorkerPool() {
  stop_ = true;
  ++round_;
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void WorkerPool::ForEach(int64_t tasks, absl::FunctionRef<void(int64_t, int)> body, int64_t part,
                         int64_t parts) {
  const FlushDenormals flush;
  const int64_t workers = threads();
  body_ = &body;
  int64_t count = 0;
  const auto range_of = [&](int64_t worker) {
    const int64_t first = tasks * worker / workers, size = tasks * (worker + 1) / workers - first;
    return std::pair{first + size * part / parts, first + size * (part + 1) / parts};
  };
  for (int64_t worker = 0; worker < workers; ++worker) {
    const auto [next, end] = range_of(worker);
    count += end - next;
  }
  unfinished_.store(count, std::memory_order_relaxed);
  for (int64_t worker = 0; worker < workers; ++worker) {
    const auto [next, end] = range_of(worker);
    ranges_[worker].next_and_end.store(
        static_cast<uint64_t>(next) << 32 | static_cast<uint64_t>(end), std::memory_order_release);
  }
  if (workers > 1 && count > 1) {
    // With sleeping_ read after round_ is written, and the other way round in Help, one of the two
    // sees the other.
    round_.fetch_add(1, std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_seq_cst) > 0) round_.notify_all();
  }
  Work(0);
  for (int spins = 0; unfinished_.load(std::memory_order_acquire) > 0; ++spins) {
    _mm_pause();
    if (spins >= kSpinsBeforeYield) sched_yield();
  }
}

void WorkerPool::Work(int worker) {
  const int workers = threads();
  for (int i = 0; i < workers; ++i) {
    std::atomic<uint64_t>& range = ranges_[(worker + i) % workers].next_and_end;
    uint64_t word = range.load(std::memory_order_relaxed);
    while (word >> 32 < (word & 0xffffffff)) {
      // A claim that succeeds is one of the round under way, however long ago the word was read.
      if (!range.compare_exchange_weak(word, word + (uint64_t{1} << 32), std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        continue;
      }
      (*body_)(static_cast<int64_t>(word >> 32), worker);
      unfinished_.fetch_sub(1, std::memory_order_release);
      word = range.load(std::memory_order_relaxed);
    }
  }
  if (rest_ != nullptr) rest_();
}

void WorkerPool::Help(int worker) {
  for (uint32_t seen = 0; !stop_.load(std::memory_order_relaxed);) {
    std::chrono::steady_clock::time_point sleeps_at = {};
    for (int spins = 0; round_.load(std::memory_order_acquire) == seen; ++spins) {
      _mm_pause();
      if (spins < kSpinsBeforeYield) continue;
      sched_yield();
      const auto now = std::chrono::steady_clock::now();
      if (spins == kSpinsBeforeYield) sleeps_at = now + kAwake;
      if (now < sleeps_at) continue;
      sleeping_.fetch_add(1, std::memory_order_seq_cst);
      round_.wait(seen, std::memory_order_seq_cst);
      sleeping_.fetch_sub(1, std::memory_order_relaxed);
    }
    seen = round_.load(std::memory_order_acquire);
    Work(worker);
  }
}

}  // namespace derin::cpu
