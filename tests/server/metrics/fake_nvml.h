#pragma once

#include <cstring>
#include <string>

#include "server/metrics/nvml_calls.h"

namespace derin::server {

// A GPU that says what the test puts here; one at a time.
struct FakeNvml {
  static inline FakeNvml* now = nullptr;
  FakeNvml() { now = this; }
  ~FakeNvml() { now = nullptr; }

  // What NVML calls the GPU that the CUDA runtime calls number 1.
  std::string bus_id = "0000:65:00.0";
  NvmlCalls::Memory memory{.total = 80, .free = 50, .used = 30};
  unsigned int percent = 75, celsius = 61, milliwatts = 350'500;
  int init_error = 0, driver_error = 0, memory_error = 0, other_error = 0;
  int users = 0;  // of the library

  static NvmlCalls Calls() {
    return {
        .nvmlInit_v2 =
            [] {
              if (now->init_error == 0) ++now->users;
              return now->init_error;
            },
        .nvmlShutdown =
            [] {
              --now->users;
              return 0;
            },
        .nvmlDeviceGetHandleByPciBusId_v2 =
            [](const char* bus_id, NvmlCalls::Device** device) {
              *device = reinterpret_cast<NvmlCalls::Device*>(now);
              return bus_id == now->bus_id ? 0 : 6;
            },
        .nvmlDeviceGetMemoryInfo =
            [](NvmlCalls::Device* device, NvmlCalls::Memory* memory) {
              *memory = Of(device).memory;
              return now->memory_error;
            },
        .nvmlDeviceGetUtilizationRates =
            [](NvmlCalls::Device* device, NvmlCalls::Utilization* utilization) {
              *utilization = {.gpu = Of(device).percent, .memory = 1};
              return now->other_error;
            },
        .nvmlDeviceGetTemperature =
            [](NvmlCalls::Device* device, int sensor, unsigned int* celsius) {
              *celsius = Of(device).celsius;
              return sensor == 0 ? now->other_error : 2;
            },
        .nvmlDeviceGetPowerUsage =
            [](NvmlCalls::Device* device, unsigned int* milliwatts) {
              *milliwatts = Of(device).milliwatts;
              return now->other_error;
            },
        .cuDeviceGet =
            [](int* device, int ordinal) {
              *device = 100 + ordinal;
              return now->driver_error;
            },
        .cuDeviceGetPCIBusId =
            [](char* bus_id, int size, int device) {
              strncpy(bus_id, device == 101 ? "0000:65:00.0" : "0000:17:00.0", size);
              return 0;
            },
    };
  }

 private:
  static FakeNvml& Of(NvmlCalls::Device* device) { return *reinterpret_cast<FakeNvml*>(device); }
};

}  // namespace derin::server
