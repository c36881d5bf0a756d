#pragma once

#include "absl/status/status.h"
#include "server/jobs/training_spec.h"

namespace derin::server {

// Which tokens are held out: resolves validation_split and validation_block of a plan whose tokens
// have been counted and whose share and parts are resolved, and sets plan.held_out. Of several
// texts some of each is held out. INVALID_ARGUMENT names the field at fault.
absl::Status ResolveValidationSplit(const TrainingTexts& texts, TrainingPlan& plan);

}  // namespace derin::server
