#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/backend/backend.h"
#include "server/jobs/training_spec.h"
#include "server/metrics/monotonic_clock.h"

namespace derin::server {

// How long the training that `plan` describes takes on `backend`: measured by some steps of one
// like it, whose tokens are of no text: one, and what a quarter of a second has room for, at least
// one. Where steps take a processor seconds, shorter ones of a smaller batch are measured, and the
// time is that of as many tokens. RESOURCE_EXHAUSTED where there is no memory to try.
absl::StatusOr<absl::Duration> EstimateTrainingTime(const TrainingPlan& plan, Backend& backend,
                                                    const MonotonicClock& clock);

}  // namespace derin::server
