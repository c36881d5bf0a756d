#pragma once

#include <memory>

#include "model/backend/backend.h"
#include "model/backend/cpu/instruction_set.h"

namespace derin::cpu {

inline constexpr int kMostThreads = 1024;

struct CpuOptions {
  // That work together, the calling one included; 0: one for each core that the process may use.
  int threads = 0;
  InstructionSet instructions = SupportedInstructionSets().back();
};

// The embedded default: packed kernels on a pool of threads. f32, and bf16 where the instruction
// set has it. In f32 results depend neither on the instruction set nor on the number of threads,
// bit for bit.
std::unique_ptr<Backend> NewCpuBackend(const CpuOptions& options);

}  // namespace derin::cpu
