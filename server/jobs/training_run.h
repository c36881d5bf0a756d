#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "derin/v1/corpus.pb.h"
#include "derin/v1/training.pb.h"
#include "model/backend/backend.h"
#include "model/training/trainer.h"
#include "server/jobs/throughput.h"
#include "server/jobs/trained_model.h"
#include "server/jobs/training_spec.h"
#include "server/metrics/monotonic_clock.h"
#include "server/metrics/server_metrics.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

// One attempt at one job, from the corpus's text to weights. Records the metrics of training. One
// thread at a time.
class TrainingRun {
 public:
  // What a run works with; all outlive it.
  struct Surroundings {
    Backend& backend;
    MetadataStore& store;
    BlobStore& blobs;
    ServerMetrics& metrics;
    const MonotonicClock& clock;
  };

  // Reads and tokenises the text and puts the model on the device. CORPUS_NOT_FOUND and
  // CORPUS_DAMAGED are reasons of errors, as are those of ResolveTrainingSpec and CheckMemory.
  static absl::StatusOr<std::unique_ptr<TrainingRun>> Create(const Surroundings& surroundings,
                                                             const v1::TrainingJob& job);

  // One minibatch. An error with reason DIVERGED when the numbers are no longer finite.
  absl::Status Step();
  bool done() const { return trainer_->done(); }

  // Where it stands; nullopt before the first losses have come back.
  std::optional<v1::TrainingProgress> Progress() const;
  // Whether to tell now: after waiting for one more step, the last telling would be a quarter of a
  // second ago.
  bool ProgressIsDue() const;
  // It was told: the next is due later. Also sets the job's gauges.
  void ProgressTold(const v1::TrainingProgress& progress);

  // What is worth publishing now. In the first epoch its perplexity is that of the steps so far.
  absl::StatusOr<TrainedModel> Model();

 private:
  TrainingRun(const Surroundings& surroundings, const v1::TrainingJob& job, TrainingPlan plan,
              Tokenizer tokenizer, Normalization normalization);

  const Surroundings surroundings_;
  const std::string job_id_;
  const int attempt_;
  const TrainingPlan plan_;
  const Tokenizer tokenizer_;
  const Normalization normalization_;
  std::unique_ptr<Trainer> trainer_;
  Throughput throughput_;
  Counter& trained_tokens_;
  int64_t counted_tokens_ = 0;  // of progress().tokens, already counted in the metrics
  absl::Duration step_time_;    // of the last step
  absl::Duration now_;          // at its end
  absl::Duration last_told_ = -absl::InfiniteDuration();
};

}  // namespace derin::server
