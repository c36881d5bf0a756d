#pragma once

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "model/backend/backend.h"
#include "model/backend/cpu/cpu_backend.h"

namespace derin {

// A backend and a precision that a test runs with; of the cpu backend also the instruction set and
// the number of threads, of the cuda backend what its windows are computed by.
struct Engine {
  std::string backend;
  Precision precision;
  cpu::InstructionSet instructions = cpu::InstructionSet::kAvx2;
  int threads = 1;
  std::string choice = {};  // of the backend's algorithms; empty: its own
};

// The engines of engines.cc, or of whatever else a test program is linked with.
std::unique_ptr<Backend> MakeBackend(const Engine& engine);
std::vector<Engine> AllEngines();

// Those of AllEngines with `precision`.
inline std::vector<Engine> EnginesWith(Precision precision) {
  std::vector<Engine> engines = AllEngines();
  std::erase_if(engines, [&](const Engine& engine) { return engine.precision != precision; });
  return engines;
}

inline std::string EngineName(const Engine& engine) {
  std::string name = engine.backend + "_" + std::string(PrecisionName(engine.precision));
  if (engine.backend == "cpu") {
    name += "_" + std::string(cpu::InstructionSetName(engine.instructions)) + "_" +
            std::to_string(engine.threads) + "_threads";
  }
  if (!engine.choice.empty()) name += "_" + engine.choice;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

inline void PrintTo(const Engine& engine, std::ostream* out) { *out << EngineName(engine); }

// The relative error that design section 4 allows against f64.
inline double Tolerance(const Engine& engine) {
  switch (engine.precision) {
    case Precision::kF64:
      return 1e-10;
    case Precision::kF32:
      return engine.backend == "reference" ? 1e-5 : 1e-4;
    case Precision::kBf16:
      return 5e-2;
    case Precision::kTf32:
      return 5e-3;
    case Precision::kF16:
      return 1e-2;
  }
  return 0;
}

}  // namespace derin
