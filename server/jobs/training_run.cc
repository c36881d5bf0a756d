#include "server/jobs/training_run.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/util/time_util.h"
#include "model/network/parameters.h"
#include "server/jobs/checkpoint_files.h"
#include "server/jobs/text_reading.h"
#include "server/registry/proto_conversion.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"

namespace derin::server {

namespace {

// Progress is told at least this often, where steps are not slower.
constexpr absl::Duration kProgressPeriod = absl::Milliseconds(250);
// Beyond this an estimate means nothing, and a protobuf cannot hold it.
constexpr absl::Duration kLongestTimeLeft = absl::Hours(24 * 365 * 100);
// Of the learning rate, once a training has diverged.
constexpr double kRateFactorAfterDivergence = 0.1;

// That of the weights that a training begins with, else one of the texts, which are counted then.
absl::StatusOr<Tokenizer> TokenizerOf(const v1::TrainingSpec& spec,
                                      const std::optional<ModelFile>& first, const BlobStore& blobs,
                                      TrainingTexts& texts) {
  if (!first.has_value()) return MakeTokenizer(spec, blobs, texts);
  absl::Status counted = CountTexts(spec, &first->tokenizer, blobs, texts);
  if (!counted.ok()) return counted;
  return first->tokenizer;
}

// What a trainer's error means.
absl::Status OrDiverged(const absl::Status& status) {
  if (!absl::IsOutOfRange(status)) return status;
  return Refusal(absl::StatusCode::kOutOfRange, kDiverged,
                 absl::StrCat(status.message(), "; a lower learning rate may help"));
}

const std::string& NameOf(const v1::StartFrom& from) {
  return from.has_training_checkpoint() ? from.training_checkpoint() : from.model_version();
}

}  // namespace

void SweepBlobs(MetadataStore& store, BlobStore& blobs) {
  const auto swept = blobs.Sweep([&store] { return store.DigestsInUse(); });
  if (swept.ok()) return;
  spdlog::warn("Files that nothing needs stay on the disk: {}",
               std::string(swept.status().message()));
}

absl::StatusOr<std::unique_ptr<TrainingRun>> TrainingRun::Create(const Surroundings& surroundings,
                                                                 const v1::TrainingJob& job) {
  v1::TrainingSpec spec = job.spec();
  auto texts = FindTexts(spec, surroundings.store);
  if (!texts.ok()) return texts.status();
  const auto start = surroundings.store.GetTrainingStart(IdOf(job.name()));
  if (!start.ok()) return start.status();
  std::optional<ModelFile> first;  // what it begins with, where that is not drawn
  if (start->has_value()) {
    auto model = ReadModelBlob(surroundings.blobs, (*start)->model_sha256);
    if (!model.ok()) return CheckpointError(model.status(), NameOf(job.spec().start_from()));
    first = *std::move(model);
  }
  auto tokenizer = TokenizerOf(spec, first, surroundings.blobs, *texts);
  if (!tokenizer.ok()) return tokenizer.status();
  auto plan = ResolveTrainingSpec(spec, *texts, surroundings.backend, spec.seed());
  if (!plan.ok()) return plan.status();
  if (absl::Status fits = CheckMemory(*plan, surroundings.backend); !fits.ok()) return fits;
  auto normalization = FromProto(texts->texts.front().corpus.normalization(), "normalization");
  if (!normalization.ok()) return normalization.status();

  auto tokens = TrainingTokens::Create(surroundings.backend, plan->token_count, plan->held_out);
  if (!tokens.ok()) return tokens.status();
  absl::Status encoded =
      EncodeTexts(*texts, *tokenizer, plan->spec.max_tokens(), surroundings.blobs, *tokens);
  if (!encoded.ok()) return encoded;
  std::unique_ptr<TrainingRun> run(new TrainingRun(
      surroundings, job, *std::move(plan), *std::move(tokenizer), texts->sha256, *normalization));
  const TrainingConfig& config = run->plan_.config;
  Parameters initial =
      first ? std::move(first->parameters) : InitialParameters(config.model, config.seed);
  if (run->plan_.forget_bias) SetForgetBias(config.model, *run->plan_.forget_bias, initial);
  auto trainer = Trainer::Create(surroundings.backend, config, *std::move(tokens), initial);
  if (!trainer.ok()) return trainer.status();
  run->trainer_ = *std::move(trainer);
  const absl::StatusOr<bool> has_checkpoint = run->GoOnFromNewest();
  if (!has_checkpoint.ok()) return has_checkpoint.status();
  if (!*has_checkpoint) {
    absl::Status began = run->Begin(job.spec().start_from(), *start);
    if (!began.ok()) return began;
  }
  if (const std::string_view choice = run->trainer_->choice(); !choice.empty()) {
    spdlog::info("Training job {} on {} is computed by {}", run->job_id_, run->engine_id(), choice);
  }
  run->now_ = run->last_checkpoint_ = run->last_sample_ = surroundings.clock();
  if (absl::Status status = run->StartFigures(); !status.ok()) return status;
  return run;
}

absl::Status TrainingRun::StartFigures() {
  const auto stored = surroundings_.store.GetTrainingCurve(job_id_);
  if (!stored.ok()) return stored.status();
  curve_ = std::make_shared<TrainingCurve>(*stored, trainer_->progress());
  counted_tokens_ = trainer_->progress().tokens;
  throughput_ = Throughput();
  throughput_.Add(now_, counted_tokens_, trainer_->FractionDone());
  return absl::OkStatus();
}

TrainingRun::TrainingRun(const Surroundings& surroundings, const v1::TrainingJob& job,
                         TrainingPlan plan, Tokenizer tokenizer, std::string texts_sha256,
                         Normalization normalization)
    : surroundings_(surroundings),
      job_id_(IdOf(job.name())),
      attempt_(job.attempt()),
      plan_(std::move(plan)),
      tokenizer_(std::move(tokenizer)),
      texts_sha256_(std::move(texts_sha256)),
      normalization_(normalization),
      trained_tokens_(surroundings.metrics.training_tokens.With(IdOf(job.spec().model()))),
      account_(surroundings.usage != nullptr && !job.owner().empty()
                   ? surroundings.usage->Of(job.owner())
                   : nullptr) {}

absl::Status TrainingRun::Begin(const v1::StartFrom& from, const std::optional<JobStart>& start) {
  if (start.has_value() && !start->state_sha256.empty()) {
    const StoredCheckpoint first{
        .checkpoint = {}, .model_sha256 = start->model_sha256, .state_sha256 = start->state_sha256};
    absl::Status went_on =
        CheckpointError(GoOnFrom(first, NameOf(from), Counts::kAnew), NameOf(from));
    if (!went_on.ok()) return went_on;
  }
  if (!plan_.spec.recover_from_divergence()) return absl::OkStatus();
  absl::StatusOr<TrainerSnapshot> beginning = trainer_->Snapshot();
  if (beginning.ok()) beginning_ = *std::move(beginning);
  return beginning.status();
}

absl::StatusOr<bool> TrainingRun::GoOnFromNewest() {
  const auto checkpoints = surroundings_.store.ListTrainingCheckpoints(job_id_);
  if (!checkpoints.ok()) return checkpoints.status();
  if (checkpoints->empty()) return false;
  std::string damaged;
  for (const StoredCheckpoint& stored : *checkpoints) {
    const int64_t step = stored.checkpoint.step();
    const absl::Status status =
        GoOnFrom(stored, absl::StrCat("its checkpoint at step ", step), Counts::kGoOn);
    if (absl::IsDataLoss(status) || absl::IsInvalidArgument(status)) {
      absl::StrAppend(&damaged, damaged.empty() ? "" : "; ", "the checkpoint at step ", step,
                      " is damaged: ", status.message());
      continue;
    }
    if (!status.ok()) return status;
    if (!damaged.empty()) absl::StrAppend(&resumed_message_, " Note that ", damaged, ".");
    return true;
  }
  return Refusal(absl::StatusCode::kDataLoss, "CHECKPOINT_DAMAGED",
                 absl::StrCat("no checkpoint of the job can be gone on from: ", damaged));
}

absl::Status TrainingRun::GoOnFrom(const StoredCheckpoint& stored, std::string_view what,
                                   Counts counts) {
  auto state = ReadCheckpoint(stored);
  if (!state.ok()) return state.status();
  if (counts == Counts::kAnew) {
    state->snapshot.progress.epochs_without_better = 0;
    state->snapshot.progress.better_in_epoch = 0;
  }
  if (absl::Status status = trainer_->Restore(state->snapshot); !status.ok()) return status;
  training_time_ = FromProtoDuration(stored.checkpoint.training_time());
  resumed_message_ = absl::StrCat("The training goes on from ", std::string(what), ".");
  if (state->engine != engine_id()) {
    absl::StrAppend(&resumed_message_, " engine_changed: it was on ", state->engine,
                    " and goes on on ", engine_id(), ", not bit for bit.");
  }
  return absl::OkStatus();
}

absl::StatusOr<TrainerStateFile> TrainingRun::ReadCheckpoint(const StoredCheckpoint& stored) const {
  absl::StatusOr<ModelFile> model = ReadModelBlob(surroundings_.blobs, stored.model_sha256);
  if (!model.ok()) return model.status();
  absl::StatusOr<TrainerStateFile> state = ReadStateBlob(surroundings_.blobs, stored.state_sha256);
  if (!state.ok()) return state.status();
  state->snapshot.parameters = std::move(model->parameters.values);
  return state;
}

bool TrainingRun::CheckpointIsDue() const {
  return best_is_due_ || now_ - last_checkpoint_ >= plan_.checkpoint_interval;
}

absl::Status TrainingRun::WriteCheckpoint() {
  absl::Status status;
  try {
    status = TryWriteCheckpoint();
  } catch (const std::bad_alloc&) {
    status =
        absl::ResourceExhaustedError("a checkpoint wants more memory than the process can have");
  }
  // From its end on, so that there is training in between however long it takes; also after a
  // failure, so that a full disk is not tried at each step.
  last_checkpoint_ = surroundings_.clock();
  best_is_due_ = false;
  return status;
}

absl::Status TrainingRun::TryWriteCheckpoint() {
  absl::StatusOr<TrainerSnapshot> snapshot = trainer_->Snapshot();
  if (!snapshot.ok()) return snapshot.status();
  const int64_t step = snapshot->step;
  const std::optional<double> measured = trainer_->MeasuredPerplexity();
  Parameters parameters{ParameterLayout(plan_.config.model), std::move(snapshot->parameters)};
  const absl::StatusOr<Blob> model_blob = WriteBlob(EncodeModelFile(FileOf(std::move(parameters))));
  if (!model_blob.ok()) return model_blob.status();
  const absl::StatusOr<Blob> state_blob =
      WriteBlob(EncodeTrainerStateFile({.engine = engine_id(), .snapshot = *std::move(snapshot)}));
  if (!state_blob.ok()) return state_blob.status();

  StoredCheckpoint stored{.model_sha256 = model_blob->sha256, .state_sha256 = state_blob->sha256};
  v1::TrainingCheckpoint& checkpoint = stored.checkpoint;
  checkpoint.set_name(CheckpointName(job_id_, step));
  checkpoint.set_step(step);
  checkpoint.set_attempt(attempt_);
  *checkpoint.mutable_create_time() = ToTimestamp(surroundings_.wall_clock());
  checkpoint.set_size_bytes(model_blob->size_bytes + state_blob->size_bytes);
  checkpoint.set_engine_id(engine_id());
  checkpoint.set_corpus_sha256(texts_sha256_);
  *checkpoint.mutable_training_time() = ToProtoDuration(training_time_);
  if (const auto progress = Progress(); progress.has_value()) {
    checkpoint.set_training_perplexity(progress->training_perplexity());
    if (progress->has_validation_perplexity()) {
      checkpoint.set_validation_perplexity(progress->validation_perplexity());
    }
  }
  if (measured) checkpoint.set_measured_perplexity(*measured);
  // The losses of all steps are back, so the curve ends where the checkpoint is.
  AddToCurve();
  if (absl::Status status = surroundings_.store.InsertTrainingCheckpoint(
          job_id_, stored, plan_.checkpoints_to_keep, curve_->Snapshot());
      !status.ok()) {
    return status;
  }
  SweepBlobs(surroundings_.store, surroundings_.blobs);  // the files of those that were dropped
  return absl::OkStatus();
}

absl::StatusOr<Blob> TrainingRun::WriteBlob(const absl::StatusOr<std::string>& content) const {
  if (!content.ok()) return content.status();
  return surroundings_.blobs.Write(*content);
}

ModelFile TrainingRun::FileOf(Parameters parameters) const {
  return {.config = plan_.config.model,
          .tokenizer = tokenizer_,
          .normalization = normalization_,
          .parameters = std::move(parameters)};
}

absl::Status TrainingRun::Step() {
  const absl::Duration start = surroundings_.clock();
  const std::optional<double> best_before = trainer_->progress().best_perplexity;
  absl::Status status = trainer_->Step();
  now_ = surroundings_.clock();
  step_time_ = now_ - start + std::exchange(awaited_, absl::ZeroDuration());
  training_time_ += step_time_;
  if (status.ok() && time_is_up() && !trainer_->done()) status = trainer_->EndHere();
  surroundings_.metrics.training_step_seconds.Record(step_time_);
  surroundings_.metrics.training_busy.Add(step_time_);

  const int64_t tokens = trainer_->progress().tokens;
  trained_tokens_.Add(tokens - counted_tokens_);
  if (account_ != nullptr) {
    account_->AddTrainedTokens(tokens - counted_tokens_);
    account_->AddTrainingTime(step_time_);
  }
  surroundings_.metrics.trained_tokens_rate.Add(tokens - counted_tokens_);
  counted_tokens_ = tokens;
  throughput_.Add(now_, tokens, trainer_->FractionDone());
  AddToCurve();
  if (trainer_->progress().best_perplexity != best_before) {
    best_is_due_ = plan_.checkpoints_to_keep.best > 0;
  }
  return OrDiverged(status);
}

absl::Status TrainingRun::AwaitSteps() {
  const absl::Duration start = surroundings_.clock();
  const absl::Status status = trainer_->AwaitSteps();
  awaited_ += surroundings_.clock() - start;
  return OrDiverged(status);
}

absl::StatusOr<std::string> TrainingRun::Recover(const absl::Status& diverged) {
  const bool wanted = plan_.spec.recover_from_divergence();
  if (!wanted || trainer_->learning_rate_factor() < 1) return diverged;
  const auto resumed = GoOnFromNewest();
  if (!resumed.ok()) return resumed.status();
  if (!*resumed) {
    if (!beginning_.has_value()) return diverged;
    if (absl::Status status = trainer_->Restore(*beginning_); !status.ok()) return status;
    training_time_ = absl::ZeroDuration();
  }
  // A checkpoint of after an earlier recovery.
  if (trainer_->learning_rate_factor() < 1) return diverged;
  trainer_->LowerLearningRate(kRateFactorAfterDivergence);
  if (absl::Status status = StartFigures(); !status.ok()) return status;
  return absl::StrFormat("%s. It goes on from step %d at %g of the learning rate.",
                         diverged.message(), steps_done(), kRateFactorAfterDivergence);
}

bool TrainingRun::SampleIsDue() const { return now_ - last_sample_ >= plan_.sample_interval; }

absl::Status TrainingRun::DrawSample() {
  if (!plan_.sample.has_value()) return absl::OkStatus();
  absl::StatusOr<Parameters> parameters = trainer_->LastParameters();
  if (!parameters.ok()) return parameters.status();
  auto text = DrawText(surroundings_.backend, FileOf(*std::move(parameters)), *plan_.sample);
  // From its end on, so that there is training in between however long it takes.
  now_ = last_sample_ = surroundings_.clock();
  if (!text.ok()) return text.status();
  sample_.emplace();
  sample_->set_step(trainer_->steps_enqueued());
  sample_->set_text(*std::move(text));
  return absl::OkStatus();
}

void TrainingRun::AddToCurve() {
  curve_->Add(trainer_->progress(), attempt_, surroundings_.wall_clock(),
              throughput_.TokensPerSecond());
}

std::optional<v1::TrainingProgress> TrainingRun::Progress() const {
  const TrainerProgress& known = trainer_->progress();
  if (known.epoch_loss.tokens == 0 && !known.epoch_perplexity.has_value()) return std::nullopt;
  v1::TrainingProgress progress;
  progress.set_attempt(attempt_);
  // Between two epochs the losses are still those of the one that ended.
  const bool between_epochs =
      known.epoch_loss.tokens == 0 || known.epoch_loss.Perplexity() == known.epoch_perplexity;
  progress.set_epoch(between_epochs ? known.epoch : known.epoch + 1);
  progress.set_epochs(plan_.total_epochs);
  progress.set_step(known.step);
  progress.set_steps(plan_.total_steps);
  progress.set_tokens(known.tokens);
  const double loss =
      known.epoch_loss.tokens == 0 ? std::log(*known.epoch_perplexity) : known.epoch_loss.Mean();
  progress.set_training_loss(loss);
  progress.set_training_perplexity(std::exp(loss));
  if (known.epoch_perplexity) progress.set_epoch_training_perplexity(*known.epoch_perplexity);
  if (known.validation_perplexity) {
    progress.set_validation_perplexity(*known.validation_perplexity);
  }
  if (known.best_perplexity) progress.set_best_perplexity(*known.best_perplexity);
  progress.set_learning_rate(known.learning_rate);
  progress.set_gradient_norm(known.gradient_norm);
  progress.set_tokens_per_second(throughput_.TokensPerSecond());
  progress.set_fraction_done(FractionDone());
  *progress.mutable_training_time() = ToProtoDuration(training_time_);
  if (sample_.has_value()) *progress.mutable_sample() = *sample_;
  if (const std::optional<absl::Duration> left = TimeLeft(); left.has_value()) {
    *progress.mutable_time_left() = google::protobuf::util::TimeUtil::MillisecondsToDuration(
        absl::ToInt64Milliseconds(std::min(*left, kLongestTimeLeft)));
  }
  return progress;
}

double TrainingRun::FractionDone() const {
  const double of_time = absl::FDivDuration(training_time_, plan_.max_training_time);
  return std::max(trainer_->FractionDone(), std::min(of_time, 1.0));
}

std::optional<absl::Duration> TrainingRun::TimeLeft() const {
  const std::optional<absl::Duration> of_steps = throughput_.TimeLeft();
  if (plan_.max_training_time == absl::InfiniteDuration()) return of_steps;
  const absl::Duration of_time =
      std::max(plan_.max_training_time - training_time_, absl::ZeroDuration());
  return std::min(of_steps.value_or(of_time), of_time);
}

JobEnding TrainingRun::Ending() const {
  return EndingOf(trainer_->end(), plan_, Progress().value_or(v1::TrainingProgress()));
}

bool TrainingRun::ProgressIsDue() const {
  return now_ - last_told_ + step_time_ >= kProgressPeriod;
}

void TrainingRun::ProgressTold(const v1::TrainingProgress& progress) {
  last_told_ = now_;
  ServerMetrics& metrics = surroundings_.metrics;
  metrics.training_tokens_per_second.Set({job_id_}, progress.tokens_per_second());
  metrics.training_progress_ratio.Set({job_id_}, progress.fraction_done());
  metrics.training_gradient_norm.Set({job_id_}, progress.gradient_norm());
  metrics.training_perplexity.Set({job_id_, "training"}, progress.training_perplexity());
  if (progress.has_validation_perplexity()) {
    metrics.training_perplexity.Set({job_id_, "validation"}, progress.validation_perplexity());
  }
}

absl::StatusOr<TrainedModel> TrainingRun::Model() {
  auto parameters = trainer_->PublishableParameters();
  if (!parameters.ok()) return parameters.status();
  const TrainerProgress& known = trainer_->progress();
  TrainedModel model{
      .file = FileOf(*std::move(parameters)),
      .training_perplexity = known.publishable_perplexity.value_or(known.epoch_loss.Perplexity())};
  // The weights are those of the best validation, and so is the figure.
  if (known.validation_perplexity) model.validation_perplexity = known.best_perplexity;
  return model;
}

}  // namespace derin::server
