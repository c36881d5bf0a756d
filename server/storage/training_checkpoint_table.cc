#include "server/storage/training_checkpoint_table.h"

#include "server/storage/sqlite_statement.h"
#include "server/storage/training_job_table.h"

namespace derin::server::training_checkpoint_table {

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
  SqliteStatement old(database,
                      "DELETE FROM training_checkpoints WHERE job_number = ? AND step NOT IN"
                      " (SELECT step FROM training_checkpoints WHERE job_number = ?"
                      " ORDER BY step DESC LIMIT ?)",
                      "remove old checkpoints");
  return old.Bind(*job).Bind(*job).Bind(int64_t{keep}).Run();
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
    StoredCheckpoint& stored = checkpoints.emplace_back();
    if (absl::Status read = select.Message(0, stored.checkpoint); !read.ok()) return read;
    stored.model_sha256 = select.Text(1);
    stored.state_sha256 = select.Text(2);
  }
}

}  // namespace derin::server::training_checkpoint_table
