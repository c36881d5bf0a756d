#include "server/registry/model_registry.h"

#include <fstream>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "server/status/error.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using testing::HasSubstr;

class ModelRegistryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_.path() / "blobs");
    ASSERT_TRUE(store_->InsertCorpus(TestCorpus("text")).ok());
  }

  static ModelFile TinyModel(uint64_t seed, Precision precision) {
    Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText("abc"));
    const StackConfig config{.layers = 1,
                             .hidden = 4,
                             .vocabulary = tokenizer.vocabulary_size(),
                             .precision = precision};
    return {.config = config,
            .tokenizer = std::move(tokenizer),
            .normalization = Normalization::kD2lLetters,
            .parameters = InitialParameters(config, seed)};
  }

  // Publishes a version of models/m, as a job of its own would.
  absl::StatusOr<Published> Publish(uint64_t seed, Precision precision = Precision::kF32) {
    v1::ModelVersion version;
    version.set_training_perplexity(1.5);
    JobUpdate succeeded = Succeeded("job-" + std::to_string(seed));
    auto written = registry_->Write(TinyModel(seed, precision), version);
    if (!written.ok()) return written.status();
    return registry_->Publish(*std::move(written), std::move(succeeded));
  }
  // The end of a new job.
  JobUpdate Succeeded(const std::string& id) {
    auto inserted = store_->InsertTrainingJob(TestJob(id));
    EXPECT_TRUE(inserted.ok()) << inserted.status();
    return InState(*store_->GetTrainingJob(id), v1::TrainingJob::STATE_SUCCEEDED);
  }
  void Reopen(int64_t weights_memory_bytes) {
    registry_ = std::make_unique<ModelRegistry>(
        *backend_, *store_, blobs_,
        ModelRegistryOptions{.weights_memory_bytes = weights_memory_bytes, .max_rows = 2});
  }

  TemporaryFolder folder_;
  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  std::unique_ptr<MetadataStore> store_ = *MetadataStore::Open(folder_.path() / "metadata.sqlite");
  BlobStore blobs_{folder_.path() / "blobs"};
  std::unique_ptr<ModelRegistry> registry_ = std::make_unique<ModelRegistry>(
      *backend_, *store_, blobs_, ModelRegistryOptions{.max_rows = 2});
};

TEST_F(ModelRegistryTest, WhatIsPublishedIsFoundByVersionAndAsTheLatest) {
  const auto first = Publish(1), second = Publish(2);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->version.name(), "models/m/versions/1");
  EXPECT_EQ(second->version.name(), "models/m/versions/2");
  EXPECT_EQ(second->version.normalization(), v1::NORMALIZATION_D2L_LETTERS);
  EXPECT_EQ(second->version.vocabulary_size(), 4);
  EXPECT_EQ(second->version.training_perplexity(), 1.5);
  EXPECT_EQ(second->update.job.model_version(), second->version.name());

  const auto latest = registry_->Resolve("models/m", "model");
  ASSERT_TRUE(latest.ok()) << latest.status();
  EXPECT_EQ((*latest)->version.name(), "models/m/versions/2");
  EXPECT_EQ((*latest)->engine_id, backend_->EngineId(Precision::kF32));
  EXPECT_FALSE((*latest)->engine_changed);
  EXPECT_EQ((*latest)->normalization, Normalization::kD2lLetters);
  EXPECT_EQ((*latest)->tokenizer.vocabulary_size(), 4);
  EXPECT_EQ((*registry_->Resolve("models/m/versions/1", "model"))->version.name(),
            "models/m/versions/1");
}

TEST_F(ModelRegistryTest, AVersionInAPrecisionThatTheBackendLacksIsLoadedInF32) {
  const auto published = Publish(1, Precision::kBf16);
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_EQ(published->version.config().precision(), v1::PRECISION_BF16);
  for (const std::string_view name : BackendNames()) {
    registry_.reset();
    backend_ = *NewBackend(name);
    Reopen(1 << 20);
    const bool has_it = CheckPrecision(backend_->capabilities(), Precision::kBf16).ok();
    const Precision served = has_it ? Precision::kBf16 : Precision::kF32;
    const auto loaded = registry_->Resolve("models/m", "model");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ((*loaded)->engine_changed, !has_it) << name;
    EXPECT_EQ((*loaded)->engine_id, backend_->EngineId(served));
    EXPECT_EQ((*loaded)->model->config().precision, served);
    EXPECT_EQ((*loaded)->version.config().precision(), v1::PRECISION_BF16);
  }
}

TEST_F(ModelRegistryTest, DoublePrecisionIsNeitherPublishedNorLoaded) {
  EXPECT_EQ(Publish(1, Precision::kF64).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(registry_->Resolve("models/m", "model").status()), "MODEL_HAS_NO_VERSION");

  const auto published = Publish(2);
  ASSERT_TRUE(published.ok()) << published.status();
  const auto blob = blobs_.Write(*EncodeModelFile(TinyModel(2, Precision::kF64)));
  ASSERT_TRUE(blob.ok()) << blob.status();
  v1::ModelVersion version = published->version;
  version.set_sha256(blob->sha256);
  ASSERT_TRUE(store_->Publish(version, Succeeded("job-3")).ok());
  const absl::Status status = registry_->Resolve("models/m/versions/2", "model").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ErrorReason(status), "MODEL_FILE_MISMATCH");
}

TEST_F(ModelRegistryTest, AVersionIsLoadedOnceHoweverManyWantIt) {
  ASSERT_TRUE(Publish(1).ok());
  std::vector<std::shared_ptr<const LoadedVersion>> loaded(8);
  std::vector<std::thread> threads;
  for (auto& one : loaded) {
    threads.emplace_back([&] { one = *registry_->Resolve("models/m", "model"); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& one : loaded) EXPECT_EQ(one, loaded.front());
}

TEST_F(ModelRegistryTest, VersionsThatNobodyUsesMakeRoomLeastRecentFirst) {
  for (uint64_t seed : {1, 2, 3}) ASSERT_TRUE(Publish(seed).ok());
  const auto one = registry_->Resolve("models/m/versions/1", "model");
  // Room for two versions, found by asking how little is too little.
  int64_t room = 1024;
  for (;; room += 1024) {
    Reopen(room);
    const auto first = registry_->Resolve("models/m/versions/1", "model");
    if (first.ok() && registry_->Resolve("models/m/versions/2", "model").ok()) break;
    ASSERT_LT(room, 1 << 24);
  }
  Reopen(room);
  std::weak_ptr<const LoadedVersion> first, second;
  first = *registry_->Resolve("models/m/versions/1", "model");
  second = *registry_->Resolve("models/m/versions/2", "model");
  ASSERT_TRUE(registry_->Resolve("models/m/versions/1", "model").ok());
  ASSERT_TRUE(registry_->Resolve("models/m/versions/3", "model").ok());
  EXPECT_FALSE(first.expired());
  EXPECT_TRUE(second.expired()) << "it was used least recently";
}

TEST_F(ModelRegistryTest, VersionsInUseAreNotDroppedAndWhatDoesNotFitIsRefused) {
  ASSERT_TRUE(Publish(1).ok());
  ASSERT_TRUE(Publish(2).ok());
  int64_t room = 1024;
  for (; Reopen(room), !registry_->Resolve("models/m/versions/1", "model").ok(); room += 1024) {
    ASSERT_LT(room, 1 << 24);
  }
  Reopen(room);
  const auto held = *registry_->Resolve("models/m/versions/1", "model");
  const absl::Status status = registry_->Resolve("models/m/versions/2", "model").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "WEIGHTS_MEMORY_FULL");
  EXPECT_TRUE(ErrorRetryDelay(status).has_value()) << "it fits once the other is let go";
}

TEST_F(ModelRegistryTest, WarmsUpTheLatestVersionsThatFitAndPassesOverOneThatIsDamaged) {
  ASSERT_TRUE(Publish(1).ok());
  ASSERT_TRUE(Publish(2).ok());
  Reopen(int64_t{1} << 30);
  EXPECT_EQ(*registry_->WarmUp(), 1) << "of a model the latest";
  // It is there without its file.
  std::filesystem::remove_all(folder_.path() / "blobs");
  EXPECT_TRUE(registry_->Resolve("models/m", "model").ok());
  EXPECT_FALSE(registry_->Resolve("models/m/versions/1", "model").ok());
  Reopen(int64_t{1} << 30);
  EXPECT_EQ(*registry_->WarmUp(), 0) << "it cannot be read";
  Reopen(1024);
  EXPECT_EQ(*registry_->WarmUp(), 0) << "it does not fit";
}

TEST_F(ModelRegistryTest, NamesThatMeanNothingSaySo) {
  ASSERT_TRUE(store_->InsertTrainingJob(TestJob("job-1", "empty")).ok());
  EXPECT_EQ(registry_->Resolve("models/none", "model").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(registry_->Resolve("models/empty", "model").status()),
            "MODEL_HAS_NO_VERSION");
  EXPECT_EQ(ErrorField(registry_->Resolve("m", "source.model").status()), "source.model");
}

TEST_F(ModelRegistryTest, ADamagedFileIsDataLossAndIsTriedAgain) {
  const auto published = Publish(1);
  ASSERT_TRUE(published.ok()) << published.status();
  std::filesystem::path file;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder_.path() / "blobs")) {
    if (entry.is_regular_file()) file = entry.path();
  }
  const std::string whole = ReadTestFile(file);
  std::string damaged = whole;
  damaged[damaged.size() / 2] ^= 1;
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  WriteTestFile(file, damaged);
  EXPECT_EQ(registry_->Resolve("models/m", "model").status().code(), absl::StatusCode::kDataLoss);
  WriteTestFile(file, whole);
  EXPECT_TRUE(registry_->Resolve("models/m", "model").ok());
}

}  // namespace
}  // namespace derin::server
