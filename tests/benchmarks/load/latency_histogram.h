#pragma once

#include <array>
#include <cstdint>

#include "absl/time/time.h"

namespace derin {

// Counts of durations from 0 to hours, each known to within 0.8 %: 128 buckets for each power of
// two nanoseconds, as in HdrHistogram. The largest is kept as it is. One thread at a time.
class LatencyHistogram {
 public:
  // A duration below 0 counts as 0.
  void Record(absl::Duration duration);
  void Add(const LatencyHistogram& other);

  int64_t count() const { return count_; }
  absl::Duration max() const { return max_; }
  // The least duration that `share` of them, 0 to 1, do not exceed, rounded up to its bucket's end;
  // 0 when there is none.
  absl::Duration Quantile(double share) const;

 private:
  static constexpr int kBits = 7;
  static constexpr int kBuckets = (63 - kBits + 1) << kBits;
  static int Bucket(int64_t nanoseconds);
  static int64_t LargestOf(int bucket);

  std::array<int64_t, kBuckets> counts_ = {};
  int64_t count_ = 0;
  absl::Duration max_;
};

}  // namespace derin
