#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace derin::server {

// Checks of the fields of a v1::TrainingSpec: INVALID_ARGUMENT that names the field, what was got
// and what was wanted. A `name` is a path within the specification, such as `learning_rate.peak`.

// `training_job.spec.NAME`, as a request has it.
std::string SpecField(absl::string_view name);

absl::Status CheckInteger(absl::string_view name, int64_t got, int64_t least, int64_t most);
// NaN lies in no range.
absl::Status CheckReal(absl::string_view name, double got, bool in_range, absl::string_view wanted);
// Between two things that a training does now and then: 1 s to 24 h.
absl::Status CheckInterval(absl::string_view name, absl::Duration got);
// The refusal of an enumeration's value.
absl::Status UnknownValue(absl::string_view name, int got, absl::string_view wanted);

}  // namespace derin::server
