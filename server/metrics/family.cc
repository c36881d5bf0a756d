#include "server/metrics/family.h"

#include <limits>

#include "model/check.h"

namespace derin::server {

std::vector<prometheus::ClientMetric::Label> MetricLabels(const std::vector<std::string>& names,
                                                          const std::vector<std::string>& values) {
  DERIN_CHECK(names.size() == values.size());
  std::vector<prometheus::ClientMetric::Label> labels;
  for (size_t i = 0; i < names.size(); ++i) labels.push_back({names[i], values[i]});
  return labels;
}

void Fill(const Counter& counter, prometheus::ClientMetric& sample) {
  sample.counter.value = static_cast<double>(counter.Value());
}

void Fill(const TimeCounter& counter, prometheus::ClientMetric& sample) {
  sample.counter.value = counter.Seconds();
}

void Fill(const UpDownCounter& counter, prometheus::ClientMetric& sample) {
  sample.gauge.value = static_cast<double>(counter.Value());
}

void Fill(const Histogram& histogram, prometheus::ClientMetric& sample) {
  const Histogram::Snapshot snapshot = histogram.Read();
  sample.histogram.sample_count = snapshot.count;
  sample.histogram.sample_sum = snapshot.sum;
  uint64_t cumulative = 0;
  for (size_t bucket = 0; bucket < snapshot.counts.size(); ++bucket) {
    cumulative += snapshot.counts[bucket];
    const double bound = bucket < histogram.upper_bounds().size()
                             ? histogram.upper_bounds()[bucket]
                             : std::numeric_limits<double>::infinity();
    sample.histogram.bucket.push_back({cumulative, bound});
  }
}

SingleHistogram::SingleHistogram(MetricSet& set, MetricInfo info,
                                 absl::Span<const double> upper_bounds)
    : Metric(set, std::move(info)), histogram_(upper_bounds) {}

prometheus::MetricFamily SingleHistogram::Collect() const {
  prometheus::MetricFamily family = EmptyFamily(prometheus::MetricType::Histogram);
  Fill(histogram_, family.metric.emplace_back());
  return family;
}

}  // namespace derin::server
