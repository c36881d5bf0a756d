// One step of N sessions over a table of batches.

#include "tests/benchmarks/work_benchmark.h"

int main(int argc, char** argv) {
  using namespace derin;
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    for (const int batch : {1, 2, 4, 8, 16, 64, 256, 1024}) {
      for (const int threads : {2, 1}) {
        RegisterWork(
            {.model = {.layers = 2, .hidden = 256, .vocabulary = 28, .precision = precision},
             .batch = batch,
             .threads = threads},
            &NewGenerationWork, benchmark::kMicrosecond);
      }
    }
  }
  return RunBenchmarks(argc, argv);
}
