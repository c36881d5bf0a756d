// The whole training step: forward, loss, backward, norm, clip, update and packing, in tokens/s,
// GFLOP/s and as a share of the multiply-add peak that is measured just before and after.

#include "benchmark/benchmark.h"
#include "model/sampling/philox.h"
#include "model/training/trainer.h"
#include "tests/benchmarks/benchmark_shape.h"
#include "tests/benchmarks/multiply_add_peak.h"

namespace derin {
namespace {

void TrainingStep(benchmark::State& state, const BenchmarkShape& shape) {
  auto backend = cpu::NewCpuBackend({.threads = shape.threads});
  TrainingConfig config{
      .model = shape.model, .batch = shape.batch, .steps = shape.steps, .epochs = 1'000'000};
  std::vector<int32_t> tokens(int64_t{shape.batch} * shape.steps * 8 + shape.steps + 1);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<int32_t>(IntegerBelow(
        Philox4x32(RandomPurpose::kSampling, static_cast<uint32_t>(i), 0, 0, 1).word[0],
        shape.model.vocabulary));
  }
  auto trainer = Trainer::Create(*backend, config, tokens, InitialParameters(shape.model, 1));
  if (!trainer.ok()) return state.SkipWithError(std::string(trainer.status().message()).c_str());

  const double peak_before = MultiplyAddPeak(shape.model.precision, shape.threads);
  int64_t steps = 0;
  for (auto _ : state) {
    if (absl::Status status = (*trainer)->Step(); !status.ok()) {
      return state.SkipWithError(std::string(status.message()).c_str());
    }
    ++steps;
  }
  const double peak = (peak_before + MultiplyAddPeak(shape.model.precision, shape.threads)) / 2;
  const auto trained = static_cast<double>(steps * shape.batch * shape.steps);
  using benchmark::Counter;
  state.counters["tokens/s"] = Counter(trained, Counter::kIsRate);
  state.counters["FLOP/s"] = Counter(trained * shape.TrainingFlops(), Counter::kIsRate);
  state.counters["peak"] = peak;
  state.counters["of_peak"] = Counter(trained * shape.TrainingFlops() / peak, Counter::kIsRate);
}

void Register() {
  std::vector<BenchmarkShape> shapes;
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    for (const Cell cell : {Cell::kLstm, Cell::kGru, Cell::kVanillaTanh}) {
      const StackConfig model{
          .cell = cell, .layers = 2, .hidden = 256, .vocabulary = 28, .precision = precision};
      shapes.push_back({.model = model});
      shapes.push_back({.model = model, .threads = 1});
    }
    for (const auto& [layers, hidden] : {std::pair{1, 1024}, {3, 512}, {2, 128}, {2, 48}}) {
      shapes.push_back(
          {.model = {
               .layers = layers, .hidden = hidden, .vocabulary = 28, .precision = precision}});
    }
  }
  for (const BenchmarkShape& shape : shapes) {
    benchmark::RegisterBenchmark(shape.Name().c_str(), &TrainingStep, shape)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace
}  // namespace derin

int main(int argc, char** argv) {
  derin::Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
