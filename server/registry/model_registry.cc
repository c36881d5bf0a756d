#include "server/registry/model_registry.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "server/registry/model_digest.h"
#include "server/registry/proto_conversion.h"
#include "server/status/error.h"
#include "server/storage/proto_time.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

// How soon versions in use may have been let go.
constexpr absl::Duration kRetryDelay = absl::Seconds(5);
constexpr char kConfigField[] = "model_version.config";

}  // namespace

absl::Status Describe(const ModelFile& model, v1::ModelVersion& version) {
  if (ToProto(model.config.precision) == v1::PRECISION_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        absl::StrFormat("got a model in %s to publish, wanted f32, tf32, f16 or bf16",
                        std::string(PrecisionName(model.config.precision))));
  }
  *version.mutable_config() = ToProto(model.config, model.tokenizer.tokenization());
  version.set_vocabulary_size(model.tokenizer.vocabulary_size());
  version.set_normalization(ToProto(model.normalization));
  version.set_parameter_count(model.parameters.layout.count());
  return absl::OkStatus();
}

// A version that is loaded or being loaded.
struct ModelRegistry::Entry {
  explicit Entry(int64_t size) : bytes(size) {}

  const int64_t bytes;
  uint64_t last_use = 0;  // under the registry's mutex
  absl::Notification loaded;
  // Written once, before `loaded`.
  absl::StatusOr<std::shared_ptr<const LoadedVersion>> version;

  // Whether nobody but the registry has it, loading included; under the registry's mutex, through
  // which alone it is handed out.
  static bool Unused(const std::shared_ptr<Entry>& entry) {
    return entry.use_count() == 1 && entry->version.ok() && entry->version->use_count() == 1;
  }
};

ModelRegistry::ModelRegistry(Backend& backend, MetadataStore& store, BlobStore& blobs,
                             const ModelRegistryOptions& options)
    : backend_(backend), store_(store), blobs_(blobs), options_(options) {}

absl::StatusOr<ModelRegistry::Unpublished> ModelRegistry::Write(const ModelFile& model,
                                                                v1::ModelVersion version) {
  if (absl::Status described = Describe(model, version); !described.ok()) return described;
  const absl::StatusOr<std::string> file = EncodeModelFile(model);
  if (!file.ok()) return file.status();
  absl::StatusOr<Blob> blob = blobs_.Write(*file);
  if (!blob.ok()) return blob.status();
  version.set_size_bytes(blob->size_bytes);
  version.set_sha256(blob->sha256);
  return Unpublished{std::move(version), *std::move(blob)};
}

absl::StatusOr<Published> ModelRegistry::Publish(Unpublished model, JobUpdate update) {
  *model.version.mutable_create_time() = update.job.end_time();
  return store_.Publish(std::move(model.version), std::move(update));
}

absl::StatusOr<std::shared_ptr<const LoadedVersion>> ModelRegistry::Resolve(
    std::string_view name, std::string_view field) {
  absl::StatusOr<v1::ModelVersion> version = Find(name, field);
  if (!version.ok()) return version.status();
  if (absl::Status health = backend_.health(); !health.ok()) return DeviceLost(health);
  const absl::StatusOr<StackConfig> config =
      FromProto(version->config(), version->vocabulary_size(), kConfigField);
  if (!config.ok()) return config.status();

  const std::string key = version->name();
  std::shared_ptr<Entry> entry;
  bool loads = false;
  std::vector<std::shared_ptr<Entry>> dropped;  // freed after the lock is
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end()) {
      entry = found->second;
    } else {
      const int64_t bytes =
          LanguageModel::DeviceBytes(backend_, Served(*config), options_.max_rows);
      if (absl::Status made = MakeRoom(bytes, dropped); !made.ok()) return made;
      entry = std::make_shared<Entry>(bytes);
      entries_.emplace(key, entry);
      bytes_ += bytes;
      loads = true;
    }
    entry->last_use = ++uses_;
  }
  // Memory is freed before more is taken.
  dropped.clear();
  if (loads) {
    entry->version = Load(*std::move(version), *config);
    if (!entry->version.ok()) Forget(key);
    entry->loaded.Notify();
  }
  entry->loaded.WaitForNotification();
  return entry->version;
}

absl::StatusOr<v1::ModelVersion> ModelRegistry::Find(std::string_view name,
                                                     std::string_view field) {
  const absl::StatusOr<ModelReference> reference = ParseModelReference(name, field);
  if (!reference.ok()) return reference.status();
  return store_.GetModelVersion(*reference);
}

StackConfig ModelRegistry::Served(StackConfig config) const {
  if (!CheckPrecision(backend_.capabilities(), config.precision).ok()) {
    config.precision = Precision::kF32;
  }
  return config;
}

absl::StatusOr<int> ModelRegistry::WarmUp() {
  const absl::StatusOr<std::vector<v1::ModelVersion>> versions = LatestVersions();
  if (!versions.ok()) return versions.status();
  int loaded = 0;
  for (const v1::ModelVersion& version : *versions) {
    if (!FitsBeside(version)) break;
    const absl::Status status = Resolve(version.name(), "model").status();
    if (status.ok()) {
      ++loaded;
    } else {
      spdlog::warn("{} cannot be loaded: {}", version.name(), std::string(status.message()));
    }
  }
  return loaded;
}

absl::StatusOr<std::vector<v1::ModelVersion>> ModelRegistry::LatestVersions() {
  std::vector<v1::ModelVersion> versions;
  for (std::string after;;) {
    constexpr int kPage = 1000;
    absl::StatusOr<Listing<v1::Model>> page = store_.ListModels(after, kPage);
    if (!page.ok()) return page.status();
    for (v1::Model& model : page->items) {
      if (model.has_latest_version()) {
        versions.push_back(std::move(*model.mutable_latest_version()));
      }
    }
    after = page->next;
    if (after.empty()) break;
  }
  std::stable_sort(versions.begin(), versions.end(),
                   [](const v1::ModelVersion& one, const v1::ModelVersion& other) {
                     return FromTimestamp(one.create_time()) > FromTimestamp(other.create_time());
                   });
  return versions;
}

bool ModelRegistry::FitsBeside(const v1::ModelVersion& version) {
  const absl::StatusOr<StackConfig> config =
      FromProto(version.config(), version.vocabulary_size(), kConfigField);
  if (!config.ok()) return true;  // Resolve says what is wrong with it
  absl::MutexLock lock(&mutex_);
  return bytes_ + LanguageModel::DeviceBytes(backend_, Served(*config), options_.max_rows) <=
         options_.weights_memory_bytes;
}

absl::Status ModelRegistry::MakeRoom(int64_t bytes, std::vector<std::shared_ptr<Entry>>& dropped) {
  while (bytes_ + bytes > options_.weights_memory_bytes) {
    auto oldest = entries_.end();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (Entry::Unused(entry->second) &&
          (oldest == entries_.end() || entry->second->last_use < oldest->second->last_use)) {
        oldest = entry;
      }
    }
    if (oldest == entries_.end()) {
      absl::Status full = Refusal(
          absl::StatusCode::kResourceExhausted, "WEIGHTS_MEMORY_FULL",
          absl::StrFormat("the model needs %d bytes of the %d for weights, and versions in use "
                          "hold %d",
                          bytes, options_.weights_memory_bytes, bytes_));
      return bytes > options_.weights_memory_bytes ? full : WithRetryAfter(full, kRetryDelay);
    }
    bytes_ -= oldest->second->bytes;
    dropped.push_back(std::move(oldest->second));
    entries_.erase(oldest);
  }
  return absl::OkStatus();
}

void ModelRegistry::Forget(const std::string& key) {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(key);
  bytes_ -= entry->second->bytes;
  entries_.erase(entry);
}

absl::StatusOr<std::shared_ptr<const LoadedVersion>> ModelRegistry::Load(
    v1::ModelVersion version, const StackConfig& config) {
  const absl::StatusOr<std::string> bytes = blobs_.Read(version.sha256());
  if (!bytes.ok()) {
    // Deleted since it was found, its file may be gone, too.
    const auto still_there = Find(version.name(), "name");
    return still_there.ok() ? bytes.status() : still_there.status();
  }
  absl::StatusOr<ModelFile> file = DecodeModelFile(*bytes);
  if (!file.ok()) return file.status();
  if (file->config != config ||
      ToProto(file->tokenizer.tokenization()) != version.config().tokenization() ||
      ToProto(file->normalization) != version.normalization()) {
    return Refusal(absl::StatusCode::kDataLoss, "MODEL_FILE_MISMATCH",
                   absl::StrFormat("the file of %s does not hold the model that its record "
                                   "describes (%s)",
                                   version.name(), version.config().ShortDebugString()));
  }
  const StackConfig served = Served(config);
  absl::StatusOr<std::unique_ptr<LanguageModel>> model =
      LanguageModel::Create(backend_, served, file->parameters, options_.max_rows);
  if (!model.ok()) return model.status();
  return std::make_shared<const LoadedVersion>(
      LoadedVersion{.version = std::move(version),
                    .engine_id = backend_.EngineId(served.precision),
                    .engine_changed = served.precision != config.precision,
                    .model_sha256 = ModelSha256(*file),
                    .tokenizer = std::move(file->tokenizer),
                    .normalization = file->normalization,
                    .model = *std::move(model)});
}

}  // namespace derin::server
