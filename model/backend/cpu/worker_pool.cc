#include "model/backend/cpu/worker_pool.h"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>

#include "model/check.h"

namespace derin::cpu {
namespace {

// About 50 microseconds: longer than what a step of generation does between two operations, and
// well below what a person or a bill would notice.
constexpr int kSpinsBeforeSleep = 2000;
// A worker that waits this long may be in the way of the one it waits for, where there are more
// threads than cores.
constexpr int kSpinsBeforeYield = 20000;

// Sets the processor to flush denormals: they take a hundred times longer and mean nothing here.
class FlushDenormals {
 public:
  FlushDenormals() : before_(_mm_getcsr()) {
    _mm_setcsr(before_ | kFlushToZero | kDenormalsAreZero);
  }
  ~FlushDenormals() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  const unsigned before_;
};

std::vector<int> AvailableCoreNumbers() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
  }
  if (cores.empty()) cores.push_back(0);
  return cores;
}

// Only a wish: where it is refused, the scheduler decides.
void PinToCore(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace

int WorkerPool::AvailableCores() { return static_cast<int>(AvailableCoreNumbers().size()); }

WorkerPool::WorkerPool(int threads) {
  DERIN_CHECK(threads >= 1);
  const std::vector<int> cores = AvailableCoreNumbers();
  const bool pin = threads <= static_cast<int>(cores.size());
  for (int worker = 1; worker < threads; ++worker) {
    helpers_.emplace_back([this, worker, pin, core = cores[worker % cores.size()]] {
      if (pin) PinToCore(core);
      const FlushDenormals flush;
      Help(worker);
    });
  }
}

WorkerPool::~WorkerPool() {
  body_ = nullptr;
  round_.fetch_add(1);
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void WorkerPool::Run(absl::FunctionRef<void(int)> body) {
  const FlushDenormals flush;
  if (helpers_.empty()) return body(0);
  body_ = &body;
  unfinished_.store(static_cast<int>(helpers_.size()), std::memory_order_relaxed);
  // With sleeping_ read after round_ is written, and the other way round in Help, one of the two
  // sees the other.
  round_.fetch_add(1, std::memory_order_seq_cst);
  if (sleeping_.load(std::memory_order_seq_cst) > 0) round_.notify_all();
  body(0);
  for (int spins = 0; unfinished_.load(std::memory_order_acquire) > 0; ++spins) {
    _mm_pause();
    if (spins >= kSpinsBeforeYield) sched_yield();
  }
}

void WorkerPool::Help(int worker) {
  for (uint32_t done = 0;; ++done) {
    for (int spins = 0; round_.load(std::memory_order_acquire) == done; ++spins) {
      _mm_pause();
      if (spins < kSpinsBeforeSleep) continue;
      sleeping_.fetch_add(1, std::memory_order_seq_cst);
      round_.wait(done, std::memory_order_seq_cst);
      sleeping_.fetch_sub(1, std::memory_order_relaxed);
    }
    if (body_ == nullptr) return;
    (*body_)(worker);
    unfinished_.fetch_sub(1, std::memory_order_release);
  }
}

void WorkerPool::ForEach(int64_t tasks, absl::FunctionRef<void(int64_t, int)> body) {
  const int64_t workers = threads();
  Run([&](int worker) {
    for (int64_t task = tasks * worker / workers; task < tasks * (worker + 1) / workers; ++task) {
      body(task, worker);
    }
  });
}

}  // namespace derin::cpu
