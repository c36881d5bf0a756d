#pragma once

#include <string>

#include "absl/strings/str_format.h"
#include "model/backend/cpu/cpu_backend.h"

namespace derin {

// A line of a benchmark's table.
struct BenchmarkShape {
  StackConfig model;
  int batch = 32;  // training: B; generation: N
  int steps = 35;  // training: T
  int threads = 2;

  std::string Name() const {
    return absl::StrFormat("%s/%dx%d/vocabulary:%d/batch:%d/%s/threads:%d",
                           std::string(CellName(model.cell)), model.layers, model.hidden,
                           model.vocabulary, batch, std::string(PrecisionName(model.precision)),
                           threads);
  }
  // Of the products of one token forward; one-hot input needs none.
  double ForwardFlops() const {
    const double H = model.hidden, gates = GateCount(model.cell) * H;
    return 2 * (gates * H * (2 * model.layers - 1) + H * model.vocabulary);
  }
  // Forward, and back to both factors of each product.
  double TrainingFlops() const { return 3 * ForwardFlops(); }
};

}  // namespace derin
