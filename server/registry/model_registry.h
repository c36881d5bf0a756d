#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "derin/v1/model.pb.h"
#include "model/backend/backend.h"
#include "model/checkpoint/model_file.h"
#include "server/registry/loaded_version.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

struct ModelRegistryOptions {
  // Device memory for the weights and scratch of loaded versions.
  int64_t weights_memory_bytes = int64_t{1} << 30;
  // Rows of the largest step that a version is loaded for.
  int max_rows = 256;
};

// Says in `version` what `model` is: all but the version's name, its file, its perplexities, when
// it was made and from what. INVALID_ARGUMENT for a model in f64, which the API has no name for.
absl::Status Describe(const ModelFile& model, v1::ModelVersion& version);

// Puts trained models into the store as immutable versions, and versions onto the device.
// Thread-safe. Loaded versions stay while there is memory for them; those used least recently, and
// by nobody now, make room for others.
class ModelRegistry {
 public:
  // All three outlive the registry and what it hands out.
  ModelRegistry(Backend& backend, MetadataStore& store, BlobStore& blobs,
                const ModelRegistryOptions& options);

  // A version whose file is written and that nobody knows yet.
  struct Unpublished {
    v1::ModelVersion version;
    Blob file;
  };
  // Writes the model's file. Of `version` the perplexities are the caller's, and all else follows
  // from `model`. Errors as of Describe.
  absl::StatusOr<Unpublished> Write(const ModelFile& model, v1::ModelVersion version);
  // Stores in one transaction the version and the update of the job that trained it (see
  // MetadataStore::Publish); create_time becomes the job's end_time.
  absl::StatusOr<Published> Publish(Unpublished model, JobUpdate update);

  // The version that `name` means: `models/ID` (its latest), `models/ID/versions/N` or
  // `models/ID/aliases/ALIAS`. Blocks while it is loaded; callers at once share one load, and other
  // versions load beside it. One in a precision that the backend lacks is loaded in f32.
  // INVALID_ARGUMENT naming `field` for anything else; NOT_FOUND; FAILED_PRECONDITION, reason
  // MODEL_HAS_NO_VERSION; RESOURCE_EXHAUSTED, reason WEIGHTS_MEMORY_FULL, when versions in use
  // leave no room; DATA_LOSS when the file is damaged; UNAVAILABLE, reason DEVICE_LOST.
  absl::StatusOr<std::shared_ptr<const LoadedVersion>> Resolve(std::string_view name,
                                                               std::string_view field)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Loads the latest versions of all models, the newest first, until the next would not fit beside
  // them, so that nobody's first call waits for that. How many were loaded; one that cannot be is
  // passed over, with a line in the log.
  absl::StatusOr<int> WarmUp() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry;

  absl::StatusOr<v1::ModelVersion> Find(std::string_view name, std::string_view field);
  // `config` in a precision that the backend has.
  StackConfig Served(StackConfig config) const;
  absl::StatusOr<std::shared_ptr<const LoadedVersion>> Load(v1::ModelVersion version,
                                                            const StackConfig& config);
  absl::StatusOr<std::vector<v1::ModelVersion>> LatestVersions();
  // Whether the version fits beside all that is loaded.
  bool FitsBeside(const v1::ModelVersion& version) ABSL_LOCKS_EXCLUDED(mutex_);
  void Forget(const std::string& key) ABSL_LOCKS_EXCLUDED(mutex_);
  // Until `bytes` more fit in the budget, moves what it drops to `dropped`.
  absl::Status MakeRoom(int64_t bytes, std::vector<std::shared_ptr<Entry>>& dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Backend& backend_;
  MetadataStore& store_;
  BlobStore& blobs_;
  const ModelRegistryOptions options_;

  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // of all entries
  uint64_t uses_ ABSL_GUARDED_BY(mutex_) = 0;  // Resolves so far: the clock of least use
};

}  // namespace derin::server
