#pragma once

#include "absl/status/status.h"
#include "derin/v1/training.pb.h"
#include "model/optimizer/optimizer.h"
#include "model/training/learning_rate.h"

namespace derin::server {

// How gradients change the parameters, as a specification says it: the documented defaults take the
// place of what is unset, and every field is checked. INVALID_ARGUMENT names the field at fault.

// `optimizer` and `clip`.
absl::Status ResolveOptimizer(v1::TrainingSpec& spec, OptimizerConfig& config);
// `learning_rate`; its default depends on the optimiser.
absl::Status ResolveLearningRate(v1::TrainingSpec& spec, OptimizerKind optimizer,
                                 LearningRateConfig& config);

}  // namespace derin::server
