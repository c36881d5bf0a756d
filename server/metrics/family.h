#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "server/metrics/counter.h"
#include "server/metrics/histogram.h"
#include "server/metrics/metric_set.h"

namespace derin::server {

// Beyond this many series a metric counts the rest under the label value `other`.
inline constexpr size_t kMaxSeries = 1000;

std::vector<prometheus::ClientMetric::Label> MetricLabels(const std::vector<std::string>& names,
                                                          const std::vector<std::string>& values);
void Fill(const Counter& counter, prometheus::ClientMetric& sample);
void Fill(const TimeCounter& counter, prometheus::ClientMetric& sample);
void Fill(const UpDownCounter& counter, prometheus::ClientMetric& sample);
void Fill(const Histogram& histogram, prometheus::ClientMetric& sample);

// The series of one metric, told apart by the values of N labels; they stay for ever. Finding a
// series takes a lock; recording into it does not, so whoever records often keeps the reference.
template <typename Cell, size_t N>
class Family : public Metric {
 public:
  Family(MetricSet& set, MetricInfo info, prometheus::MetricType type,
         std::array<std::string, N> labels, std::function<std::unique_ptr<Cell>()> make)
      : Metric(set, std::move(info)),
        type_(type),
        labels_(labels.begin(), labels.end()),
        make_(std::move(make)) {}

  // The series with these values, made when it is not there yet.
  template <typename... Values>
  Cell& With(const Values&... values) ABSL_LOCKS_EXCLUDED(mutex_) {
    static_assert(sizeof...(Values) == N, "one value for each label");
    return Find({std::string(values)...});
  }

  prometheus::MetricFamily Collect() const override ABSL_LOCKS_EXCLUDED(mutex_) {
    prometheus::MetricFamily family = EmptyFamily(type_);
    absl::MutexLock lock(&mutex_);
    for (const auto& [values, cell] : series_) {
      prometheus::ClientMetric sample;
      sample.label = MetricLabels(labels_, values);
      Fill(*cell, sample);
      family.metric.push_back(std::move(sample));
    }
    return family;
  }

 private:
  Cell& Find(std::vector<std::string> values) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    auto found = series_.find(values);
    if (found != series_.end()) return *found->second;
    if (series_.size() >= kMaxSeries) values.assign(N, "other");
    std::unique_ptr<Cell>& cell = series_[std::move(values)];
    if (cell == nullptr) cell = make_();
    return *cell;
  }

  const prometheus::MetricType type_;
  const std::vector<std::string> labels_;
  const std::function<std::unique_ptr<Cell>()> make_;
  mutable absl::Mutex mutex_;
  std::map<std::vector<std::string>, std::unique_ptr<Cell>> series_ ABSL_GUARDED_BY(mutex_);
};

template <size_t N>
class CounterFamily : public Family<Counter, N> {
 public:
  CounterFamily(MetricSet& set, MetricInfo info, std::array<std::string, N> labels)
      : Family<Counter, N>(set, std::move(info), prometheus::MetricType::Counter, std::move(labels),
                           [] { return std::make_unique<Counter>(); }) {}
};

template <size_t N>
class TimeCounterFamily : public Family<TimeCounter, N> {
 public:
  TimeCounterFamily(MetricSet& set, MetricInfo info, std::array<std::string, N> labels)
      : Family<TimeCounter, N>(set, std::move(info), prometheus::MetricType::Counter,
                               std::move(labels), [] { return std::make_unique<TimeCounter>(); }) {}
};

template <size_t N>
class UpDownCounterFamily : public Family<UpDownCounter, N> {
 public:
  UpDownCounterFamily(MetricSet& set, MetricInfo info, std::array<std::string, N> labels)
      : Family<UpDownCounter, N>(set, std::move(info), prometheus::MetricType::Gauge,
                                 std::move(labels),
                                 [] { return std::make_unique<UpDownCounter>(); }) {}
};

template <size_t N>
class HistogramFamily : public Family<Histogram, N> {
 public:
  HistogramFamily(MetricSet& set, MetricInfo info, absl::Span<const double> upper_bounds,
                  std::array<std::string, N> labels)
      : Family<Histogram, N>(set, std::move(info), prometheus::MetricType::Histogram,
                             std::move(labels),
                             [upper_bounds] { return std::make_unique<Histogram>(upper_bounds); }) {
  }
};

// A histogram without labels; there from the start, at zero.
class SingleHistogram : public Metric {
 public:
  SingleHistogram(MetricSet& set, MetricInfo info, absl::Span<const double> upper_bounds);
  void Record(double value) { histogram_.Record(value); }
  void Record(absl::Duration duration) { histogram_.Record(duration); }
  prometheus::MetricFamily Collect() const override;

 private:
  Histogram histogram_;
};

}  // namespace derin::server
