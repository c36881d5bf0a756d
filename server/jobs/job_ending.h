#pragma once

#include <string>

#include "absl/time/time.h"
#include "model/training/training_end.h"
#include "server/jobs/training_spec.h"

namespace derin::server {

// Why a job is over.
struct JobEnding {
  std::string reason;   // for machines: see TrainingJob in training.proto
  std::string message;  // for people
};

// Why a training of `plan` SUCCEEDED, with `progress` at its end: `end`, or where that is none the
// time that it was to take.
JobEnding EndingOf(TrainingEnd end, const TrainingPlan& plan, const v1::TrainingProgress& progress);

}  // namespace derin::server
