#pragma once

#include <string>

#include "absl/status/status.h"
#include "derin/v1/training.pb.h"
#include "google/protobuf/map.h"

namespace derin::server {

// What can be changed of a job once it is there: its priority, its share and its labels.
// INVALID_ARGUMENT names the field of the request.

using JobLabels = google::protobuf::Map<std::string, std::string>;

absl::Status CheckPriority(int32_t priority);
absl::Status CheckShare(int32_t share);
// What is documented for a job that says none.
int32_t ShareOf(const v1::TrainingJob& job);
absl::Status CheckLabels(const JobLabels& labels, const std::string& field);

// Whether the job has all of `wanted`.
bool HasLabels(const v1::TrainingJob& job, const JobLabels& wanted);

// Does to `job` what the request's mask says. After an error the job is as it was or partly
// changed.
absl::Status ApplyEdit(const v1::UpdateTrainingJobRequest& request, v1::TrainingJob& job);

}  // namespace derin::server
