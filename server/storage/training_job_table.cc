#include "server/storage/training_job_table.h"

#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"
#include "server/storage/sqlite_statement.h"
#include "server/storage/training_curve_table.h"
#include "server/storage/training_start_table.h"

namespace derin::server {

bool IsOver(v1::TrainingJob::State state) {
  return state == v1::TrainingJob::STATE_SUCCEEDED || state == v1::TrainingJob::STATE_FAILED ||
         state == v1::TrainingJob::STATE_CANCELLED;
}

namespace training_job_table {
namespace {

// A row of `training_jobs`. `number` counts jobs in the order of their creation.
struct Row {
  int64_t number = 0;
  v1::TrainingJob job;
};

absl::Status JobNotFound(std::string_view id) {
  return Refusal(absl::StatusCode::kNotFound, "JOB_NOT_FOUND",
                 absl::StrFormat("there is no training job %s", Quoted(id)));
}

absl::StatusOr<std::optional<Row>> FindRow(Database& database, std::string_view id) {
  SqliteStatement select(database, "SELECT record, number FROM training_jobs WHERE id = ?",
                         "read a training job");
  const absl::StatusOr<bool> found = select.Bind(id).Step();
  if (!found.ok()) return found.status();
  if (!*found) return std::nullopt;
  Row row{select.Integer(1), {}};
  if (absl::Status read = select.Message(0, row.job); !read.ok()) return read;
  return row;
}

absl::StatusOr<Row> GetRow(Database& database, std::string_view id) {
  absl::StatusOr<std::optional<Row>> row = FindRow(database, id);
  if (!row.ok()) return row.status();
  if (!row->has_value()) return JobNotFound(id);
  return **std::move(row);
}

// Numbers the events on from `last_sequence` and stores them.
absl::Status InsertEvents(Database& database, int64_t job_number, int64_t last_sequence,
                          std::vector<v1::TrainingEvent>& events) {
  for (v1::TrainingEvent& event : events) {
    event.set_sequence(++last_sequence);
    SqliteStatement insert(
        database, "INSERT INTO training_events (job_number, sequence, record) VALUES (?, ?, ?)",
        "store an event of a training job");
    insert.Bind(job_number).Bind(event.sequence()).Bind(event);
    if (absl::Status inserted = insert.Run(); !inserted.ok()) return inserted;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<v1::TrainingJob>> FindRequest(Database& database,
                                                           std::string_view request_id,
                                                           std::string_view request_sha256) {
  if (request_id.empty()) return std::nullopt;
  SqliteStatement select(database,
                         "SELECT record, request_sha256 FROM training_jobs WHERE request_id = ?",
                         "look for an earlier request");
  const absl::StatusOr<bool> found = select.Bind(request_id).Step();
  if (!found.ok()) return found.status();
  if (!*found) return std::nullopt;
  v1::TrainingJob job;
  if (absl::Status read = select.Message(0, job); !read.ok()) return read;
  if (select.Text(1) == request_sha256) return job;
  return InvalidField("request_id",
                      absl::StrFormat("%s was sent before with other contents, and made %s; wanted "
                                      "the same request, or a new id",
                                      Quoted(request_id), job.name()));
}

absl::StatusOr<JobUpdate> Insert(Database& database, const NewTrainingJob& job) {
  JobUpdate update = job.update;
  const std::string_view id = IdOf(update.job.name());
  const absl::StatusOr<std::optional<Row>> taken = FindRow(database, id);
  if (!taken.ok()) return taken.status();
  if (taken->has_value()) {
    return Refusal(absl::StatusCode::kAlreadyExists, "JOB_EXISTS",
                   absl::StrFormat("%s is there already", update.job.name()));
  }
  update.job.set_last_sequence(static_cast<int64_t>(update.events.size()));
  SqliteStatement insert(database,
                         "INSERT INTO training_jobs (id, corpus_id, model_id, over, record,"
                         " request_id, request_sha256) VALUES (?, ?, ?, ?, ?, ?, ?)"
                         " RETURNING number",
                         "store a training job");
  insert.Bind(id)
      .Bind(IdOf(update.job.spec().corpus()))
      .Bind(IdOf(update.job.spec().model()))
      .Bind(int64_t{IsOver(update.job.state())})
      .Bind(update.job);
  if (job.request_id.empty()) {
    insert.BindNull().BindNull();
  } else {
    insert.Bind(job.request_id).Bind(job.request_sha256);
  }
  const absl::StatusOr<bool> inserted = insert.Step();
  if (!inserted.ok()) return inserted.status();
  const int64_t number = insert.Integer(0);
  if (absl::Status stored = InsertEvents(database, number, 0, update.events); !stored.ok()) {
    return stored;
  }
  if (job.start.has_value()) {
    absl::Status put = training_start_table::Put(database, number, *job.start);
    if (!put.ok()) return put;
  }
  return update;
}

absl::StatusOr<v1::TrainingJob> Get(Database& database, std::string_view id) {
  absl::StatusOr<Row> row = GetRow(database, id);
  if (!row.ok()) return row.status();
  return std::move(row->job);
}

absl::StatusOr<int64_t> NumberOf(Database& database, std::string_view id) {
  const absl::StatusOr<Row> row = GetRow(database, id);
  if (!row.ok()) return row.status();
  return row->number;
}

absl::StatusOr<Listing<v1::TrainingJob>> List(Database& database, std::string_view after,
                                              int limit) {
  int64_t before = std::numeric_limits<int64_t>::max();
  if (!after.empty() &&
      (!absl::SimpleAtoi(absl::string_view(after.data(), after.size()), &before) || before < 1)) {
    return InvalidField("page_token", absl::StrFormat("got the key %s, wanted one that a reply of "
                                                      "this list gave",
                                                      Quoted(after)));
  }
  SqliteStatement select(database,
                         "SELECT record, number FROM training_jobs WHERE number < ?"
                         " ORDER BY number DESC LIMIT ?",
                         "list training jobs");
  select.Bind(before).Bind(int64_t{limit} + 1);
  std::vector<Row> rows;
  while (true) {
    const absl::StatusOr<bool> more = select.Step();
    if (!more.ok()) return more.status();
    if (!*more) break;
    rows.push_back({select.Integer(1), {}});
    if (absl::Status read = select.Message(0, rows.back().job); !read.ok()) return read;
  }
  Listing<Row> listed =
      MakeListing(std::move(rows), limit, [](const Row& row) { return absl::StrCat(row.number); });
  Listing<v1::TrainingJob> jobs;
  for (Row& row : listed.items) jobs.items.push_back(std::move(row.job));
  jobs.next = std::move(listed.next);
  return jobs;
}

absl::StatusOr<std::vector<v1::TrainingJob>> ListUnfinished(Database& database) {
  SqliteStatement select(database,
                         "SELECT record FROM training_jobs WHERE NOT over ORDER BY number",
                         "list training jobs that are not over");
  return ReadMessages<v1::TrainingJob>(select);
}

absl::StatusOr<JobUpdate> Update(Database& database, JobUpdate update) {
  const absl::StatusOr<Row> stored = GetRow(database, IdOf(update.job.name()));
  if (!stored.ok()) return stored.status();
  if (IsOver(stored->job.state())) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "JOB_IS_OVER",
                   absl::StrFormat("%s is over: %s", update.job.name(),
                                   v1::TrainingJob::State_Name(stored->job.state())));
  }
  const int64_t last_sequence = stored->job.last_sequence();
  if (absl::Status inserted = InsertEvents(database, stored->number, last_sequence, update.events);
      !inserted.ok()) {
    return inserted;
  }
  update.job.set_last_sequence(last_sequence + static_cast<int64_t>(update.events.size()));
  SqliteStatement statement(database,
                            "UPDATE training_jobs SET over = ?, record = ? WHERE number = ?",
                            "store a training job");
  statement.Bind(int64_t{IsOver(update.job.state())}).Bind(update.job).Bind(stored->number);
  if (absl::Status updated = statement.Run(); !updated.ok()) return updated;
  if (IsOver(update.job.state())) {  // it will not begin again
    absl::Status removed = training_start_table::Delete(database, stored->number);
    if (!removed.ok()) return removed;
  }
  if (update.curve.has_value()) {
    absl::Status put = training_curve_table::Put(database, IdOf(update.job.name()), *update.curve);
    if (!put.ok()) return put;
  }
  return update;
}

absl::Status Edit(Database& database, const v1::TrainingJob& job) {
  const absl::StatusOr<int64_t> number = NumberOf(database, IdOf(job.name()));
  if (!number.ok()) return number.status();
  SqliteStatement statement(database, "UPDATE training_jobs SET record = ? WHERE number = ?",
                            "store a training job");
  return statement.Bind(job).Bind(*number).Run();
}

absl::Status Delete(Database& database, std::string_view id) {
  const absl::StatusOr<int64_t> number = NumberOf(database, id);
  if (!number.ok()) return number.status();
  for (const char* sql : {"DELETE FROM training_events WHERE job_number = ?",
                          "DELETE FROM training_checkpoints WHERE job_number = ?",
                          "DELETE FROM training_curves WHERE job_number = ?",
                          "DELETE FROM training_starts WHERE job_number = ?",
                          "DELETE FROM training_jobs WHERE number = ?"}) {
    SqliteStatement statement(database, sql, "delete a training job");
    if (absl::Status deleted = statement.Bind(*number).Run(); !deleted.ok()) return deleted;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::TrainingEvent>> ListEvents(Database& database,
                                                          std::string_view job_id, int64_t after) {
  const absl::StatusOr<Row> job = GetRow(database, job_id);
  if (!job.ok()) return job.status();
  SqliteStatement select(database,
                         "SELECT record FROM training_events WHERE job_number = ? AND sequence > ?"
                         " ORDER BY sequence",
                         "list the events of a training job");
  select.Bind(job->number).Bind(after);
  return ReadMessages<v1::TrainingEvent>(select);
}

absl::StatusOr<std::optional<std::string>> FindUserOfCorpus(Database& database,
                                                            std::string_view corpus_id) {
  SqliteStatement select(database,
                         "SELECT id FROM training_jobs WHERE NOT over AND corpus_id = ?"
                         " ORDER BY number LIMIT 1",
                         "look for the jobs of a corpus");
  const absl::StatusOr<bool> found = select.Bind(corpus_id).Step();
  if (!found.ok()) return found.status();
  if (*found) return select.Text(0);
  // Those of several texts are few, and deletions are rare: no table of theirs is worth it.
  SqliteStatement all(database,
                      "SELECT id, record FROM training_jobs WHERE NOT over ORDER BY number",
                      "look for the jobs of a corpus");
  for (;;) {
    const absl::StatusOr<bool> row = all.Step();
    if (!row.ok()) return row.status();
    if (!*row) return std::nullopt;
    v1::TrainingJob job;
    if (absl::Status read = all.Message(1, job); !read.ok()) return read;
    for (const v1::WeightedCorpus& more : job.spec().more_corpora()) {
      if (IdOf(more.corpus()) == corpus_id) return all.Text(0);
    }
  }
}

}  // namespace training_job_table
}  // namespace derin::server
