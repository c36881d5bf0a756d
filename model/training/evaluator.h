#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/network/parameters.h"
#include "model/training/loss_total.h"

namespace derin {

// Measures held-out text. The tokens are cut into contiguous rows of equal length (as many as there
// are windows of T in them, 1 to B), each read from a zero state to its end; fewer tokens than
// there are rows are left out at the end.
class Evaluator {
 public:
  // `tokens`, i32 on `backend`, are at least 2 and outlive it; `steps` and `batch` bound the
  // windows.
  static absl::StatusOr<std::unique_ptr<Evaluator>> Create(Backend& backend,
                                                           const StackConfig& config, View tokens,
                                                           int steps, int batch);

  // Cross-entropy of the model with `parameters` (flat, as ParameterLayout) through `stack`, which
  // holds them already and was made for at least `steps` and `batch`. Waits for `queue`.
  absl::StatusOr<LossTotal> Evaluate(Queue& queue, RecurrentStack& stack, View parameters);

 private:
  Evaluator(Backend& backend, const StackConfig& config, View corpus);

  Backend& backend_;
  const ParameterLayout layout_;
  int steps_ = 0;  // T
  int rows_ = 0;   // B
  int64_t row_length_ = 0;
  const View corpus_;
  Buffer starts_, tokens_, targets_, state_, state_out_, top_, loss_;
};

}  // namespace derin
