#include "server/metrics/metric_set.h"

#include <utility>

namespace derin::server {

Metric::Metric(MetricSet& set, MetricInfo info) : set_(set), info_(std::move(info)) {
  set.metrics_.push_back(this);
}

prometheus::MetricFamily Metric::EmptyFamily(prometheus::MetricType type) const {
  const std::string help = info_.unit.empty() ? info_.help : info_.help + " (" + info_.unit + ")";
  return {info_.name, help, type, {}};
}

std::vector<prometheus::MetricFamily> MetricSet::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  for (const Metric* metric : metrics_) {
    prometheus::MetricFamily family = metric->Collect();
    if (!family.metric.empty()) families.push_back(std::move(family));
  }
  return families;
}

}  // namespace derin::server
