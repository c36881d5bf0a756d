// The whole training step over a table of shapes.

#include "tests/benchmarks/work_benchmark.h"

int main(int argc, char** argv) {
  using namespace derin;
  std::vector<WorkShape> shapes;
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    for (const Cell cell : {Cell::kLstm, Cell::kGru, Cell::kVanillaTanh}) {
      const StackConfig model{
          .cell = cell, .layers = 2, .hidden = 256, .vocabulary = 28, .precision = precision};
      shapes.push_back({.model = model});
      shapes.push_back({.model = model, .threads = 1});
    }
    for (const auto& [layers, hidden] :
         {std::pair{1, 1024}, {3, 512}, {2, 128}, {2, 48}, {2, 250}}) {
      shapes.push_back(
          {.model = {
               .layers = layers, .hidden = hidden, .vocabulary = 28, .precision = precision}});
    }
  }
  shapes.push_back({.model = {.layers = 2, .hidden = 256, .vocabulary = 28},
                    .instructions = cpu::InstructionSet::kAvx2});
  for (const WorkShape& shape : shapes) {
    RegisterWork(shape, &NewTrainingWork, benchmark::kMillisecond);
  }
  return RunBenchmarks(argc, argv);
}
