#include "tests/model/backend/engines.h"

#include "model/backend/backend_list.h"

namespace derin {

std::unique_ptr<Backend> MakeBackend(const Engine& engine) {
  if (engine.backend != "cpu") return *NewBackend(engine.backend);
  return cpu::NewCpuBackend({.threads = engine.threads, .instructions = engine.instructions});
}

// All that this machine has: the cpu backend with every instruction set, the lesser ones forced.
std::vector<Engine> AllEngines() {
  std::vector<Engine> engines;
  for (const std::string_view name : BackendNames()) {
    if (name == "cpu") {
      int threads = 1;
      for (const cpu::InstructionSet set : cpu::SupportedInstructionSets()) {
        engines.push_back({"cpu", Precision::kF32, set, threads++});
        if (set >= cpu::InstructionSet::kAvx512Bf16) {
          engines.push_back({"cpu", Precision::kBf16, set, 2});
        }
      }
      continue;
    }
    auto backend = NewBackend(name);
    if (!backend.ok()) continue;
    for (const Precision precision : (*backend)->capabilities().precisions) {
      engines.push_back({std::string(name), precision});
    }
  }
  return engines;
}

}  // namespace derin
