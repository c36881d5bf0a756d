#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "server/metrics/nvml_calls.h"
#include "server/metrics/server_metrics.h"

namespace derin::server {

// What NVML measures of one GPU, whoever uses it. Thread-safe.
class GpuMonitor {
 public:
  // The GPU that the CUDA runtime calls number `ordinal`, which this process uses already.
  // UNAVAILABLE, with the call that failed, where NVML does not work.
  static absl::StatusOr<std::unique_ptr<GpuMonitor>> Open(const NvmlCalls& calls, int ordinal);
  ~GpuMonitor();
  GpuMonitor(const GpuMonitor&) = delete;
  GpuMonitor& operator=(const GpuMonitor&) = delete;

  // Nullopt for what this GPU does not say.
  std::optional<double> UsedBytes() const;    // of its memory, by all processes
  std::optional<double> Utilization() const;  // share of the last second in which a kernel ran
  std::optional<double> Celsius() const;
  std::optional<double> Watts() const;

  // From here on the gauges of the GPU are asked from this monitor, which outlives all scrapes;
  // those of figures that it does not know stay away.
  void BindTo(ServerMetrics& metrics) const;

 private:
  GpuMonitor(const NvmlCalls& calls, NvmlCalls::Device* device) : calls_(calls), device_(device) {}

  const NvmlCalls calls_;
  NvmlCalls::Device* const device_;
};

}  // namespace derin::server
