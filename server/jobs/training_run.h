#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "derin/v1/training.pb.h"
#include "model/backend/backend.h"
#include "model/checkpoint/trainer_state_file.h"
#include "model/training/trainer.h"
#include "server/jobs/job_ending.h"
#include "server/jobs/throughput.h"
#include "server/jobs/trained_model.h"
#include "server/jobs/training_curve.h"
#include "server/jobs/training_spec.h"
#include "server/metrics/monotonic_clock.h"
#include "server/metrics/server_metrics.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"
#include "server/storage/proto_time.h"
#include "server/usage/usage_ledger.h"

namespace derin::server {

// Removes the files that no record names. What cannot be removed now goes with a later sweep.
void SweepBlobs(MetadataStore& store, BlobStore& blobs);

// The reason of a training whose numbers are no longer finite.
inline constexpr char kDiverged[] = "DIVERGED";

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
    const WallClock& wall_clock;   // of what is stored
    UsageLedger* usage = nullptr;  // null: nobody counts what a job's owner uses
  };

  // Reads and tokenises the text, puts the model on the device, and goes on from the job's newest
  // checkpoint that is whole, if it has any, else from where its spec says that it starts.
  // CORPUS_NOT_FOUND, CORPUS_DAMAGED and CHECKPOINT_DAMAGED, when none is whole, are reasons of
  // errors, as are those of ResolveTrainingSpec and CheckMemory.
  static absl::StatusOr<std::unique_ptr<TrainingRun>> Create(const Surroundings& surroundings,
                                                             const v1::TrainingJob& job);

  // One minibatch. An error with reason DIVERGED when the numbers are no longer finite.
  absl::Status Step();
  // Waits for all steps that the device has still to do, so that another training may use it. The
  // same error as Step's.
  absl::Status AwaitSteps();
  // After that error, where the spec asks for it and it is the first time: back to the newest
  // checkpoint that is whole, or to where the job began, and on at a lower learning rate. What it
  // came to, a sentence for people; else the error that `diverged` is, or what stood in the way.
  absl::StatusOr<std::string> Recover(const absl::Status& diverged);
  bool done() const { return trainer_->done() || time_is_up(); }
  // Why it is done.
  JobEnding Ending() const;

  int64_t steps_done() const { return trainer_->progress().step; }
  // A sentence for people; empty when the training began at its beginning.
  const std::string& resumed_message() const { return resumed_message_; }

  // Whether the job's interval has passed since the last checkpoint was tried, or since the run
  // began; or the weights were measured to be the best so far, and those are to be kept.
  bool CheckpointIsDue() const;
  // Waits for the device, writes both files and stores the record; checkpoints beyond those to keep
  // are gone then. RESOURCE_EXHAUSTED when the disk or the memory is full: all is as before.
  absl::Status WriteCheckpoint();

  // Whether a text is to be drawn now: the spec's interval has passed since the last one.
  bool SampleIsDue() const;
  // Draws it from the weights as they are, if the spec wants any; Progress() has it from then on.
  absl::Status DrawSample();

  // Where it stands; nullopt before the first losses have come back.
  std::optional<v1::TrainingProgress> Progress() const;
  // Whether to tell now: after waiting for one more step, the last telling would be a quarter of a
  // second ago.
  bool ProgressIsDue() const;
  // It was told: the next is due later. Also sets the job's gauges.
  void ProgressTold(const v1::TrainingProgress& progress);

  // What the training has been through, all attempts together; another one after Recover. May be
  // read by other threads.
  std::shared_ptr<const TrainingCurve> curve() const { return curve_; }

  // What is worth publishing now. Its perplexity is that of its epoch up to there.
  absl::StatusOr<TrainedModel> Model();

 private:
  TrainingRun(const Surroundings& surroundings, const v1::TrainingJob& job, TrainingPlan plan,
              Tokenizer tokenizer, std::string texts_sha256, Normalization normalization);
  // Of a job that has no checkpoint of its own yet: `start` is what it begins with.
  absl::Status Begin(const v1::StartFrom& from, const std::optional<JobStart>& start);
  // Whether what counts towards an end goes on from where a checkpoint has it.
  enum class Counts { kAnew, kGoOn };
  absl::Status GoOnFrom(const StoredCheckpoint& stored, std::string_view what, Counts counts);
  // From the newest checkpoint that is whole, with a word about those that are not; false when
  // there is none at all.
  absl::StatusOr<bool> GoOnFromNewest();
  // The curve and the rates go on from where the trainer is now.
  absl::Status StartFigures();
  absl::StatusOr<TrainerStateFile> ReadCheckpoint(const StoredCheckpoint& stored) const;
  std::string engine_id() const {
    return surroundings_.backend.EngineId(plan_.config.model.precision);
  }
  bool time_is_up() const { return training_time_ >= plan_.max_training_time; }
  double FractionDone() const;
  std::optional<absl::Duration> TimeLeft() const;
  absl::Status TryWriteCheckpoint();
  void AddToCurve();
  absl::StatusOr<Blob> WriteBlob(const absl::StatusOr<std::string>& content) const;
  ModelFile FileOf(Parameters parameters) const;

  const Surroundings surroundings_;
  const std::string job_id_;
  const int attempt_;
  const TrainingPlan plan_;
  const Tokenizer tokenizer_;
  const std::string texts_sha256_;
  const Normalization normalization_;
  std::unique_ptr<Trainer> trainer_;
  std::shared_ptr<TrainingCurve> curve_;
  Throughput throughput_;
  Counter& trained_tokens_;
  const std::shared_ptr<CallerAccount> account_;  // of the job's owner; null: nobody counts
  int64_t counted_tokens_ = 0;  // of progress().tokens, already counted in the metrics
  std::string resumed_message_;
  absl::Duration training_time_;              // in steps, of all attempts that led here
  std::optional<TrainerSnapshot> beginning_;  // to recover from, where no checkpoint was there
  std::optional<v1::DrawnSample> sample_;     // the newest
  absl::Duration last_checkpoint_;
  bool best_is_due_ = false;
  absl::Duration last_sample_;
  absl::Duration step_time_;  // of the last step
  absl::Duration awaited_;    // since the last step, for steps to be done
  absl::Duration now_;        // at its end
  absl::Duration last_told_ = -absl::InfiniteDuration();
};

}  // namespace derin::server
