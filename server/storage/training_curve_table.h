#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/v1/training.pb.h"
#include "server/storage/database.h"

// Rows of the table `training_curves`, one for each job that has a curve. All operations are called
// within a transaction or a lock of MetadataStore.
namespace derin::server::training_curve_table {

// In place of the one that is there.
absl::Status Put(Database& database, std::string_view job_id,
                 const v1::ListTrainingMetricsResponse& curve);
// An empty one where none was stored.
absl::StatusOr<v1::ListTrainingMetricsResponse> Get(Database& database, std::string_view job_id);

}  // namespace derin::server::training_curve_table
