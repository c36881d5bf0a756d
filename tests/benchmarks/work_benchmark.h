#pragma once

#include "benchmark/benchmark.h"
#include "tests/benchmarks/multiply_add_peak.h"
#include "tests/benchmarks/work.h"

namespace derin {

// Does the work that `make` makes of `shape` and reports tokens/s, FLOP/s, and the share of the
// multiply-add peak that is measured just before and after.
inline void RegisterWork(const WorkShape& shape,
                         absl::StatusOr<std::unique_ptr<Work>> (*make)(Backend&, const WorkShape&),
                         benchmark::TimeUnit unit) {
  const auto run = [=](benchmark::State& state) {
    const std::unique_ptr<Backend> backend = BackendFor(shape);
    auto work = make(*backend, shape);
    absl::Status status = work.status();
    const Precision precision = shape.model.precision;
    double peak = MultiplyAddPeak(precision, shape.threads) / 2;
    for (auto _ : state) {
      if (status.ok()) status = (*work)->Run();
      if (!status.ok()) return state.SkipWithError(std::string(status.message()).c_str());
    }
    peak += MultiplyAddPeak(precision, shape.threads) / 2;
    const auto runs = static_cast<double>(state.iterations());
    using benchmark::Counter;
    state.counters["tokens/s"] =
        Counter(runs * static_cast<double>((*work)->tokens()), Counter::kIsRate);
    state.counters["FLOP/s"] = Counter(runs * (*work)->flops(), Counter::kIsRate);
    state.counters["of_peak"] = Counter(runs * (*work)->flops() / peak, Counter::kIsRate);
    state.counters["peak"] = peak;
  };
  benchmark::RegisterBenchmark(shape.Name().c_str(), run)->UseRealTime()->Unit(unit);
}

// main() of a benchmark program.
inline int RunBenchmarks(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace derin
