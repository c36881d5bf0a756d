// Derin behind the same protocol as its peers (README.md): `derin_worker train|step|peak OPTIONS`.
// A unit of `peak` is the measuring of the multiply-add peak; its "tokens" are FLOP.

#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "tests/benchmarks/multiply_add_peak.h"
#include "tests/benchmarks/work.h"

namespace derin {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int Fail(const absl::Status& status) {
  std::cerr << status.message() << '\n';
  return 1;
}

// Answers `run SECONDS` with what `unit` did, in units of its own, until the end of the input.
template <typename Unit>
int Serve(const Unit& unit) {
  constexpr double kWarmUpSeconds = 0.5;
  for (const double start = Now(); Now() - start < kWarmUpSeconds;) {
    if (absl::StatusOr<double> done = unit(); !done.ok()) return Fail(done.status());
  }
  std::puts("ready");
  std::fflush(stdout);
  double seconds = 0;
  for (std::string line; std::getline(std::cin, line);) {
    if (std::sscanf(line.c_str(), "run %lf", &seconds) != 1) {
      return Fail(absl::InvalidArgumentError("got '" + line + "', wanted 'run SECONDS'"));
    }
    double total = 0, elapsed = 0;
    const double start = Now();
    do {
      absl::StatusOr<double> done = unit();
      if (!done.ok()) return Fail(done.status());
      total += *done;
      elapsed = Now() - start;
    } while (elapsed < seconds);
    std::printf("%.0f %.6f\n", total, elapsed);
    std::fflush(stdout);
  }
  return 0;
}

int ServePeak(const WorkShape& shape) {
  // Units of a second at the peak: what elapses while it is measured does not count.
  std::puts("ready");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::printf("%.0f 1.0\n", MultiplyAddPeak(shape.model.precision, shape.threads));
    std::fflush(stdout);
  }
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Derin as a worker of the side-by-side benchmark");
  std::string kind, cell = "lstm", precision = "f32";
  WorkShape shape{.model = {.vocabulary = 28}};
  app.add_option("kind", kind)->required()->check(CLI::IsMember({"train", "step", "peak"}));
  app.add_option("--cell", cell)->check(CLI::IsMember({"lstm", "gru", "vanilla"}));
  app.add_option("--precision", precision)->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--layers", shape.model.layers);
  app.add_option("--hidden", shape.model.hidden);
  app.add_option("--vocabulary", shape.model.vocabulary);
  app.add_option("--batch", shape.batch);
  app.add_option("--steps", shape.steps);
  app.add_option("--threads", shape.threads);
  CLI11_PARSE(app, argc, argv);
  shape.model.cell = *ParseCell(cell == "vanilla" ? "vanilla-tanh" : cell);
  shape.model.precision = *ParsePrecision(precision);
  if (kind == "peak") return ServePeak(shape);
  const std::unique_ptr<Backend> backend = BackendFor(shape);
  auto work =
      kind == "train" ? NewTrainingWork(*backend, shape) : NewGenerationWork(*backend, shape);
  if (!work.ok()) {
    std::cerr << "unsupported: " << work.status().message() << '\n';
    return absl::IsInvalidArgument(work.status()) ? 3 : 1;
  }
  return Serve([&]() -> absl::StatusOr<double> {
    if (absl::Status status = (*work)->Run(); !status.ok()) return status;
    return static_cast<double>((*work)->tokens());
  });
}

}  // namespace
}  // namespace derin

int main(int argc, char** argv) { return derin::Main(argc, argv); }
