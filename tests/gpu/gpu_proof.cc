// gpu_proof STAGE: one JSON document a line on standard output, each with `passed`. Exit status 0:
// all passed, 1: not, 2: bad usage, 3: there is no GPU that works here.

#include <iostream>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "model/backend/cuda/cuda_backend.h"
#include "tests/gpu/eager_backend.h"
#include "tests/gpu/proof.h"

namespace derin {
namespace {

constexpr int kVocabulary = 28;  // of the recipe
constexpr Cell kCells[] = {Cell::kLstm, Cell::kGru, Cell::kVanillaTanh, Cell::kVanillaRelu};

const std::vector<StackConfig> kTable = {{.layers = 2, .hidden = 256, .vocabulary = kVocabulary},
                                         {.layers = 1, .hidden = 1024, .vocabulary = kVocabulary},
                                         {.layers = 3, .hidden = 512, .vocabulary = kVocabulary},
                                         {.layers = 2, .hidden = 2048, .vocabulary = kVocabulary}};

// Prints findings and remembers whether one was bad.
class Report {
 public:
  void Add(const std::string& what, Finding finding) {
    if (!finding.ok()) {
      finding =
          nlohmann::json{{"passed", false}, {"error", std::string(finding.status().message())}};
    }
    nlohmann::json& line = *finding;
    line["what"] = what;
    passed_ = passed_ && line["passed"].get<bool>();
    // Flushed, so that what was found stays when a later one ends the process.
    std::cout << line.dump() << std::endl;
  }
  int exit_status() const { return passed_ ? 0 : 1; }

 private:
  bool passed_ = true;
};

Finding Facts(const Backend& backend) {
  int driver = 0, runtime = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess ||
      cudaRuntimeGetVersion(&runtime) != cudaSuccess) {
    return absl::InternalError("cudaDriverGetVersion or cudaRuntimeGetVersion failed");
  }
  return nlohmann::json{{"passed", cudnnGetVersion() / 10000 == 9},
                        {"device", backend.capabilities().device},
                        {"architecture", backend.capabilities().instructions},
                        {"engine", backend.EngineId(Precision::kF32)},
                        {"free_bytes", backend.FreeBytes()},
                        {"cuda_driver_supports", driver},
                        {"cuda_runtime", runtime},
                        {"cudnn", cudnnGetVersion()},
                        {"cublaslt", cublasLtGetVersion()}};
}

void Offsets(Report& report) {
  std::vector<StackConfig> configs;
  for (const Cell cell : kCells) {
    for (StackConfig config : kTable) {
      config.cell = cell;
      configs.push_back(config);
    }
    configs.push_back({.cell = cell, .layers = 3, .hidden = 5, .vocabulary = 7});
  }
  report.Add("weight offsets", WeightOffsets(cuda::DeviceCalls(), configs));
}

void Determinism(Backend& backend, const std::vector<Precision>& types, Report& report) {
  for (const Cell cell : kCells) {
    StackConfig config{.cell = cell, .vocabulary = kVocabulary};
    for (const Precision precision : types) {
      config.precision = precision;
      report.Add("step bits", StepBits(backend, config, 1024));
      report.Add("training digest", TrainingDigests(backend, config, 300));
    }
  }
  // Layers that are computed side by side.
  StackConfig large = kTable.back();
  for (const Precision precision : types) {
    large.precision = precision;
    report.Add("training digest", TrainingDigests(backend, large, 40));
  }
}

// Without cuDNN's kernels, of which a tool that watches memory may say what it likes.
void OwnKernels(Backend& backend, Report& report) {
  report.Add("kernel bits", KernelBits(cuda::DeviceCalls()));
  report.Add("operations", Operations(backend));
  for (const Cell cell : kCells) {
    report.Add("step bits", StepBits(backend, {.cell = cell, .hidden = 16, .vocabulary = 5}, 9));
  }
}

void Training(Backend& backend, const std::vector<Precision>& types, double seconds,
              Report& report) {
  EagerBackend eager(backend);
  for (const Precision precision : types) {
    for (StackConfig config : kTable) {
      config.precision = precision;
      report.Add("training with graph", TrainingSpeed(backend, config, seconds));
      report.Add("training without graph", TrainingSpeed(eager, config, seconds));
    }
  }
}

void Sampling(Backend& backend, const std::vector<Precision>& types, double seconds,
              Report& report) {
  for (const Precision precision : types) {
    StackConfig config = kTable.front();
    config.precision = precision;
    for (const int steps : {1, 8}) {
      const std::string what = absl::StrFormat("sampling by %d", steps);
      for (const int batch : {1, 32, 256, 1024}) {
        report.Add(what, SamplingSpeed(backend, config, batch, steps, seconds));
      }
    }
  }
}

int Main(int argc, char** argv) {
  CLI::App app("What one visit to a GPU has to show");
  std::string stage, text, type;
  double seconds = 2;
  app.add_option("stage", stage)
      ->required()
      ->check(CLI::IsMember({"facts", "smoke", "offsets", "determinism", "recipe", "training",
                             "sampling", "kernels"}));
  app.add_option("--text", text, "of the recipe");
  app.add_option("--type", type, "the only one of its kind that is shown, such as f16");
  app.add_option("--seconds", seconds, "of each measurement")->check(CLI::Range(0.01, 60.0));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  auto opened = cuda::NewCudaBackend(cuda::DeviceCalls(), 0);
  Report report;
  if (absl::IsUnavailable(opened.status())) {
    report.Add("device",
               absl::UnavailableError(absl::StrFormat("no device: %s", opened.status().message())));
    return 3;
  }
  if (!opened.ok()) {
    report.Add("device", opened.status());
    return 1;
  }
  Backend& backend = **opened;
  std::vector<Precision> types = backend.capabilities().precisions;
  if (!type.empty()) {
    const auto one = ParsePrecision(type);
    if (!one.ok()) {
      report.Add("type", one.status());
      return 2;
    }
    types = {*one};
  }
  if (stage == "facts") report.Add("facts", Facts(backend));
  const auto in_each_type = [&](const char* what, const auto& show) {
    for (const Precision precision : types) {
      report.Add(what, show(precision));
    }
  };
  if (stage == "smoke") {
    in_each_type("smoke", [&](Precision precision) { return Smoke(backend, precision); });
  }
  if (stage == "offsets") Offsets(report);
  if (stage == "determinism") Determinism(backend, types, report);
  if (stage == "recipe") {
    in_each_type("recipe",
                 [&](Precision precision) { return Recipe(backend, precision, text, 1, 500); });
  }
  if (stage == "kernels") OwnKernels(backend, report);
  if (stage == "training") Training(backend, types, seconds, report);
  if (stage == "sampling") Sampling(backend, types, seconds, report);
  return report.exit_status();
}

}  // namespace
}  // namespace derin

int main(int argc, char** argv) { return derin::Main(argc, argv); }
