#include "server/storage/training_checkpoint_table.h"

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"
#include "server/storage/sqlite_statement.h"
#include "server/storage/training_job_table.h"

namespace derin::server::training_checkpoint_table {
namespace {

absl::Status RemoveOld(Database& database, int64_t job_number, int keep) {
  SqliteStatement old(database,
                      "DELETE FROM training_checkpoints WHERE job_number = ? AND step NOT IN"
                      " (SELECT step FROM training_checkpoints WHERE job_number = ?"
                      " ORDER BY step DESC LIMIT ?)",
                      "remove old checkpoints");
  return old.Bind(job_number).Bind(job_number).Bind(int64_t{keep}).Run();
}

// Columns of a SELECT of record, model_sha256, state_sha256.
absl::Status Read(const SqliteStatement& row, StoredCheckpoint& stored) {
  if (absl::Status read = row.Message(0, stored.checkpoint); !read.ok()) return read;
  stored.model_sha256 = row.Text(1);
  stored.state_sha256 = row.Text(2);
  return absl::OkStatus();
}

}  // namespace

absl::Status Insert(Database& database, std::string_view job_id, const StoredCheckpoint& stored,
                    int keep) {
  const absl::StatusOr<int64_t> job = training_job_table::NumberOf(database, job_id);
  if (!job.ok()) return job.status();
  SqliteStatement insert(database,
                         "INSERT OR REPLACE INTO training_checkpoints"
                         " (job_number, step, model_sha256, state_sha256, record)"
                         " VALUES (?, ?, ?, ?, ?)",
                         "store a checkpoint");
  insert.Bind(*job)
      .Bind(stored.checkpoint.step())
      .Bind(stored.model_sha256)
      .Bind(stored.state_sha256)
      .Bind(stored.checkpoint);
  if (absl::Status inserted = insert.Run(); !inserted.ok()) return inserted;
  // Whatever the steps say: this one is the newest, so those beyond it are of a training that was
  // cut back.
  SqliteStatement beyond(database,
                         "DELETE FROM training_checkpoints WHERE job_number = ? AND step > ?",
                         "remove checkpoints");
  if (absl::Status removed = beyond.Bind(*job).Bind(stored.checkpoint.step()).Run();
      !removed.ok()) {
    return removed;
  }
  return RemoveOld(database, *job, keep);
}

absl::Status KeepNewest(Database& database, std::string_view job_id, int keep) {
  const absl::StatusOr<int64_t> job = training_job_table::NumberOf(database, job_id);
  if (!job.ok()) return job.status();
  return RemoveOld(database, *job, keep);
}

absl::StatusOr<StoredCheckpoint> Get(Database& database, std::string_view job_id, int64_t step) {
  const absl::StatusOr<int64_t> job = training_job_table::NumberOf(database, job_id);
  if (!job.ok()) return job.status();
  SqliteStatement select(database,
                         "SELECT record, model_sha256, state_sha256 FROM training_checkpoints"
                         " WHERE job_number = ? AND step = ?",
                         "read a checkpoint");
  const absl::StatusOr<bool> row = select.Bind(*job).Bind(step).Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    return Refusal(absl::StatusCode::kNotFound, "CHECKPOINT_NOT_FOUND",
                   absl::StrFormat("there is no checkpoint %s", CheckpointName(job_id, step)));
  }
  StoredCheckpoint stored;
  if (absl::Status read = Read(select, stored); !read.ok()) return read;
  return stored;
}

absl::Status Delete(Database& database, std::string_view job_id, int64_t step) {
  const absl::StatusOr<int64_t> job = training_job_table::NumberOf(database, job_id);
  if (!job.ok()) return job.status();
  SqliteStatement remove(database,
                         "DELETE FROM training_checkpoints WHERE job_number = ? AND step = ?",
                         "delete a checkpoint");
  return remove.Bind(*job).Bind(step).Run();
}

absl::StatusOr<std::vector<StoredCheckpoint>> List(Database& database, std::string_view job_id) {
  const absl::StatusOr<int64_t> job = training_job_table::NumberOf(database, job_id);
  if (!job.ok()) return job.status();
  SqliteStatement select(database,
                         "SELECT record, model_sha256, state_sha256 FROM training_checkpoints"
                         " WHERE job_number = ? ORDER BY step DESC",
                         "list checkpoints");
  select.Bind(*job);
  std::vector<StoredCheckpoint> checkpoints;
  while (true) {
    const absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return checkpoints;
    if (absl::Status read = Read(select, checkpoints.emplace_back()); !read.ok()) return read;
  }
}

}  // namespace derin::server::training_checkpoint_table
