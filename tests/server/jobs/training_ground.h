#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "model/backend/backend_list.h"
#include "model/text/vocabulary.h"
#include "server/jobs/job_state.h"
#include "server/jobs/training_jobs.h"
#include "server/storage/resource_name.h"
#include "tests/sanitized.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {

// All that training needs around it, in a folder of its own: a store with the corpus `corpora/text`
// and the reference backend.
class TrainingGround : public testing::Test {
 protected:
  void SetUp() override {
    OpenStore();
    auto made = NewBackend("reference");
    ASSERT_TRUE(made.ok()) << made.status();
    backend = *std::move(made);
    std::filesystem::create_directories(folder.path() / "blobs");
    blobs = std::make_unique<BlobStore>(folder.path() / "blobs");
    registry = std::make_unique<ModelRegistry>(*backend, *store, *blobs, ModelRegistryOptions{});
    std::string text;
    for (int i = 0; i < 40; ++i) text += "abcdefghi ";
    ASSERT_TRUE(AddCorpus("text", text).ok());
  }

  void OpenStore() {
    auto opened = MetadataStore::Open(folder.path() / "metadata.sqlite");
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
  }

  absl::Status AddCorpus(const std::string& id, const std::string& text) {
    auto blob = blobs->Write(text);
    if (!blob.ok()) return blob.status();
    v1::Corpus corpus = TestCorpus(id, text);
    corpus.set_character_count(static_cast<int64_t>(text.size()));
    corpus.set_vocabulary_size(Vocabulary::FromText(text).size());
    return store->InsertCorpus(corpus).status();
  }

  // Trains within milliseconds.
  static v1::TrainingSpec TinySpec() {
    v1::TrainingSpec spec;
    spec.set_corpus("corpora/text");
    spec.set_model("models/tiny");
    spec.mutable_config()->set_layers(1);
    spec.mutable_config()->set_hidden(8);
    spec.set_batch(4);
    spec.set_steps(5);
    spec.set_epochs(3);
    spec.set_seed(7);
    return spec;
  }
  // Never ends by itself.
  static v1::TrainingSpec EndlessSpec() {
    v1::TrainingSpec spec = TinySpec();
    spec.set_epochs(1'000'000);
    return spec;
  }
  // Different trainings: of another cell, optimiser, and with validation.
  static v1::TrainingSpec SpecOfKind(int kind, int epochs) {
    v1::TrainingSpec spec = TinySpec();
    spec.set_epochs(kSanitized ? epochs / 4 : epochs);
    spec.set_seed(static_cast<uint64_t>(kind) + 1);
    spec.mutable_checkpoint_interval()->set_seconds(1);
    if (kind % 3 == 0) spec.mutable_config()->set_cell(v1::CELL_GRU);
    if (kind % 3 == 1) {
      spec.mutable_config()->set_layers(2);
      spec.set_dropout(0.2);
      spec.mutable_optimizer()->mutable_adamw();
      spec.mutable_learning_rate()->set_peak(0.01);
    }
    if (kind % 2 == 1) {
      spec.set_validation_share(0.2);
      spec.set_validation_interval(7);
      spec.set_best_checkpoints_to_keep(1);
    }
    return spec;
  }
  static v1::CreateTrainingJobRequest Request(const std::string& id, const v1::TrainingSpec& spec) {
    v1::CreateTrainingJobRequest request;
    request.set_training_job_id(id);
    *request.mutable_training_job()->mutable_spec() = spec;
    return request;
  }

  v1::TrainingJob Job(const std::string& id) { return *store->GetTrainingJob(id); }
  // SHA-256 of the version that the job published.
  std::string Weights(const std::string& id) {
    const std::string version = Job(id).model_version();
    if (version.empty()) return Job(id).message();
    return store->GetModelVersion({"tiny", std::stoi(version.substr(version.rfind('/') + 1))})
        ->sha256();
  }
  // Its events have no gap, each state may follow the one before, and the last is `end`.
  void ExpectLegalStory(const std::string& id, v1::TrainingJob::State end) {
    v1::TrainingJob::State state = v1::TrainingJob::STATE_UNSPECIFIED;
    int64_t sequence = 0;
    const auto events = *store->ListTrainingEvents(id, 0);
    for (const v1::TrainingEvent& event : events) {
      EXPECT_EQ(event.sequence(), ++sequence) << id;
      if (event.kind() != v1::TrainingEvent::KIND_STATE_CHANGED) continue;
      EXPECT_TRUE(sequence == 1 || CanBecome(state, event.state()))
          << id << ": " << StateName(state) << " to " << StateName(event.state());
      state = event.state();
    }
    EXPECT_EQ(state, end) << id;
  }

  // Times stored are seconds that count up.
  WallClock Seconds() {
    return [this] { return absl::FromUnixSeconds(++seconds); };
  }
  TrainingJobs::Parts Parts() { return {*backend, *store, *blobs, *registry, metrics}; }

  TemporaryFolder folder;
  std::atomic<int64_t> seconds{1000};
  const WallClock wall_clock = Seconds();
  ServerMetrics metrics;
  std::unique_ptr<MetadataStore> store;
  std::unique_ptr<BlobStore> blobs;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<ModelRegistry> registry;
};

// A quick watcher, which keeps all that it was told.
class Tale {
 public:
  using WatchFunction =
      std::function<absl::StatusOr<std::unique_ptr<JobWatch>>(std::function<void()> on_news)>;

  explicit Tale(const WatchFunction& watch) {
    auto joined = watch([this] { Listen(); });
    EXPECT_TRUE(joined.ok()) << joined.status();
    {
      absl::MutexLock lock(&mutex_);
      watch_ = *std::move(joined);
    }
    Listen();
  }
  Tale(TrainingJobs& jobs, const std::string& id, int64_t since_sequence = 0)
      : Tale([&](std::function<void()> on_news) {
          return jobs.Watch(id, since_sequence, std::move(on_news));
        }) {}

  // Blocks until the job is over, or the watch failed.
  void AwaitEnd() {
    absl::MutexLock lock(&mutex_);
    const auto ended = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return watch_->over() || !status_.ok();
    };
    mutex_.Await(absl::Condition(&ended));
  }
  // Blocks until progress of `attempt` was told.
  void AwaitProgress(int attempt) {
    absl::MutexLock lock(&mutex_);
    const auto told = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      for (const auto& response : told_) {
        if (response.has_progress() && response.progress().attempt() == attempt) return true;
      }
      return false;
    };
    mutex_.Await(absl::Condition(&told));
  }

  // Blocks until `count` events were told; another thread than the one that makes them tells them.
  void AwaitEvents(int count) {
    absl::MutexLock lock(&mutex_);
    const auto told = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return std::count_if(told_.begin(), told_.end(),
                           [](const auto& response) { return response.has_event(); }) >= count;
    };
    mutex_.Await(absl::Condition(&told));
  }

  std::vector<v1::WatchTrainingJobResponse> told() const {
    absl::MutexLock lock(&mutex_);
    return told_;
  }
  absl::Status status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }
  // The states of the events told, with a P where the model was published an R where the
  // training went on from a checkpoint, a D where it diverged and went on, and a W where there was
  // no memory for it.
  std::string States() const {
    std::string states;
    for (const auto& response : told()) {
      if (!response.has_event()) continue;
      if (!states.empty()) states += " ";
      switch (response.event().kind()) {
        case v1::TrainingEvent::KIND_PUBLISHED:
          states += "P";
          break;
        case v1::TrainingEvent::KIND_RESUMED:
          states += "R";
          break;
        case v1::TrainingEvent::KIND_RECOVERED:
          states += "D";
          break;
        case v1::TrainingEvent::KIND_WAITING:
          states += "W";
          break;
        default:
          states += v1::TrainingJob::State_Name(response.event().state()).substr(6);
      }
    }
    return states;
  }

 private:
  void Listen() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    while (watch_ != nullptr && status_.ok()) {
      auto next = watch_->Next();
      status_ = next.status();
      if (!next.ok() || !next->has_value()) return;
      told_.push_back(**std::move(next));
    }
  }

  mutable absl::Mutex mutex_;
  std::vector<v1::WatchTrainingJobResponse> told_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<JobWatch> watch_ ABSL_GUARDED_BY(mutex_);  // destroyed first
};

}  // namespace derin::server
