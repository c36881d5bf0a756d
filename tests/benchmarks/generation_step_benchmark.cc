// One step of N sessions: the stack, the head and the draw, in tokens/s, GFLOP/s and as a share of
// the multiply-add peak that is measured just before and after.

#include <memory>
#include <numeric>

#include "benchmark/benchmark.h"
#include "model/network/language_model.h"
#include "tests/benchmarks/benchmark_shape.h"
#include "tests/benchmarks/multiply_add_peak.h"

namespace derin {
namespace {

void GenerationStep(benchmark::State& state, const BenchmarkShape& shape) {
  auto backend = cpu::NewCpuBackend({.threads = shape.threads});
  const int N = shape.batch;
  auto model = LanguageModel::Create(*backend, shape.model, InitialParameters(shape.model, 1), N);
  if (!model.ok()) return state.SkipWithError(std::string(model.status().message()).c_str());
  auto pool = *HiddenStatePool::Create(*backend, ElementType::kF32, StateElements(shape.model), N);
  auto queue = *backend->NewQueue(QueuePriority::kGeneration);
  std::vector<LanguageModel::Row> rows(N);
  std::vector<int32_t> next(N);
  for (int i = 0; i < N; ++i) {
    rows[i].slot = *pool->Acquire();
    rows[i].token = 1;
    rows[i].sample.stream = static_cast<uint32_t>(i);
  }

  const double peak_before = MultiplyAddPeak(shape.model.precision, shape.threads);
  int64_t steps = 0;
  for (auto _ : state) {
    if (absl::Status status = (*model)->Step(*queue, *pool, rows, absl::MakeSpan(next));
        !status.ok()) {
      return state.SkipWithError(std::string(status.message()).c_str());
    }
    ++steps;
    for (int i = 0; i < N; ++i) {
      rows[i].token = next[i];
      rows[i].sample.position = steps;
    }
  }
  const double peak = (peak_before + MultiplyAddPeak(shape.model.precision, shape.threads)) / 2;
  const auto drawn = static_cast<double>(steps * N);
  using benchmark::Counter;
  state.counters["tokens/s"] = Counter(drawn, Counter::kIsRate);
  state.counters["FLOP/s"] = Counter(drawn * shape.ForwardFlops(), Counter::kIsRate);
  state.counters["peak"] = peak;
  state.counters["of_peak"] = Counter(drawn * shape.ForwardFlops() / peak, Counter::kIsRate);
}

void Register() {
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    const StackConfig model{.layers = 2, .hidden = 256, .vocabulary = 28, .precision = precision};
    for (const int batch : {1, 2, 4, 8, 16, 64, 256, 1024}) {
      for (const int threads : {2, 1}) {
        const BenchmarkShape shape{.model = model, .batch = batch, .threads = threads};
        benchmark::RegisterBenchmark(shape.Name().c_str(), &GenerationStep, shape)
            ->UseRealTime()
            ->Unit(benchmark::kMicrosecond);
      }
    }
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
