#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/metrics/counter.h"

namespace derin::server {

// From 50 microseconds to 60 seconds: the bounds of every histogram of seconds.
absl::Span<const double> SecondsBuckets();
// Powers of two from 1 to 1,024.
absl::Span<const double> SizeBuckets();

// How often values fell under each of some upper bounds. Recording takes no lock and writes only
// its thread's shard.
class Histogram {
 public:
  // `upper_bounds` rise; a value equal to a bound belongs under it.
  explicit Histogram(absl::Span<const double> upper_bounds);

  // A NaN is left out.
  void Record(double value);
  void Record(absl::Duration duration) { Record(absl::ToDoubleSeconds(duration)); }

  struct Snapshot {
    // counts[i]: values up to upper_bounds[i] and above the bound before; the last: above all.
    std::vector<uint64_t> counts;
    uint64_t count = 0;  // the sum of `counts`
    double sum = 0;
  };
  Snapshot Read() const;
  const std::vector<double>& upper_bounds() const { return upper_bounds_; }

 private:
  // Eight cells. A shard is a whole number of lines: one count for each bucket, then the bits of
  // the sum.
  struct alignas(64) CacheLine {
    std::atomic<uint64_t> cells[8]{};
  };
  std::atomic<uint64_t>& Cell(size_t shard, size_t cell) const {
    return lines_[shard * lines_per_shard_ + cell / 8].cells[cell % 8];
  }

  const std::vector<double> upper_bounds_;
  const size_t lines_per_shard_;
  const std::unique_ptr<CacheLine[]> lines_;
};

}  // namespace derin::server
