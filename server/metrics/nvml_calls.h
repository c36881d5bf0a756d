#pragma once

#include "absl/status/statusor.h"
#include "model/backend/gpu_loader.h"

namespace derin::server {

// What is used of NVIDIA's management library (nvml.h, which not every toolkit has) and of the
// driver, as their headers declare it: functions that answer 0 when all is well.
struct NvmlCalls {
  struct Device;  // nvmlDevice_st
  struct Memory {
    unsigned long long total, free, used;  // bytes
  };
  struct Utilization {
    unsigned int gpu, memory;  // percent of the last second or less
  };
  static constexpr int kTemperatureGpu = 0;

  int (*nvmlInit_v2)();
  int (*nvmlShutdown)();
  int (*nvmlDeviceGetHandleByPciBusId_v2)(const char* bus_id, Device** device);
  int (*nvmlDeviceGetMemoryInfo)(Device* device, Memory* memory);
  int (*nvmlDeviceGetUtilizationRates)(Device* device, Utilization* utilization);
  int (*nvmlDeviceGetTemperature)(Device* device, int sensor, unsigned int* celsius);
  int (*nvmlDeviceGetPowerUsage)(Device* device, unsigned int* milliwatts);
  // The driver's numbers of GPUs are those of the CUDA runtime; NVML counts others, too.
  int (*cuDeviceGet)(int* device, int ordinal);
  int (*cuDeviceGetPCIBusId)(char* bus_id, int size, int device);
};

// Those of the libraries of this machine, loaded now. UNAVAILABLE when a library or a function is
// missing, with its name.
absl::StatusOr<NvmlCalls> LoadNvml(const LibraryLoader& libraries = SystemLibraries());

}  // namespace derin::server
