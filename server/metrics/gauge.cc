#include "server/metrics/gauge.h"

#include <algorithm>
#include <utility>

#include "model/check.h"
#include "server/metrics/family.h"

namespace derin::server {

CallbackGauge::CallbackGauge(MetricSet& set, MetricInfo info, std::vector<std::string> labels,
                             prometheus::MetricType type)
    : Metric(set, std::move(info)), labels_(std::move(labels)), type_(type) {}

void CallbackGauge::Bind(std::function<std::vector<Sample>()> read) {
  absl::MutexLock lock(&mutex_);
  read_ = std::move(read);
}

void CallbackGauge::BindValue(std::function<double()> read) {
  Bind([read = std::move(read)] { return std::vector<Sample>{{{}, read()}}; });
}

void CallbackGauge::Unbind() {
  absl::MutexLock lock(&mutex_);
  read_ = nullptr;
}

prometheus::MetricFamily CallbackGauge::Collect() const {
  prometheus::MetricFamily family = EmptyFamily(type_);
  absl::MutexLock lock(&mutex_);
  if (read_ == nullptr) return family;
  for (const Sample& read : read_()) {
    prometheus::ClientMetric& sample = family.metric.emplace_back();
    sample.label = MetricLabels(labels_, read.label_values);
    (type_ == prometheus::MetricType::Counter ? sample.counter.value : sample.gauge.value) =
        read.value;
  }
  return family;
}

GaugeFamily::GaugeFamily(MetricSet& set, MetricInfo info, std::vector<std::string> labels)
    : Metric(set, std::move(info)), labels_(std::move(labels)) {}

void GaugeFamily::Set(std::vector<std::string> label_values, double value) {
  DERIN_CHECK(label_values.size() == labels_.size());
  absl::MutexLock lock(&mutex_);
  if (series_.size() >= kMaxSeries && !series_.contains(label_values)) {
    series_.erase(
        std::min_element(series_.begin(), series_.end(), [](const auto& one, const auto& other) {
          return one.second.gone_at < other.second.gone_at;
        }));
  }
  series_[std::move(label_values)] = {value, absl::InfiniteDuration()};
}

void GaugeFamily::RemoveAfter(const std::string& owner, absl::Duration delay) {
  const absl::Duration gone_at = set().Now() + delay;
  absl::MutexLock lock(&mutex_);
  for (auto& [values, series] : series_) {
    if (!values.empty() && values.front() == owner) series.gone_at = gone_at;
  }
}

prometheus::MetricFamily GaugeFamily::Collect() const {
  prometheus::MetricFamily family = EmptyFamily(prometheus::MetricType::Gauge);
  const absl::Duration now = set().Now();
  absl::MutexLock lock(&mutex_);
  std::erase_if(series_, [now](const auto& entry) { return entry.second.gone_at <= now; });
  for (const auto& [values, series] : series_) {
    prometheus::ClientMetric& sample = family.metric.emplace_back();
    sample.label = MetricLabels(labels_, values);
    sample.gauge.value = series.value;
  }
  return family;
}

}  // namespace derin::server
