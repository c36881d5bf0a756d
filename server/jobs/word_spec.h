#pragma once

#include "absl/status/status.h"
#include "derin/v1/training.pb.h"
#include "server/jobs/training_start.h"

namespace derin::server {

// Puts the defaults into `spec.words` that say which words a model may know, where its tokens are
// words. With a `start`, which may be null, they are those of its weights, and what is set agrees
// with them. INVALID_ARGUMENT names the field at fault.
absl::Status ResolveWordSettings(const TrainingStart* start, v1::TrainingSpec& spec);

}  // namespace derin::server
