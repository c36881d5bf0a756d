#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/v1/training.pb.h"
#include "server/storage/database.h"
#include "server/storage/listing.h"

namespace derin::server {

// Whether a job in this state will never change again.
bool IsOver(v1::TrainingJob::State state);

// A job with events that happened to it, which the store numbers: before that, their `sequence` and
// the job's `last_sequence` mean nothing.
struct JobUpdate {
  v1::TrainingJob job;
  std::vector<v1::TrainingEvent> events;
  std::optional<v1::ListTrainingMetricsResponse> curve{};  // in place of the stored one
};

// Blobs that a job begins with in place of drawn weights.
struct JobStart {
  std::string model_sha256;  // weights
  std::string state_sha256;  // the training's state that goes with them; empty: the weights alone
};

struct NewTrainingJob {
  JobUpdate update;                 // with its first event
  std::string request_id;           // empty: none
  std::string request_sha256;       // of the request; means nothing without a request_id
  std::optional<JobStart> start{};  // where spec.start_from leads
};

struct InsertedJob {
  JobUpdate update;  // without events when the job was there before
  bool is_new = false;
};

// Rows of the tables `training_jobs` and `training_events`; MetadataStore says what the operations
// mean. All are called within a transaction or a lock of its.
namespace training_job_table {

absl::StatusOr<std::optional<v1::TrainingJob>> FindRequest(Database& database,
                                                           std::string_view request_id,
                                                           std::string_view request_sha256);
absl::StatusOr<JobUpdate> Insert(Database& database, const NewTrainingJob& job);
absl::StatusOr<v1::TrainingJob> Get(Database& database, std::string_view id);
// What the rows of other tables name it by.
absl::StatusOr<int64_t> NumberOf(Database& database, std::string_view id);
absl::StatusOr<Listing<v1::TrainingJob>> List(Database& database, std::string_view after,
                                              int limit);
absl::StatusOr<std::vector<v1::TrainingJob>> ListUnfinished(Database& database);
absl::StatusOr<JobUpdate> Update(Database& database, JobUpdate update);
absl::Status Edit(Database& database, const v1::TrainingJob& job);
// With all rows that name it.
absl::Status Delete(Database& database, std::string_view id);
absl::StatusOr<std::vector<v1::TrainingEvent>> ListEvents(Database& database,
                                                          std::string_view job_id, int64_t after);
// The id of a job that is not over and reads the corpus.
absl::StatusOr<std::optional<std::string>> FindUserOfCorpus(Database& database,
                                                            std::string_view corpus_id);

}  // namespace training_job_table
}  // namespace derin::server
