#include "server/metrics/gpu_monitor.h"

#include <vector>

#include "absl/strings/str_format.h"

namespace derin::server {
namespace {

absl::Status Failed(const char* call, int error) {
  return absl::UnavailableError(absl::StrFormat("%s failed with %d", call, error));
}

}  // namespace

absl::StatusOr<std::unique_ptr<GpuMonitor>> GpuMonitor::Open(const NvmlCalls& calls, int ordinal) {
  int number = 0;
  char bus_id[32] = "";
  if (int error = calls.cuDeviceGet(&number, ordinal)) return Failed("cuDeviceGet", error);
  if (int error = calls.cuDeviceGetPCIBusId(bus_id, sizeof(bus_id), number)) {
    return Failed("cuDeviceGetPCIBusId", error);
  }
  if (int error = calls.nvmlInit_v2()) return Failed("nvmlInit_v2", error);
  NvmlCalls::Device* device = nullptr;
  if (int error = calls.nvmlDeviceGetHandleByPciBusId_v2(bus_id, &device)) {
    calls.nvmlShutdown();
    return Failed("nvmlDeviceGetHandleByPciBusId_v2", error);
  }
  return std::unique_ptr<GpuMonitor>(new GpuMonitor(calls, device));
}

GpuMonitor::~GpuMonitor() { calls_.nvmlShutdown(); }

std::optional<double> GpuMonitor::UsedBytes() const {
  NvmlCalls::Memory memory{};
  if (calls_.nvmlDeviceGetMemoryInfo(device_, &memory) != 0) return std::nullopt;
  return static_cast<double>(memory.used);
}

std::optional<double> GpuMonitor::Utilization() const {
  NvmlCalls::Utilization utilization{};
  if (calls_.nvmlDeviceGetUtilizationRates(device_, &utilization) != 0) return std::nullopt;
  return utilization.gpu / 100.0;
}

std::optional<double> GpuMonitor::Celsius() const {
  unsigned int celsius = 0;
  if (calls_.nvmlDeviceGetTemperature(device_, NvmlCalls::kTemperatureGpu, &celsius) != 0) {
    return std::nullopt;
  }
  return celsius;
}

std::optional<double> GpuMonitor::Watts() const {
  unsigned int milliwatts = 0;
  if (calls_.nvmlDeviceGetPowerUsage(device_, &milliwatts) != 0) return std::nullopt;
  return milliwatts / 1000.0;
}

void GpuMonitor::BindTo(ServerMetrics& metrics) const {
  const auto bind = [this](CallbackGauge& gauge,
                           std::optional<double> (GpuMonitor::*read)() const) {
    gauge.Bind([this, read] {
      std::vector<CallbackGauge::Sample> samples;
      if (const std::optional<double> value = (this->*read)()) samples.push_back({{}, *value});
      return samples;
    });
  };
  bind(metrics.device_used_memory_bytes, &GpuMonitor::UsedBytes);
  bind(metrics.device_utilization_ratio, &GpuMonitor::Utilization);
  bind(metrics.device_temperature_celsius, &GpuMonitor::Celsius);
  bind(metrics.device_power_watts, &GpuMonitor::Watts);
}

}  // namespace derin::server
