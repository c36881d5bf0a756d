#pragma once

#include "absl/status/status.h"
#include "derin/v1/corpus.pb.h"
#include "server/jobs/training_spec.h"

namespace derin::server {

// Which tokens are held out: resolves validation_split and validation_block of a plan whose tokens
// have been counted and whose share is resolved, and sets plan.held_out. INVALID_ARGUMENT names the
// field at fault.
absl::Status ResolveValidationSplit(const v1::Corpus& corpus, TrainingPlan& plan);

}  // namespace derin::server
