#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "derin/v1/corpus.pb.h"
#include "derin/v1/model.pb.h"
#include "derin/v1/training.pb.h"
#include "server/storage/byte_quota.h"
#include "server/storage/corpus_upload_table.h"
#include "server/storage/database.h"
#include "server/storage/listing.h"
#include "server/storage/resource_name.h"
#include "server/storage/training_checkpoint_table.h"
#include "server/storage/training_job_table.h"
#include "server/storage/usage_table.h"

namespace derin::server {

// A version that was published, and the job that published it with the events that it got now.
struct Published {
  v1::ModelVersion version;
  JobUpdate update;
};

// The records that survive a restart: corpora, models and their versions, training jobs and their
// events. One SQLite file; FORMAT.md beside this file gives its schema.
//
// Every operation is one transaction: on the disk as a whole when it returns OK, without a trace
// otherwise. Thread-safe. Ids are bare (`a`, not `corpora/a`); names within messages are whole.
// Missing records are NOT_FOUND with reason CORPUS_NOT_FOUND, MODEL_NOT_FOUND,
// MODEL_VERSION_NOT_FOUND, MODEL_ALIAS_NOT_FOUND, JOB_NOT_FOUND or CHECKPOINT_NOT_FOUND; a full
// disk is RESOURCE_EXHAUSTED, reason DISK_FULL; a damaged file DATA_LOSS; anything else that SQLite
// says INTERNAL.
class MetadataStore {
 public:
  // Makes the file when it is not there. DATA_LOSS for a damaged file, FAILED_PRECONDITION for one
  // of a newer server or of another program; those are left as they are.
  static absl::StatusOr<std::unique_ptr<MetadataStore>> Open(const std::filesystem::path& file);

  // 16 lower-case hexadecimal digits, the first a letter; drawn when the file was made.
  const std::string& server_id() const { return server_id_; }

  // The corpus as stored: `corpus`, or the one that has its name, digest and normalisation already.
  // ALREADY_EXISTS, reason CORPUS_EXISTS, when the id is taken by another text.
  // RESOURCE_EXHAUSTED, reason CALLER_BYTES_FULL, when `quota` has no room for it.
  // What arrived as `upload`, where it is given, no longer counts, and becomes one that ended well.
  absl::StatusOr<v1::Corpus> InsertCorpus(const v1::Corpus& corpus, const ByteQuota& quota = {},
                                          const StoredUpload* upload = nullptr);
  absl::StatusOr<v1::Corpus> GetCorpus(std::string_view id);
  // By id, ascending: at most `limit` from behind the id `after`, empty for the first.
  absl::StatusOr<Listing<v1::Corpus>> ListCorpora(std::string_view after, int limit);
  // FAILED_PRECONDITION, reason CORPUS_IN_USE, while a job that is not over needs it.
  absl::Status DeleteCorpus(std::string_view id);

  // NOT_FOUND, reason UPLOAD_NOT_FOUND.
  absl::StatusOr<StoredUpload> GetUpload(std::string_view owner, std::string_view id);
  // In place of the one that was there. RESOURCE_EXHAUSTED as InsertCorpus.
  absl::Status PutUpload(const StoredUpload& upload, const ByteQuota& quota = {});
  // OK also when there is none.
  absl::Status DeleteUpload(std::string_view owner, std::string_view id);
  // All of them, the longest untouched first.
  absl::StatusOr<std::vector<StoredUpload>> ListUploads();
  // Those of `owner` that have not ended.
  absl::StatusOr<int64_t> CountUploads(std::string_view owner);

  absl::StatusOr<v1::Model> GetModel(std::string_view id);
  // As ListCorpora.
  absl::StatusOr<Listing<v1::Model>> ListModels(std::string_view after, int limit);
  // FAILED_PRECONDITION, reason MODEL_HAS_NO_VERSION, when there is no latest yet.
  absl::StatusOr<v1::ModelVersion> GetModelVersion(const ModelReference& reference);
  // Stores `version` as the next one of a model, which is made unless it exists, and names it.
  // RESOURCE_EXHAUSTED as InsertCorpus.
  absl::StatusOr<v1::ModelVersion> InsertModelVersion(std::string_view model_id,
                                                      v1::ModelVersion version,
                                                      const ByteQuota& quota = {});
  // Newest first; `after` is a Listing's `next`.
  absl::StatusOr<Listing<v1::ModelVersion>> ListModelVersions(std::string_view model_id,
                                                              std::string_view after, int limit);
  // Makes or moves the alias of this name, `models/ID/aliases/ALIAS`, to the version that `target`
  // means; as set. Errors as of GetModelVersion; RESOURCE_EXHAUSTED, reason ALIASES_FULL.
  absl::StatusOr<v1::ModelAlias> SetModelAlias(const ModelReference& name,
                                               const ModelReference& target,
                                               const google::protobuf::Timestamp& now);
  absl::Status DeleteModelAlias(const ModelReference& name);
  // One by its number. FAILED_PRECONDITION, reason MODEL_IN_USE, while an alias points at it or a
  // job that is not over began with it; with `force` those aliases go with it.
  absl::Status DeleteModelVersion(const ModelReference& version, bool force);
  // With all its versions, which are those named; ABORTED, reason MODEL_CHANGED, when there are
  // others by now. FAILED_PRECONDITION, reason MODEL_IN_USE, while it has aliases or a job that is
  // not over trains it or began with a version of it; with `force` its aliases go with it.
  absl::Status DeleteModel(std::string_view id, absl::Span<const std::string> versions, bool force);

  // Stores a job with its first event, and makes the model that it names unless it exists. When its
  // request_id was seen before, with the same digest: the job of then, and nothing is stored; with
  // another: INVALID_ARGUMENT. ALREADY_EXISTS, reason JOB_EXISTS, for an id that is taken. What
  // `start` names stays until the job is over; NOT_FOUND when spec.start_from does not lead there
  // any more.
  absl::StatusOr<InsertedJob> InsertTrainingJob(const NewTrainingJob& job);
  // The job of an earlier request, nullopt when there is none; INVALID_ARGUMENT as above.
  absl::StatusOr<std::optional<v1::TrainingJob>> FindRequest(std::string_view request_id,
                                                             std::string_view request_sha256);
  absl::StatusOr<v1::TrainingJob> GetTrainingJob(std::string_view id);
  // Newest first: at most `limit` from behind the key `after`, a Listing's `next`.
  // INVALID_ARGUMENT naming page_token for any other key.
  absl::StatusOr<Listing<v1::TrainingJob>> ListTrainingJobs(std::string_view after, int limit);
  // Those that are not over, oldest first: the order in which they were queued.
  absl::StatusOr<std::vector<v1::TrainingJob>> ListUnfinishedTrainingJobs();
  // Puts `update.job` in place of the one with its name and adds its events, numbered on from
  // those that are there; the answer is what is stored. FAILED_PRECONDITION, reason JOB_IS_OVER,
  // when the stored one is over: such a job never changes. Of a job that becomes CANCELLED only the
  // newest checkpoint stays.
  absl::StatusOr<JobUpdate> UpdateTrainingJob(JobUpdate update);
  // Puts `job` in place of the one with its name, which is in the same state, over or not, and has
  // the same events. NOT_FOUND.
  absl::Status EditTrainingJob(const v1::TrainingJob& job);
  // Stores `version` as the next one of the model that the job names, which is made anew where it
  // was deleted, and updates the job. Sets
  // version.name, version.training_job, job.model_version, and the message of KIND_PUBLISHED
  // events to the version's name. The job's new state is SUCCEEDED.
  absl::StatusOr<Published> Publish(v1::ModelVersion version, JobUpdate update);
  // Stores `version`, whose digest is that of the weights of the job's checkpoint at `step`, as the
  // next one of its model, and the update, which has no events where the job is over. Sets what
  // Publish sets, but for job.model_version, and version.training_checkpoint. When that checkpoint
  // was published before, the answer is the version of then and nothing is stored.
  // CHECKPOINT_NOT_FOUND also when it has other weights by now.
  absl::StatusOr<Published> PublishCheckpoint(v1::ModelVersion version, JobUpdate update,
                                              int64_t step);
  // With its events and checkpoints, whatever its state; its model and versions stay.
  absl::Status DeleteTrainingJob(std::string_view id);
  // Those after number `after`, in order.
  absl::StatusOr<std::vector<v1::TrainingEvent>> ListTrainingEvents(std::string_view job_id,
                                                                    int64_t after);

  // Stores a checkpoint as the newest of a job: removes those with more steps, which are of a
  // training that was cut back, and of the others all but `keep`. `curve` takes the place of the
  // job's. NOT_FOUND.
  absl::Status InsertTrainingCheckpoint(std::string_view job_id, const StoredCheckpoint& checkpoint,
                                        const CheckpointsToKeep& keep,
                                        const v1::ListTrainingMetricsResponse& curve = {});
  // The curve up to the newest checkpoint, or to the job's end; empty when there is none yet.
  absl::StatusOr<v1::ListTrainingMetricsResponse> GetTrainingCurve(std::string_view job_id);
  // Newest first.
  absl::StatusOr<std::vector<StoredCheckpoint>> ListTrainingCheckpoints(std::string_view job_id);

  absl::StatusOr<StoredCheckpoint> GetTrainingCheckpoint(std::string_view job_id, int64_t step);
  // FAILED_PRECONDITION, reason CHECKPOINT_IN_USE, for the newest of a job that is not over.
  absl::Status DeleteTrainingCheckpoint(std::string_view job_id, int64_t step);

  // What the job begins with; nullopt when that is drawn, and once the job is over.
  absl::StatusOr<std::optional<JobStart>> GetTrainingStart(std::string_view job_id);

  // Of the corpora and models that the caller has uploaded.
  absl::StatusOr<int64_t> StoredBytes(std::string_view caller);
  // What callers have used: in place of what is stored of these; of all that are stored.
  absl::Status PutUsage(absl::Span<const StoredUsage> usage);
  absl::StatusOr<std::vector<StoredUsage>> ListUsage();

  // Of all blobs that a record names.
  absl::StatusOr<absl::flat_hash_set<std::string>> DigestsInUse();

 private:
  MetadataStore(std::unique_ptr<Database> database, std::string server_id)
      : database_(std::move(database)), server_id_(std::move(server_id)) {}

  absl::Mutex mutex_;
  const std::unique_ptr<Database> database_ ABSL_PT_GUARDED_BY(mutex_);
  const std::string server_id_;
};

}  // namespace derin::server
