#include "server/storage/training_curve_table.h"

#include "server/storage/sqlite_statement.h"
#include "server/storage/training_job_table.h"

namespace derin::server::training_curve_table {

absl::Status Put(Database& database, std::string_view job_id,
                 const v1::ListTrainingMetricsResponse& curve) {
  const absl::StatusOr<int64_t> job = training_job_table::NumberOf(database, job_id);
  if (!job.ok()) return job.status();
  SqliteStatement insert(database,
                         "INSERT OR REPLACE INTO training_curves (job_number, record)"
                         " VALUES (?, ?)",
                         "store a training's curve");
  return insert.Bind(*job).Bind(curve).Run();
}

absl::StatusOr<v1::ListTrainingMetricsResponse> Get(Database& database, std::string_view job_id) {
  const absl::StatusOr<int64_t> job = training_job_table::NumberOf(database, job_id);
  if (!job.ok()) return job.status();
  SqliteStatement select(database, "SELECT record FROM training_curves WHERE job_number = ?",
                         "read a training's curve");
  const absl::StatusOr<bool> row = select.Bind(*job).Step();
  if (!row.ok()) return row.status();
  v1::ListTrainingMetricsResponse curve;
  if (!*row) return curve;
  if (absl::Status read = select.Message(0, curve); !read.ok()) return read;
  return curve;
}

}  // namespace derin::server::training_curve_table
