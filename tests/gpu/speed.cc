#include <algorithm>
#include <chrono>

#include "tests/benchmarks/work.h"
#include "tests/gpu/proof.h"

namespace derin {
namespace {

constexpr int kStretches = 5;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A Run is at most two steps ahead of the GPU, which many Runs make nothing of.
Finding Measure(absl::StatusOr<std::unique_ptr<Work>> work, const StackConfig& config, int batch,
                double seconds) {
  if (!work.ok()) return work.status();
  std::vector<double> rates;
  // The first stretch warms up.
  for (int stretch = 0; stretch <= kStretches; ++stretch) {
    const double start = Now();
    int64_t runs = 0;
    double elapsed = 0;
    while (runs < 10 || elapsed < seconds / kStretches) {
      if (absl::Status status = (*work)->Run(); !status.ok()) return status;
      ++runs;
      elapsed = Now() - start;
    }
    if (stretch > 0) rates.push_back(static_cast<double>(runs * (*work)->tokens()) / elapsed);
  }
  std::sort(rates.begin(), rates.end());
  return nlohmann::json{{"passed", true},
                        {"cell", std::string(CellName(config.cell))},
                        {"layers", config.layers},
                        {"hidden", config.hidden},
                        {"precision", std::string(PrecisionName(config.precision))},
                        {"batch", batch},
                        {"tokens_per_second", rates[kStretches / 2]},
                        {"least", rates.front()},
                        {"most", rates.back()}};
}

}  // namespace

absl::StatusOr<std::string> ChoiceOf(Backend& backend, const StackConfig& config, int batch,
                                     int steps) {
  auto stack = backend.NewStack(config, {.steps = steps, .batch = batch, .training = true});
  if (!stack.ok()) return stack.status();
  return std::string((*stack)->choice());
}

Finding TrainingSpeed(Backend& backend, const StackConfig& config, double seconds) {
  const WorkShape shape{.model = config};
  Finding found = Measure(NewTrainingWork(backend, shape), config, shape.batch, seconds);
  if (!found.ok()) return found;
  const auto choice = ChoiceOf(backend, config, shape.batch, shape.steps);
  if (!choice.ok()) return choice.status();
  (*found)["choice"] = *choice;
  return found;
}

Finding SamplingSpeed(Backend& backend, const StackConfig& config, int batch, int steps,
                      double seconds) {
  const WorkShape shape{.model = config, .batch = batch, .steps_at_once = steps};
  return Measure(NewGenerationWork(backend, shape), config, batch, seconds);
}

}  // namespace derin
