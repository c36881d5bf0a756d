#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/metrics/metric_set.h"

namespace derin::server {

// A gauge, or a counter, that somebody else knows: it is asked at each scrape. Without a source
// there is no series.
class CallbackGauge : public Metric {
 public:
  struct Sample {
    std::vector<std::string> label_values;  // one for each label
    double value = 0;
  };

  CallbackGauge(MetricSet& set, MetricInfo info, std::vector<std::string> labels = {},
                prometheus::MetricType type = prometheus::MetricType::Gauge);

  // `read` is called by any thread that scrapes, never once Unbind has returned; whoever owns what
  // it reads calls Unbind first. It must not call back into the metrics.
  void Bind(std::function<std::vector<Sample>()> read) ABSL_LOCKS_EXCLUDED(mutex_);
  // Of a gauge without labels.
  void BindValue(std::function<double()> read) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits for a scrape that is reading.
  void Unbind() ABSL_LOCKS_EXCLUDED(mutex_);

  prometheus::MetricFamily Collect() const override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::vector<std::string> labels_;
  const prometheus::MetricType type_;
  mutable absl::Mutex mutex_;
  std::function<std::vector<Sample>()> read_ ABSL_GUARDED_BY(mutex_);
};

// A gauge that is set now and then, with series that come and go. The first label says what a
// series belongs to. Of more than 1,000 series, those that are to go first make room.
class GaugeFamily : public Metric {
 public:
  GaugeFamily(MetricSet& set, MetricInfo info, std::vector<std::string> labels);

  // `label_values`: one for each label. A series that was to go stays.
  void Set(std::vector<std::string> label_values, double value) ABSL_LOCKS_EXCLUDED(mutex_);
  // Series whose first label is `owner` go after `delay`, by the set's clock.
  void RemoveAfter(const std::string& owner, absl::Duration delay) ABSL_LOCKS_EXCLUDED(mutex_);

  prometheus::MetricFamily Collect() const override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Series {
    double value = 0;
    absl::Duration gone_at = absl::InfiniteDuration();
  };
  using SeriesMap = std::map<std::vector<std::string>, Series>;

  const std::vector<std::string> labels_;
  mutable absl::Mutex mutex_;
  mutable SeriesMap series_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
