#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/backend/cpu/instruction_set.h"

namespace derin {

// What is measured: sizes of the work, and on what.
struct WorkShape {
  StackConfig model;
  int batch = 32;         // training: B; generation: N
  int steps = 35;         // training: T
  int steps_at_once = 1;  // generation: with one wait
  int threads = 2;
  cpu::InstructionSet instructions = cpu::SupportedInstructionSets().back();

  // Such as `lstm/2x256/vocabulary:28/batch:32/f32/avx512/threads:2`.
  std::string Name() const;
  // Of the products of one token forward; one-hot input needs none.
  double ForwardFlops() const;
  // Forward, and back to both factors of each product.
  double TrainingFlops() const { return 3 * ForwardFlops(); }
};

// The cpu backend with the shape's threads and instruction set.
std::unique_ptr<Backend> BackendFor(const WorkShape& shape);

// A piece of work that can be done again and again.
class Work {
 public:
  virtual ~Work() = default;
  virtual absl::Status Run() = 0;
  int64_t tokens() const { return tokens_; }  // of one Run
  double flops() const { return flops_; }     // of one Run's products

 protected:
  Work(int64_t tokens, double flops) : tokens_(tokens), flops_(flops) {}

 private:
  const int64_t tokens_;
  const double flops_;
};

// The whole training step on a random text: forward, loss, backward, norm, clip at 1, SGD, packing.
absl::StatusOr<std::unique_ptr<Work>> NewTrainingWork(Backend& backend, const WorkShape& shape);
// One step of N sessions, or `steps_at_once`: the stack, the head and the draw.
absl::StatusOr<std::unique_ptr<Work>> NewGenerationWork(Backend& backend, const WorkShape& shape);

}  // namespace derin
