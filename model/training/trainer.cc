#include "model/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "model/backend/host_transfer.h"

namespace derin {
namespace {

// Of a measurement that is not there: a snapshot may lack what every epoch leaves.
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

BatchMixConfig Trainer::BatchesOf(const TrainingConfig& config, int64_t trained) {
  return {
      .parts = config.parts.empty() ? std::vector{BatchPart{trained, config.batch}} : config.parts,
      .steps = config.steps,
      .partition = config.partition,
      .seed = config.seed};
}

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Create(Backend& backend,
                                                         const TrainingConfig& config,
                                                         absl::Span<const int32_t> tokens,
                                                         const Parameters& initial) {
  const auto count = static_cast<int64_t>(tokens.size());
  const BatchMixConfig batches = BatchesOf(config, count - config.held_out_tokens);
  if (absl::Status status = BatchMix::Validate(batches); !status.ok()) return status;
  auto uploaded = TrainingTokens::Of(backend, tokens, config.held_out_tokens);
  if (!uploaded.ok()) return uploaded.status();
  return Create(backend, config, *std::move(uploaded), initial);
}

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Create(Backend& backend,
                                                         const TrainingConfig& config,
                                                         TrainingTokens tokens,
                                                         const Parameters& initial) {
  const View held_out = tokens.held_out().view();
  DERIN_CHECK(static_cast<int64_t>(held_out.count) == config.held_out_tokens);
  const BatchMixConfig batches =
      BatchesOf(config, static_cast<int64_t>(tokens.trained().view().count));
  if (absl::Status status = BatchMix::Validate(batches); !status.ok()) return status;
  auto trainer = std::unique_ptr<Trainer>(new Trainer(backend, config, batches, std::move(tokens)));
  if (absl::Status status = trainer->Allocate(initial); !status.ok()) return status;
  if (!held_out.empty()) {
    auto evaluator = Evaluator::Create(backend, config.model, held_out, config.steps, config.batch);
    if (!evaluator.ok()) return evaluator.status();
    trainer->evaluator_ = *std::move(evaluator);
  }
  return trainer;
}

Trainer::Trainer(Backend& backend, const TrainingConfig& config, const BatchMixConfig& batches,
                 TrainingTokens tokens)
    : backend_(backend),
      config_(config),
      layout_(config.model),
      batches_(batches),
      total_steps_(config.early_ends.LastStep(batches_.StepsInEpochs(config.epochs))),
      text_(std::move(tokens)),
      starts_on_host_(config.batch) {}

absl::Status Trainer::Allocate(const Parameters& initial) {
  const StackConfig& model = config_.model;
  const ElementType real = StateType(model.precision);
  const size_t B = config_.batch, window = B * config_.steps, H = model.hidden;
  const size_t parameters = layout_.count(), state = B * StateElements(model);
  const int moments = MomentCount(config_.optimizer.kind);
  struct Wanted {
    Buffer* buffer;
    ElementType type;
    size_t count;
    Memory memory = Memory::kDevice;
  };
  const Wanted wanted[] = {
      {&state_.parameters, real, parameters},
      {&state_.moment1, real, moments >= 1 ? parameters : 0},
      {&state_.moment2, real, moments >= 2 ? parameters : 0},
      {&state_.best_parameters, real, config_.held_out_tokens > 0 ? parameters : 0},
      {&state_.optimizer_step, ElementType::kI64, 1},
      {&state_.loss_scale, ElementType::kF64, NeedsLossScale(model.precision) ? 2u : 0u},
      {&state_.hidden, real, state},
      {&hidden_out_, real, state},
      {&gradients_, real, parameters},
      {&starts_, ElementType::kI64, B},
      {&learning_rate_, ElementType::kF64, 1},
      {&dropout_, ElementType::kI64, config_.dropout > 0 ? 2u : 0u},
      {&tokens_, ElementType::kI32, window},
      {&targets_, ElementType::kI32, window},
      {&top_, real, window * H},
      {&d_top_, real, window * H},
      {&step_figures_, ElementType::kF64, kFigures},
      {&ring_, ElementType::kF64, kFigures * kRing, Memory::kHost}};
  for (const Wanted& one : wanted) {
    auto buffer = backend_.Allocate(one.type, one.count, one.memory);
    if (!buffer.ok()) return buffer.status();
    *one.buffer = *std::move(buffer);
  }
  if (absl::Status status = MakeStack(""); !status.ok()) return status;
  auto queue = backend_.NewQueue(QueuePriority::kTraining);
  if (!queue.ok()) return queue.status();
  queue_ = *std::move(queue);

  UploadReals(backend_, *queue_, initial.values, state_.parameters.view());
  if (const View scale = state_.loss_scale.view(); !scale.empty()) {
    const double first[] = {LossScale::kFirst, 0};
    backend_.Upload(*queue_, first, scale);
  }
  stack_->SetParameters(*queue_, state_.parameters.view().Slice(0, layout_.stack_count()));
  return queue_->Finish();
}

absl::Status Trainer::MakeStack(std::string_view saved_choice) {
  const StackExtent extent{
      .steps = config_.steps, .batch = config_.batch, .training = true, .dropout = config_.dropout};
  // The memory of the old one first.
  recorded_step_.reset();
  stack_.reset();
  auto stack = backend_.NewStack(config_.model, extent, saved_choice);
  if (!stack.ok()) return stack.status();
  stack_ = *std::move(stack);
  recorded_step_ = backend_.Record([this](Queue& recording) { EnqueueStep(recording); });
  return absl::OkStatus();
}

absl::Status Trainer::Step() {
  DERIN_CHECK(!done());
  if (state_.step_in_epoch == 0) BeginEpoch();

  // What differs from step to step goes to its place on the device; the recorded step finds it
  // there.
  batches_.Starts(state_.step_in_epoch, absl::MakeSpan(starts_on_host_));
  const double learning_rate =
      state_.learning_rate_factor * LearningRate(config_.learning_rate, state_.step, total_steps_);
  backend_.Upload(*queue_, starts_on_host_.data(), starts_.view());
  backend_.Upload(*queue_, &learning_rate, learning_rate_.view());
  if (const View dropout = dropout_.view(); !dropout.empty()) {
    const uint64_t draw[] = {config_.seed, static_cast<uint64_t>(state_.step)};
    backend_.Upload(*queue_, draw, dropout);
  }
  recorded_step_->Run(*queue_);

  const int slot = static_cast<int>(state_.step % kRing);
  backend_.Copy(*queue_, step_figures_.view(), ring_.view().Slice(slot * kFigures, kFigures));
  pending_[slot] = {queue_->Signal(), learning_rate};
  ++state_.step;
  ++state_.step_in_epoch;
  if (state_.step_in_epoch == batches_.steps_in_epoch()) return EndEpoch();
  if (ValidationIsDue()) return ValidateWithinEpoch();
  return CollectFigures(backend_.capabilities().synchronous ? state_.step : state_.step - 2);
}

// Only enqueues, and always the same operations on the same views, so that a device can record it
// once and replay it.
void Trainer::EnqueueStep(Queue& queue) {
  const View parameters = state_.parameters.view(), gradients = gradients_.view();
  const HeadViews head = Head(parameters), d_head = Head(gradients);
  const size_t stack_count = layout_.stack_count();

  backend_.GatherWindow(queue, text_.trained().view(), starts_.view(), tokens_.view(),
                        targets_.view());
  if (config_.partition == Partition::kRandom) backend_.Zero(queue, state_.hidden.view());
  stack_->Forward(queue, ForwardMode::kTraining, config_.steps, config_.batch, tokens_.view(),
                  state_.hidden.view(), hidden_out_.view(), top_.view(), dropout_.view());
  backend_.ProjectAndLoss(queue, top_.view(), head, targets_.view(),
                          step_figures_.view().Slice(0, 2), d_top_.view(), d_head);
  const View loss_scale = state_.loss_scale.view();
  stack_->Backward(queue, d_top_.view(), loss_scale, gradients.Slice(0, stack_count));
  if (!loss_scale.empty()) {
    backend_.Copy(queue, loss_scale.Slice(0, 1), step_figures_.view().Slice(3, 1));
  }

  const View squared_norm = step_figures_.view().Slice(2, 1);
  backend_.SquaredNorm(queue, gradients, squared_norm);
  backend_.Update(queue, config_.optimizer,
                  {.parameters = parameters,
                   .gradients = gradients,
                   .moment1 = state_.moment1.view(),
                   .moment2 = state_.moment2.view(),
                   .learning_rate = learning_rate_.view(),
                   .squared_norm = squared_norm,
                   .step = state_.optimizer_step.view(),
                   .loss_scale = loss_scale});
  stack_->SetParameters(queue, parameters.Slice(0, stack_count));
  backend_.Copy(queue, hidden_out_.view(), state_.hidden.view());
}

HeadViews Trainer::Head(View flat) const {
  const Slice &weight = layout_.head_weight(), &bias = layout_.head_bias();
  return {flat.Slice(weight.offset, weight.count), flat.Slice(bias.offset, bias.count)};
}

void Trainer::BeginEpoch() {
  batches_.StartEpoch(state_.epoch);
  backend_.Zero(*queue_, state_.hidden.view());
  state_.progress.epoch = state_.epoch;
  state_.progress.epoch_loss = {};
}

absl::Status Trainer::EndEpoch() {
  if (absl::Status status = CollectFigures(state_.step); !status.ok()) return status;
  ++state_.epoch;
  state_.step_in_epoch = 0;
  TrainerProgress& progress = state_.progress;
  progress.epoch = state_.epoch;
  progress.epoch_perplexity = progress.epoch_loss.Perplexity();
  const std::optional<double> best_before = progress.best_perplexity;
  if (absl::Status status = Validate(); !status.ok()) return status;
  const double judged = MeasuredPerplexity().value_or(kInfinity);
  const bool better = !best_before || judged < *best_before;
  if (better) progress.best_perplexity = judged;
  progress.epochs_without_better =
      better || progress.better_in_epoch > 0 ? 0 : progress.epochs_without_better + 1;
  progress.better_in_epoch = 0;
  return absl::OkStatus();
}

bool Trainer::AreMeasured() const {
  if (state_.step == 0) return false;
  return state_.step_in_epoch == 0 || state_.progress.measured_step == state_.step;
}

bool Trainer::ValidationIsDue() const {
  const int64_t interval = config_.validation_interval;
  return state_.step == total_steps_ ||
         (evaluator_ != nullptr && interval > 0 && state_.step % interval == 0);
}

absl::Status Trainer::EndHere() {
  return AreMeasured() || state_.step == 0 ? absl::OkStatus() : ValidateWithinEpoch();
}

absl::Status Trainer::ValidateWithinEpoch() {
  if (absl::Status status = CollectFigures(state_.step); !status.ok()) return status;
  const std::optional<double> best_before = state_.progress.best_perplexity;
  absl::Status status = Validate();
  if (state_.progress.best_perplexity != best_before) ++state_.progress.better_in_epoch;
  return status;
}

absl::Status Trainer::Validate() {
  TrainerProgress& progress = state_.progress;
  if (evaluator_ == nullptr) {
    // The last weights are published, whether they are the best or not.
    progress.publishable_perplexity = progress.epoch_loss.Perplexity();
    return absl::OkStatus();
  }
  auto loss = evaluator_->Evaluate(*queue_, *stack_, state_.parameters.view());
  if (!loss.ok()) return loss.status();
  // The state goes on through all of the held-out text, and may overflow there where it does not
  // within a window: no other perplexity is worse, and a NaN would be neither better nor worse.
  const double measured = loss->Perplexity();
  const double perplexity = std::isnan(measured) ? kInfinity : measured;
  progress.validation_perplexity = perplexity;
  progress.measured_step = state_.step;
  if (progress.best_perplexity && perplexity >= *progress.best_perplexity) return absl::OkStatus();
  progress.best_perplexity = perplexity;
  progress.publishable_perplexity = progress.epoch_loss.Perplexity();
  backend_.Copy(*queue_, state_.parameters.view(), state_.best_parameters.view());
  return absl::OkStatus();
}

std::optional<double> Trainer::MeasuredPerplexity() const {
  if (!AreMeasured()) return std::nullopt;
  const TrainerProgress& progress = state_.progress;
  return evaluator_ != nullptr ? progress.validation_perplexity : progress.epoch_perplexity;
}

TrainingEnd Trainer::end() const {
  const EarlyEnds& ends = config_.early_ends;
  // What this training goes on from is no end of its own.
  const bool has_trained = state_.step > ends.first_step;
  const bool epoch_is_over = has_trained && state_.step_in_epoch == 0;
  if (has_trained && MeasuredPerplexity().value_or(kInfinity) <= ends.target_perplexity) {
    return TrainingEnd::kTargetReached;
  }
  if (state_.epoch == config_.epochs) return TrainingEnd::kEpochs;
  if (state_.step == total_steps_) return TrainingEnd::kMaxSteps;
  const bool patient =
      ends.patience_epochs == 0 || state_.progress.epochs_without_better < ends.patience_epochs;
  return epoch_is_over && !patient ? TrainingEnd::kNoImprovement : TrainingEnd::kNone;
}

absl::Status Trainer::CollectFigures(int64_t until_step) {
  TrainerProgress& progress = state_.progress;
  while (progress.step < until_step) {
    const int slot = static_cast<int>(progress.step % kRing);
    if (absl::Status status = queue_->Wait(pending_[slot].ticket); !status.ok()) return status;
    const double* figures = ring_.view().As<double>() + slot * kFigures;
    const bool skipped = !std::isfinite(figures[2]) && figures[3] > LossScale::kLeast;
    if (!std::isfinite(figures[0]) || !(std::isfinite(figures[2]) || skipped)) {
      return absl::OutOfRangeError(
          absl::StrFormat("the training diverged at step %d: its loss is %g nats and its "
                          "gradient's squared norm %g",
                          progress.step + 1, figures[0], figures[2]));
    }
    ++progress.step;
    progress.tokens += static_cast<int64_t>(figures[1]);
    progress.epoch_loss.nats += figures[0];
    progress.epoch_loss.tokens += static_cast<int64_t>(figures[1]);
    if (!skipped) progress.gradient_norm = std::sqrt(figures[2]);
    progress.learning_rate = pending_[slot].learning_rate;
  }
  return absl::OkStatus();
}

absl::StatusOr<TrainerSnapshot> Trainer::Snapshot() {
  if (config_.model.precision == Precision::kF64) {
    return absl::UnimplementedError("checkpoints hold f32; this training is in f64");
  }
  if (absl::Status status = CollectFigures(state_.step); !status.ok()) return status;
  TrainerSnapshot snapshot{.step = state_.step,
                           .epoch = state_.epoch,
                           .step_in_epoch = state_.step_in_epoch,
                           .learning_rate_factor = state_.learning_rate_factor,
                           .progress = state_.progress};
  snapshot.choice = std::string(stack_->choice());
  const std::pair<const Buffer*, std::vector<float>*> parts[] = {
      {&state_.parameters, &snapshot.parameters},
      {&state_.moment1, &snapshot.moment1},
      {&state_.moment2, &snapshot.moment2},
      {&state_.hidden, &snapshot.hidden},
      {&state_.loss_scale, &snapshot.loss_scale},
      {&state_.best_parameters, &snapshot.best_parameters}};
  for (const auto& [buffer, values] : parts) {
    values->resize(buffer->view().count);
    if (absl::Status status =
            DownloadReals(backend_, *queue_, buffer->view(), absl::MakeSpan(*values));
        !status.ok()) {
      return status;
    }
  }
  const absl::Status status =
      backend_.Download(*queue_, state_.optimizer_step.view(), &snapshot.optimizer_step);
  if (!status.ok()) return status;
  return snapshot;
}

absl::Status Trainer::CheckSnapshot(const TrainerSnapshot& snapshot) const {
  const auto wanted = [](const char* field, int64_t got, int64_t wanted) {
    return got == wanted ? absl::OkStatus()
                         : absl::InvalidArgumentError(absl::StrFormat(
                               "%s of the snapshot: got %d, wanted %d", field, got, wanted));
  };
  const auto elements = [&](const char* field, const std::vector<float>& got, const Buffer& place) {
    return wanted(field, static_cast<int64_t>(got.size()),
                  static_cast<int64_t>(place.view().count));
  };
  absl::Status status = elements("parameters", snapshot.parameters, state_.parameters);
  status.Update(elements("moment1", snapshot.moment1, state_.moment1));
  status.Update(elements("moment2", snapshot.moment2, state_.moment2));
  status.Update(elements("hidden", snapshot.hidden, state_.hidden));
  status.Update(elements("best_parameters", snapshot.best_parameters, state_.best_parameters));
  status.Update(elements("loss_scale", snapshot.loss_scale, state_.loss_scale));
  if (!status.ok()) return status;
  if (!snapshot.loss_scale.empty() &&
      !(snapshot.loss_scale[0] >= LossScale::kLeast && snapshot.loss_scale[0] <= LossScale::kMost &&
        snapshot.loss_scale[1] >= 0 && snapshot.loss_scale[1] < LossScale::kGrowthInterval)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("loss_scale of the snapshot: got %g after %g good steps, wanted %g to %g "
                        "after less than %d",
                        snapshot.loss_scale[0], snapshot.loss_scale[1], LossScale::kLeast,
                        LossScale::kMost, LossScale::kGrowthInterval));
  }
  if (snapshot.epoch < 0 || snapshot.epoch > config_.epochs) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "epoch of the snapshot: got %d, wanted 0 to %d", snapshot.epoch, config_.epochs));
  }
  const int64_t in_epoch =
      snapshot.epoch < config_.epochs ? batches_.StepsInEpoch(snapshot.epoch) : 1;
  if (snapshot.step_in_epoch < 0 || snapshot.step_in_epoch >= in_epoch) {
    return absl::InvalidArgumentError(
        absl::StrFormat("step_in_epoch of the snapshot: got %d, wanted 0 to %d",
                        snapshot.step_in_epoch, in_epoch - 1));
  }
  const int64_t steps = batches_.StepsInEpochs(snapshot.epoch) + snapshot.step_in_epoch;
  status = wanted("step", snapshot.step, steps);
  status.Update(wanted("progress.step", snapshot.progress.step, steps));
  if (snapshot.optimizer_step < 0 || snapshot.optimizer_step > steps) {
    status.Update(absl::InvalidArgumentError(absl::StrFormat(
        "optimizer_step of the snapshot: got %d, wanted 0 to %d", snapshot.optimizer_step, steps)));
  }
  if (!(snapshot.learning_rate_factor > 0 && snapshot.learning_rate_factor <= 1)) {
    status.Update(absl::InvalidArgumentError(
        absl::StrFormat("learning_rate_factor of the snapshot: got %g, wanted above 0 to 1",
                        snapshot.learning_rate_factor)));
  }
  return status;
}

absl::Status Trainer::Restore(const TrainerSnapshot& snapshot) {
  if (absl::Status status = CheckSnapshot(snapshot); !status.ok()) return status;
  if (!snapshot.choice.empty() && snapshot.choice != stack_->choice()) {
    // Steps under way use the stack that goes.
    if (absl::Status status = queue_->Finish(); !status.ok()) return status;
    if (absl::Status status = MakeStack(snapshot.choice); !status.ok()) return status;
  }
  state_.step = snapshot.step;
  state_.epoch = snapshot.epoch;
  state_.step_in_epoch = snapshot.step_in_epoch;
  state_.learning_rate_factor = snapshot.learning_rate_factor;
  state_.progress = snapshot.progress;
  // An epoch that has yet to begin is begun by its first step.
  if (state_.step_in_epoch > 0) batches_.StartEpoch(state_.epoch);
  UploadReals(backend_, *queue_, snapshot.parameters, state_.parameters.view());
  UploadReals(backend_, *queue_, snapshot.moment1, state_.moment1.view());
  UploadReals(backend_, *queue_, snapshot.moment2, state_.moment2.view());
  UploadReals(backend_, *queue_, snapshot.hidden, state_.hidden.view());
  UploadReals(backend_, *queue_, snapshot.loss_scale, state_.loss_scale.view());
  UploadReals(backend_, *queue_, snapshot.best_parameters, state_.best_parameters.view());
  backend_.Upload(*queue_, &snapshot.optimizer_step, state_.optimizer_step.view());
  stack_->SetParameters(*queue_, state_.parameters.view().Slice(0, layout_.stack_count()));
  return queue_->Finish();
}

void Trainer::LowerLearningRate(double factor) {
  DERIN_CHECK(factor > 0 && factor <= 1);
  state_.learning_rate_factor *= factor;
}

double Trainer::FractionDone() const {
  return static_cast<double>(state_.step) / static_cast<double>(total_steps_);
}

absl::StatusOr<Parameters> Trainer::PublishableParameters() {
  const bool best = evaluator_ != nullptr && state_.progress.best_perplexity.has_value();
  return ParametersFrom(best ? state_.best_parameters : state_.parameters);
}

absl::StatusOr<Parameters> Trainer::ParametersFrom(const Buffer& flat) {
  Parameters parameters{layout_, std::vector<float>(layout_.count())};
  if (absl::Status status =
          DownloadReals(backend_, *queue_, flat.view(), absl::MakeSpan(parameters.values));
      !status.ok()) {
    return status;
  }
  return parameters;
}

}  // namespace derin
