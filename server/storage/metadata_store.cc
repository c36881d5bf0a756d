#include "server/storage/metadata_store.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "model/check.h"
#include "server/status/error.h"
#include "server/storage/blob_references.h"
#include "server/storage/corpus_table.h"
#include "server/storage/model_alias_table.h"
#include "server/storage/model_removal.h"
#include "server/storage/model_table.h"
#include "server/storage/random_id.h"
#include "server/storage/sqlite_statement.h"
#include "server/storage/training_curve_table.h"
#include "server/storage/training_start_table.h"

namespace derin::server {
namespace {

constexpr size_t kMostAliases = 100;  // of a model, since GetModel answers with all of them

// Runs `body`, which gets the database and returns a StatusOr<T>, as one transaction.
template <typename Body>
auto InTransaction(Database& database, std::string_view doing, Body body)
    -> decltype(body(database)) {
  absl::StatusOr<Transaction> transaction = Transaction::Begin(database, doing);
  if (!transaction.ok()) return transaction.status();
  auto result = body(database);
  if (!result.ok()) return result;
  if (absl::Status committed = transaction->Commit(); !committed.ok()) return committed;
  return result;
}

absl::StatusOr<std::string> ServerId(Database& database) {
  constexpr char kDoing[] = "read the server's id";
  SqliteStatement select(database, "SELECT id FROM server", kDoing);
  const absl::StatusOr<bool> row = select.Step();
  if (!row.ok()) return row.status();
  if (*row) return select.Text(0);
  const std::string id = NewServerId();
  SqliteStatement insert(database, "INSERT INTO server (id) VALUES (?)", kDoing);
  if (absl::Status inserted = insert.Bind(id).Run(); !inserted.ok()) return inserted;
  return id;
}

// Whether `start` is still what `from` names.
absl::Status CheckStart(Database& database, const v1::StartFrom& from, const JobStart& start) {
  std::string digest;
  if (from.has_training_checkpoint()) {
    const auto name = ParseCheckpointName(from.training_checkpoint(), "training_checkpoint");
    if (!name.ok()) return name.status();
    const auto checkpoint = training_checkpoint_table::Get(database, name->job_id, name->step);
    if (!checkpoint.ok()) return checkpoint.status();
    digest = checkpoint->model_sha256;
  } else {
    const auto name = ParseModelReference(from.model_version(), "model_version");
    if (!name.ok()) return name.status();
    const auto version = model_table::GetVersion(database, *name);
    if (!version.ok()) return version.status();
    digest = version->sha256();
  }
  if (digest == start.model_sha256) return absl::OkStatus();
  return Refusal(absl::StatusCode::kNotFound, "CHECKPOINT_NOT_FOUND",
                 absl::StrFormat("%s was written anew meanwhile", from.training_checkpoint()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetadataStore>> MetadataStore::Open(
    const std::filesystem::path& file) {
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(file);
  if (!database.ok()) return database.status();
  absl::StatusOr<std::string> id = InTransaction(**database, "draw the server's id", &ServerId);
  if (!id.ok()) return id.status();
  return std::unique_ptr<MetadataStore>(new MetadataStore(*std::move(database), *std::move(id)));
}

absl::StatusOr<v1::Corpus> MetadataStore::InsertCorpus(const v1::Corpus& corpus,
                                                       const ByteQuota& quota,
                                                       const StoredUpload* upload) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(
      *database_, "store a corpus", [&](Database& database) -> absl::StatusOr<v1::Corpus> {
        if (upload == nullptr) return corpus_table::Insert(database, corpus, quota);
        // Its bytes are those of the corpus, which must have room.
        absl::Status gone = corpus_upload_table::Delete(database, upload->owner, upload->id);
        if (!gone.ok()) return gone;
        absl::StatusOr<v1::Corpus> stored = corpus_table::Insert(database, corpus, quota);
        if (!stored.ok()) return stored;
        StoredUpload ended = *upload;
        ended.bytes = 0;
        ended.crc32 = 0;
        *ended.record.mutable_corpus() = *stored;
        if (absl::Status put = corpus_upload_table::Put(database, ended); !put.ok()) return put;
        return stored;
      });
}

absl::StatusOr<v1::Corpus> MetadataStore::GetCorpus(std::string_view id) {
  absl::MutexLock lock(&mutex_);
  return corpus_table::Get(*database_, id);
}

absl::StatusOr<Listing<v1::Corpus>> MetadataStore::ListCorpora(std::string_view after, int limit) {
  absl::MutexLock lock(&mutex_);
  return corpus_table::List(*database_, after, limit);
}

absl::Status MetadataStore::DeleteCorpus(std::string_view id) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(*database_, "delete a corpus", [&](Database& database) -> absl::Status {
    const absl::StatusOr<v1::Corpus> corpus = corpus_table::Get(database, id);
    if (!corpus.ok()) return corpus.status();
    const auto user = training_job_table::FindUserOfCorpus(database, id);
    if (!user.ok()) return user.status();
    if (user->has_value()) {
      return Refusal(absl::StatusCode::kFailedPrecondition, "CORPUS_IN_USE",
                     absl::StrFormat("%s is needed by %s, which is not over", corpus->name(),
                                     ResourceName(kTrainingJobs, **user)));
    }
    return corpus_table::Delete(database, id);
  });
}

absl::StatusOr<StoredUpload> MetadataStore::GetUpload(std::string_view owner, std::string_view id) {
  absl::MutexLock lock(&mutex_);
  return corpus_upload_table::Get(*database_, owner, id);
}

absl::Status MetadataStore::PutUpload(const StoredUpload& upload, const ByteQuota& quota) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(*database_, "store an upload", [&](Database& database) -> absl::Status {
    // Those of its bytes that were stored already are no others.
    absl::Status status = corpus_upload_table::Delete(database, upload.owner, upload.id);
    if (status.ok()) status = CheckRoom(database, quota, upload.bytes);
    if (status.ok()) status = corpus_upload_table::Put(database, upload);
    return status;
  });
}

absl::Status MetadataStore::DeleteUpload(std::string_view owner, std::string_view id) {
  absl::MutexLock lock(&mutex_);
  return corpus_upload_table::Delete(*database_, owner, id);
}

absl::StatusOr<std::vector<StoredUpload>> MetadataStore::ListUploads() {
  absl::MutexLock lock(&mutex_);
  return corpus_upload_table::List(*database_);
}

absl::StatusOr<int64_t> MetadataStore::CountUploads(std::string_view owner) {
  absl::MutexLock lock(&mutex_);
  return corpus_upload_table::CountOf(*database_, owner);
}

absl::StatusOr<v1::Model> MetadataStore::GetModel(std::string_view id) {
  absl::MutexLock lock(&mutex_);
  return model_table::Get(*database_, id);
}

absl::StatusOr<Listing<v1::Model>> MetadataStore::ListModels(std::string_view after, int limit) {
  absl::MutexLock lock(&mutex_);
  return model_table::List(*database_, after, limit);
}

absl::StatusOr<v1::ModelVersion> MetadataStore::GetModelVersion(const ModelReference& reference) {
  absl::MutexLock lock(&mutex_);
  return model_table::GetVersion(*database_, reference);
}

absl::StatusOr<v1::ModelVersion> MetadataStore::InsertModelVersion(std::string_view model_id,
                                                                   v1::ModelVersion version,
                                                                   const ByteQuota& quota) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(
      *database_, "store a model version",
      [&](Database& database) -> absl::StatusOr<v1::ModelVersion> {
        absl::Status model = model_table::EnsureExists(database, model_id, version.create_time());
        if (!model.ok()) return model;
        return model_table::InsertVersion(database, model_id, std::move(version), quota);
      });
}

absl::StatusOr<Listing<v1::ModelVersion>> MetadataStore::ListModelVersions(
    std::string_view model_id, std::string_view after, int limit) {
  absl::MutexLock lock(&mutex_);
  return model_table::ListVersions(*database_, model_id, after, limit);
}

absl::StatusOr<v1::ModelAlias> MetadataStore::SetModelAlias(
    const ModelReference& name, const ModelReference& target,
    const google::protobuf::Timestamp& now) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(
      *database_, "set an alias", [&](Database& database) -> absl::StatusOr<v1::ModelAlias> {
        const auto version = model_table::GetVersion(database, target);
        if (!version.ok()) return version.status();
        const auto aliases = model_alias_table::List(database, name.model_id);
        if (!aliases.ok()) return aliases.status();
        v1::ModelAlias alias;
        alias.set_name(ModelAliasName(name.model_id, name.alias));
        alias.set_model_version(version->name());
        *alias.mutable_create_time() = now;
        *alias.mutable_update_time() = now;
        bool is_new = true;
        for (const v1::ModelAlias& one : *aliases) {
          if (one.name() != alias.name()) continue;
          *alias.mutable_create_time() = one.create_time();
          is_new = false;
        }
        if (is_new && aliases->size() >= kMostAliases) {
          return Refusal(absl::StatusCode::kResourceExhausted, "ALIASES_FULL",
                         absl::StrFormat("%s has %d aliases, the most that a model may have: "
                                         "delete one",
                                         ResourceName(kModels, name.model_id), kMostAliases));
        }
        if (absl::Status put = model_alias_table::Put(database, alias); !put.ok()) return put;
        return alias;
      });
}

absl::Status MetadataStore::DeleteModelAlias(const ModelReference& name) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(*database_, "delete an alias", [&](Database& database) -> absl::Status {
    const auto model = model_table::Get(database, name.model_id);
    if (!model.ok()) return model.status();
    const auto alias = model_alias_table::Get(database, name.model_id, name.alias);
    if (!alias.ok()) return alias.status();
    return model_alias_table::Delete(database, name.model_id, name.alias);
  });
}

absl::Status MetadataStore::DeleteModelVersion(const ModelReference& version, bool force) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(*database_, "delete a model version", [&](Database& database) {
    return model_removal::RemoveVersion(database, version, force);
  });
}

absl::Status MetadataStore::DeleteModel(std::string_view id, absl::Span<const std::string> versions,
                                        bool force) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(*database_, "delete a model", [&](Database& database) {
    return model_removal::RemoveModel(database, id, versions, force);
  });
}

absl::StatusOr<InsertedJob> MetadataStore::InsertTrainingJob(const NewTrainingJob& job) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(
      *database_, "store a training job", [&](Database& database) -> absl::StatusOr<InsertedJob> {
        auto earlier =
            training_job_table::FindRequest(database, job.request_id, job.request_sha256);
        if (!earlier.ok()) return earlier.status();
        if (earlier->has_value()) return InsertedJob{{**std::move(earlier), {}}, false};

        const v1::TrainingJob& wanted = job.update.job;
        const auto corpus = corpus_table::Get(database, IdOf(wanted.spec().corpus()));
        if (!corpus.ok()) return corpus.status();
        for (const v1::WeightedCorpus& more : wanted.spec().more_corpora()) {
          const auto further = corpus_table::Get(database, IdOf(more.corpus()));
          if (!further.ok()) return further.status();
        }
        if (job.start.has_value()) {
          absl::Status there = CheckStart(database, wanted.spec().start_from(), *job.start);
          if (!there.ok()) return there;
        }
        if (absl::Status model = model_table::EnsureExists(database, IdOf(wanted.spec().model()),
                                                           wanted.create_time());
            !model.ok()) {
          return model;
        }
        absl::StatusOr<JobUpdate> inserted = training_job_table::Insert(database, job);
        if (!inserted.ok()) return inserted.status();
        return InsertedJob{*std::move(inserted), true};
      });
}

absl::StatusOr<std::optional<v1::TrainingJob>> MetadataStore::FindRequest(
    std::string_view request_id, std::string_view request_sha256) {
  absl::MutexLock lock(&mutex_);
  return training_job_table::FindRequest(*database_, request_id, request_sha256);
}

absl::StatusOr<v1::TrainingJob> MetadataStore::GetTrainingJob(std::string_view id) {
  absl::MutexLock lock(&mutex_);
  return training_job_table::Get(*database_, id);
}

absl::StatusOr<Listing<v1::TrainingJob>> MetadataStore::ListTrainingJobs(std::string_view after,
                                                                         int limit) {
  absl::MutexLock lock(&mutex_);
  return training_job_table::List(*database_, after, limit);
}

absl::StatusOr<std::vector<v1::TrainingJob>> MetadataStore::ListUnfinishedTrainingJobs() {
  absl::MutexLock lock(&mutex_);
  return training_job_table::ListUnfinished(*database_);
}

absl::Status MetadataStore::EditTrainingJob(const v1::TrainingJob& job) {
  absl::MutexLock lock(&mutex_);
  return training_job_table::Edit(*database_, job);
}

absl::StatusOr<JobUpdate> MetadataStore::UpdateTrainingJob(JobUpdate update) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(
      *database_, "update a training job", [&](Database& database) -> absl::StatusOr<JobUpdate> {
        absl::StatusOr<JobUpdate> updated = training_job_table::Update(database, std::move(update));
        if (!updated.ok()) return updated;
        if (updated->job.state() == v1::TrainingJob::STATE_CANCELLED) {
          absl::Status removed = training_checkpoint_table::RemoveOthers(
              database, IdOf(updated->job.name()), {.newest = 1});
          if (!removed.ok()) return removed;
        }
        return updated;
      });
}

absl::StatusOr<Published> MetadataStore::PublishCheckpoint(v1::ModelVersion version,
                                                           JobUpdate update, int64_t step) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(
      *database_, "publish a checkpoint", [&](Database& database) -> absl::StatusOr<Published> {
        const std::string_view job_id = IdOf(update.job.name());
        const auto checkpoint = training_checkpoint_table::Get(database, job_id, step);
        if (!checkpoint.ok()) return checkpoint.status();
        const std::string name = CheckpointName(job_id, step);
        if (checkpoint->model_sha256 != version.sha256()) {
          return Refusal(absl::StatusCode::kNotFound, "CHECKPOINT_NOT_FOUND",
                         absl::StrFormat("%s was written anew meanwhile", name));
        }
        const std::string_view model_id = IdOf(update.job.spec().model());
        auto earlier =
            model_table::FindVersionOfCheckpoint(database, model_id, name, version.sha256());
        if (!earlier.ok()) return earlier.status();
        if (earlier->has_value()) return Published{**std::move(earlier), {update.job, {}}};

        absl::Status model = model_table::EnsureExists(database, model_id, version.create_time());
        if (!model.ok()) return model;
        version.set_training_job(update.job.name());
        version.set_training_checkpoint(name);
        auto stored = model_table::InsertVersion(database, model_id, std::move(version));
        if (!stored.ok()) return stored.status();
        if (update.events.empty()) return Published{*std::move(stored), std::move(update)};
        for (v1::TrainingEvent& event : update.events) event.set_message(stored->name());
        absl::StatusOr<JobUpdate> updated = training_job_table::Update(database, std::move(update));
        if (!updated.ok()) return updated.status();
        return Published{*std::move(stored), *std::move(updated)};
      });
}

absl::Status MetadataStore::DeleteTrainingJob(std::string_view id) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(*database_, "delete a training job", [&](Database& database) {
    return training_job_table::Delete(database, id);
  });
}

absl::StatusOr<Published> MetadataStore::Publish(v1::ModelVersion version, JobUpdate update) {
  DERIN_CHECK(update.job.state() == v1::TrainingJob::STATE_SUCCEEDED);
  absl::MutexLock lock(&mutex_);
  return InTransaction(
      *database_, "publish a model version", [&](Database& database) -> absl::StatusOr<Published> {
        const std::string model_id(IdOf(update.job.spec().model()));
        absl::Status model = model_table::EnsureExists(database, model_id, version.create_time());
        if (!model.ok()) return model;
        version.set_training_job(update.job.name());
        absl::StatusOr<v1::ModelVersion> stored =
            model_table::InsertVersion(database, model_id, std::move(version));
        if (!stored.ok()) return stored.status();
        update.job.set_model_version(stored->name());
        for (v1::TrainingEvent& event : update.events) {
          if (event.kind() == v1::TrainingEvent::KIND_PUBLISHED) event.set_message(stored->name());
        }
        absl::StatusOr<JobUpdate> updated = training_job_table::Update(database, std::move(update));
        if (!updated.ok()) return updated.status();
        return Published{*std::move(stored), *std::move(updated)};
      });
}

absl::StatusOr<std::vector<v1::TrainingEvent>> MetadataStore::ListTrainingEvents(
    std::string_view job_id, int64_t after) {
  absl::MutexLock lock(&mutex_);
  return training_job_table::ListEvents(*database_, job_id, after);
}

absl::Status MetadataStore::InsertTrainingCheckpoint(std::string_view job_id,
                                                     const StoredCheckpoint& checkpoint,
                                                     const CheckpointsToKeep& keep,
                                                     const v1::ListTrainingMetricsResponse& curve) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(*database_, "store a checkpoint", [&](Database& database) -> absl::Status {
    absl::Status inserted = training_checkpoint_table::Insert(database, job_id, checkpoint, keep);
    if (!inserted.ok()) return inserted;
    return training_curve_table::Put(database, job_id, curve);
  });
}

absl::StatusOr<v1::ListTrainingMetricsResponse> MetadataStore::GetTrainingCurve(
    std::string_view job_id) {
  absl::MutexLock lock(&mutex_);
  return training_curve_table::Get(*database_, job_id);
}

absl::StatusOr<std::vector<StoredCheckpoint>> MetadataStore::ListTrainingCheckpoints(
    std::string_view job_id) {
  absl::MutexLock lock(&mutex_);
  return training_checkpoint_table::List(*database_, job_id);
}

absl::StatusOr<StoredCheckpoint> MetadataStore::GetTrainingCheckpoint(std::string_view job_id,
                                                                      int64_t step) {
  absl::MutexLock lock(&mutex_);
  return training_checkpoint_table::Get(*database_, job_id, step);
}

absl::Status MetadataStore::DeleteTrainingCheckpoint(std::string_view job_id, int64_t step) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(*database_, "delete a checkpoint", [&](Database& database) -> absl::Status {
    const absl::StatusOr<v1::TrainingJob> job = training_job_table::Get(database, job_id);
    if (!job.ok()) return job.status();
    const auto checkpoint = training_checkpoint_table::Get(database, job_id, step);
    if (!checkpoint.ok()) return checkpoint.status();
    const auto all = training_checkpoint_table::List(database, job_id);
    if (!all.ok()) return all.status();
    if (!IsOver(job->state()) && all->front().checkpoint.step() == step) {
      return Refusal(absl::StatusCode::kFailedPrecondition, "CHECKPOINT_IN_USE",
                     absl::StrFormat("%s is the newest checkpoint of a job that is not over, which "
                                     "goes on from it",
                                     CheckpointName(job_id, step)));
    }
    return training_checkpoint_table::Delete(database, job_id, step);
  });
}

absl::StatusOr<std::optional<JobStart>> MetadataStore::GetTrainingStart(std::string_view job_id) {
  absl::MutexLock lock(&mutex_);
  return training_start_table::Get(*database_, job_id);
}

absl::StatusOr<int64_t> MetadataStore::StoredBytes(std::string_view caller) {
  absl::MutexLock lock(&mutex_);
  return server::StoredBytes(*database_, caller);
}

absl::Status MetadataStore::PutUsage(absl::Span<const StoredUsage> usage) {
  absl::MutexLock lock(&mutex_);
  return InTransaction(*database_, "store what callers have used",
                       [&](Database& database) { return usage_table::Put(database, usage); });
}

absl::StatusOr<std::vector<StoredUsage>> MetadataStore::ListUsage() {
  absl::MutexLock lock(&mutex_);
  return usage_table::List(*database_);
}

absl::StatusOr<absl::flat_hash_set<std::string>> MetadataStore::DigestsInUse() {
  absl::MutexLock lock(&mutex_);
  return BlobReferences(*database_);
}

}  // namespace derin::server
