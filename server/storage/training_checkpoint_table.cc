#include "server/storage/training_checkpoint_table.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"
#include "server/storage/sqlite_statement.h"
#include "server/storage/training_job_table.h"

namespace derin::server::training_checkpoint_table {
namespace {

// Columns of a SELECT of record, model_sha256, state_sha256.
absl::Status Read(const SqliteStatement& row, StoredCheckpoint& stored) {
  if (absl::Status read = row.Message(0, stored.checkpoint); !read.ok()) return read;
  stored.model_sha256 = row.Text(1);
  stored.state_sha256 = row.Text(2);
  return absl::OkStatus();
}

}  // namespace

absl::Status Insert(Database& database, std::string_view job_id, const StoredCheckpoint& stored,
                    const CheckpointsToKeep& keep) {
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
  return RemoveOthers(database, job_id, keep);
}

absl::Status RemoveOthers(Database& database, std::string_view job_id,
                          const CheckpointsToKeep& keep) {
  const auto stored = List(database, job_id);
  if (!stored.ok()) return stored.status();
  absl::flat_hash_set<int64_t> kept;
  std::vector<std::pair<double, int64_t>> by_perplexity;  // and by step
  for (const StoredCheckpoint& one : *stored) {
    if (static_cast<int>(kept.size()) < keep.newest) kept.insert(one.checkpoint.step());
    if (!one.checkpoint.has_measured_perplexity()) continue;
    by_perplexity.emplace_back(one.checkpoint.measured_perplexity(), one.checkpoint.step());
  }
  std::sort(by_perplexity.begin(), by_perplexity.end());
  for (size_t i = 0; i < std::min(by_perplexity.size(), static_cast<size_t>(keep.best)); ++i) {
    kept.insert(by_perplexity[i].second);
  }
  for (const StoredCheckpoint& one : *stored) {
    const int64_t step = one.checkpoint.step();
    if (kept.contains(step)) continue;
    if (absl::Status removed = Delete(database, job_id, step); !removed.ok()) return removed;
  }
  return absl::OkStatus();
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
