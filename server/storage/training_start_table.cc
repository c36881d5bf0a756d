#include "server/storage/training_start_table.h"

#include "server/storage/sqlite_statement.h"

namespace derin::server::training_start_table {

absl::Status Put(Database& database, int64_t job_number, const JobStart& start) {
  SqliteStatement insert(database,
                         "INSERT INTO training_starts (job_number, model_sha256, state_sha256)"
                         " VALUES (?, ?, ?)",
                         "store what a training job begins with");
  insert.Bind(job_number).Bind(start.model_sha256);
  if (start.state_sha256.empty()) {
    insert.BindNull();
  } else {
    insert.Bind(start.state_sha256);
  }
  return insert.Run();
}

absl::StatusOr<std::optional<JobStart>> Get(Database& database, std::string_view job_id) {
  const absl::StatusOr<int64_t> job = training_job_table::NumberOf(database, job_id);
  if (!job.ok()) return job.status();
  SqliteStatement select(
      database, "SELECT model_sha256, state_sha256 FROM training_starts WHERE job_number = ?",
      "read what a training job begins with");
  const absl::StatusOr<bool> row = select.Bind(*job).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  return JobStart{.model_sha256 = select.Text(0),
                  .state_sha256 = select.IsNull(1) ? "" : select.Text(1)};
}

absl::Status Delete(Database& database, int64_t job_number) {
  SqliteStatement statement(database, "DELETE FROM training_starts WHERE job_number = ?",
                            "delete what a training job begins with");
  return statement.Bind(job_number).Run();
}

}  // namespace derin::server::training_start_table
