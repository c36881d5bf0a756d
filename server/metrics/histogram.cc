#include "server/metrics/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "model/check.h"

namespace derin::server {

namespace {

constexpr double kSeconds[] = {50e-6, 100e-6, 250e-6, 500e-6, 1e-3,   2.5e-3, 5e-3,
                               10e-3, 25e-3,  50e-3,  100e-3, 250e-3, 500e-3, 1,
                               2.5,   5,      10,     30,     60};
constexpr double kSizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

// Cells of a shard: the buckets, the one above all bounds, and the sum.
size_t CellCount(size_t bounds) { return bounds + 2; }

}  // namespace

absl::Span<const double> SecondsBuckets() { return kSeconds; }
absl::Span<const double> SizeBuckets() { return kSizes; }

Histogram::Histogram(absl::Span<const double> upper_bounds)
    : upper_bounds_(upper_bounds.begin(), upper_bounds.end()),
      lines_per_shard_((CellCount(upper_bounds.size()) + 7) / 8),
      lines_(std::make_unique<CacheLine[]>(lines_per_shard_ * kMetricShards)) {
  DERIN_CHECK(std::is_sorted(upper_bounds_.begin(), upper_bounds_.end(), std::less_equal<>()));
}

void Histogram::Record(double value) {
  if (std::isnan(value)) return;
  const size_t shard = ThisThreadsShard();
  const size_t bucket =
      std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), value) - upper_bounds_.begin();
  Cell(shard, bucket).fetch_add(1, std::memory_order_relaxed);
  // Threads rarely share a shard, so this is one turn.
  std::atomic<uint64_t>& sum = Cell(shard, upper_bounds_.size() + 1);
  uint64_t bits = sum.load(std::memory_order_relaxed);
  while (!sum.compare_exchange_weak(bits,
                                    std::bit_cast<uint64_t>(std::bit_cast<double>(bits) + value),
                                    std::memory_order_relaxed)) {
  }
}

Histogram::Snapshot Histogram::Read() const {
  Snapshot snapshot;
  snapshot.counts.resize(upper_bounds_.size() + 1);
  for (size_t shard = 0; shard < kMetricShards; ++shard) {
    for (size_t bucket = 0; bucket < snapshot.counts.size(); ++bucket) {
      const uint64_t count = Cell(shard, bucket).load(std::memory_order_relaxed);
      snapshot.counts[bucket] += count;
      snapshot.count += count;
    }
    snapshot.sum += std::bit_cast<double>(
        Cell(shard, upper_bounds_.size() + 1).load(std::memory_order_relaxed));
  }
  return snapshot;
}

}  // namespace derin::server
