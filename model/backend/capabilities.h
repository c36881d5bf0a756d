#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/backend/stack_config.h"

namespace derin {

// Facts about a backend on this machine.
struct Capabilities {
  std::string backend;       // `reference`, `cpu`, `cuda`
  std::string device;        // such as the processor's name
  std::string instructions;  // what its kernels are built for, such as `avx512-bf16`; may be empty
  int threads = 1;           // of the processor that work on one operation
  int64_t memory_bytes = 0;  // that the device has
  std::vector<Precision> precisions;
  // The queue runs on its caller's thread, so nothing overlaps.
  bool synchronous = false;
  // RecurrentStack::Step gives Forward's results bit for bit; else within the tolerances.
  bool step_equals_forward = true;
};

// INVALID_ARGUMENT, listing those there are, when `precision` is not one of them.
absl::Status CheckPrecision(const Capabilities& capabilities, Precision precision);

}  // namespace derin
