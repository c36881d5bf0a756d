#include "tests/benchmarks/load/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace derin {

// Below 2^(kBits + 1) each number has its bucket; above, the leading bit says which group of
// 2^kBits buckets, and the kBits bits behind it which of them.
int LatencyHistogram::Bucket(int64_t nanoseconds) {
  const auto value = static_cast<uint64_t>(nanoseconds);
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - kBits - 1);
  return static_cast<int>((static_cast<uint64_t>(shift) << kBits) + (value >> shift));
}

int64_t LatencyHistogram::LargestOf(int bucket) {
  const int shift = std::max(0, (bucket >> kBits) - 1);
  const int64_t leading = bucket - (static_cast<int64_t>(shift) << kBits);
  return ((leading + 1) << shift) - 1;
}

void LatencyHistogram::Record(absl::Duration duration) {
  duration = std::max(duration, absl::ZeroDuration());
  ++counts_[Bucket(absl::ToInt64Nanoseconds(duration))];
  ++count_;
  max_ = std::max(max_, duration);
}

void LatencyHistogram::Add(const LatencyHistogram& other) {
  for (int i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

absl::Duration LatencyHistogram::Quantile(double share) const {
  const auto rank =
      std::max<int64_t>(1, static_cast<int64_t>(std::ceil(share * static_cast<double>(count_))));
  int64_t seen = 0;
  for (int i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(absl::Nanoseconds(LargestOf(i)), max_);
  }
  return absl::ZeroDuration();
}

}  // namespace derin
