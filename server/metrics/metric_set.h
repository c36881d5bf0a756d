#pragma once

#include <string>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "server/metrics/monotonic_clock.h"

namespace derin::server {

// What is said once about a metric.
struct MetricInfo {
  // With the unit at its end, and `_total` after it for a counter.
  std::string name;
  // A sentence for people.
  std::string help;
  // Of its values, shown behind the help: `seconds`, `bytes`, `tokens`; empty where there is none.
  std::string unit;
};

class MetricSet;

// One metric with all its series. Lives as long as the set that it joined.
class Metric {
 public:
  Metric(MetricSet& set, MetricInfo info);
  virtual ~Metric() = default;
  Metric(const Metric&) = delete;
  Metric& operator=(const Metric&) = delete;

  const MetricInfo& info() const { return info_; }
  // All series as they are now; any thread may ask.
  virtual prometheus::MetricFamily Collect() const = 0;

 protected:
  // A family with this metric's name and help, and no series yet.
  prometheus::MetricFamily EmptyFamily(prometheus::MetricType type) const;
  const MetricSet& set() const { return set_; }

 private:
  const MetricSet& set_;
  const MetricInfo info_;
};

// All metrics of a server, as Prometheus collects them. Metrics join while the set is built, by one
// thread; after that any thread may collect.
class MetricSet : public prometheus::Collectable {
 public:
  explicit MetricSet(MonotonicClock clock) : clock_(std::move(clock)) {}

  // Metrics without a series are left out.
  std::vector<prometheus::MetricFamily> Collect() const override;

  absl::Duration Now() const { return clock_(); }
  const std::vector<const Metric*>& metrics() const { return metrics_; }

 private:
  friend class Metric;
  const MonotonicClock clock_;
  std::vector<const Metric*> metrics_;
};

}  // namespace derin::server
