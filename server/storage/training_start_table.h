#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/storage/database.h"
#include "server/storage/training_job_table.h"

// Rows of the table `training_starts`: what keeps the blobs that a job begins with, whatever
// becomes of where they come from. All operations are called within a transaction or a lock of
// MetadataStore.
namespace derin::server::training_start_table {

absl::Status Put(Database& database, int64_t job_number, const JobStart& start);
absl::StatusOr<std::optional<JobStart>> Get(Database& database, std::string_view job_id);
absl::Status Delete(Database& database, int64_t job_number);

}  // namespace derin::server::training_start_table
