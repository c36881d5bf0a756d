#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/backend/backend.h"
#include "model/network/parameters.h"
#include "model/text/batch_mix.h"
#include "model/training/evaluator.h"
#include "model/training/learning_rate.h"
#include "model/training/loss_total.h"
#include "model/training/training_end.h"
#include "model/training/training_tokens.h"

namespace derin {

struct TrainingConfig {
  StackConfig model;
  OptimizerConfig optimizer;
  LearningRateConfig learning_rate;
  int batch = 32;  // B
  int steps = 35;  // T
  Partition partition = Partition::kSequential;
  // The texts that are trained on, one behind the other, without what is held out, and how many
  // rows read each, B in all.
  // Empty: one text.
  std::vector<BatchPart> parts;
  int64_t epochs = 500;
  EarlyEnds early_ends;
  // So many tokens of the text are held out for validation: 0, or 2 and more.
  int64_t held_out_tokens = 0;
  // Steps between two validations besides those after each epoch; 0: there are none.
  int64_t validation_interval = 0;
  // Share of each layer's output, but the last one's, that a step drops, in [0, 1).
  double dropout = 0;
  uint64_t seed = 0;  // of offsets, shuffles and what is dropped
};

// What is known about a training so far.
struct TrainerProgress {
  int64_t epoch = 0;     // under way, counting from 0; the number of epochs once done
  int64_t step = 0;      // optimiser steps whose losses have come back
  int64_t tokens = 0;    // target tokens of those
  LossTotal epoch_loss;  // of the epoch under way
  std::optional<double> epoch_perplexity;  // of the last whole epoch's own training pass
  std::optional<double>
      validation_perplexity;  // over the held-out tokens, when they were last measured
  std::optional<double>
      best_perplexity;  // lowest of validation where tokens are held out, else of whole epochs
  int64_t epochs_without_better = 0;  // whole ones in a row up to the last, that left it as it was
  int64_t better_in_epoch = 0;        // validations within the epoch under way that lowered it
  int64_t measured_step = 0;          // after which the held-out tokens were measured last
  // Of the epoch whose weights PublishableParameters() gives: its own training pass up to them.
  std::optional<double> publishable_perplexity;
  double learning_rate = 0;  // of the last step
  double gradient_norm = 0;  // of the last step, before clipping
};

// All that the next step depends on, besides the configuration and the text.
struct TrainerState {
  Buffer parameters, moment1, moment2;  // flat, as ParameterLayout
  Buffer optimizer_step;                // i64 [1]
  Buffer loss_scale;                    // of UpdateViews
  Buffer hidden;                        // carried from minibatch to minibatch, [S, L, B, H]
  Buffer best_parameters;  // of the best validation perplexity; empty when nothing is held out
  int64_t step = 0;        // enqueued so far
  int64_t epoch = 0;
  int64_t step_in_epoch = 0;
  double learning_rate_factor = 1;  // of all rates that the schedule gives
  TrainerProgress progress;
};

// A TrainerState on the host, between two steps: what a checkpoint saves. Goes on bit for bit on
// another trainer of the same configuration, text and engine.
struct TrainerSnapshot {
  std::vector<float> parameters, moment1, moment2;  // each empty or as ParameterLayout
  std::vector<float> hidden;                        // [S, L, B, H]
  std::vector<float> best_parameters;
  std::vector<float> loss_scale;  // of UpdateViews, exact in f32
  std::string choice;             // RecurrentStack::choice()
  int64_t optimizer_step = 0;     // updates done, at most `step`: a skipped one does not count
  int64_t step = 0;
  int64_t epoch = 0;
  int64_t step_in_epoch = 0;
  double learning_rate_factor = 1;
  TrainerProgress progress;  // with the figures of all steps
};

// Trains one model on one text. One thread at a time.
class Trainer {
 public:
  // How minibatches are cut from so many tokens that are trained on.
  static BatchMixConfig BatchesOf(const TrainingConfig& config, int64_t trained);

  // `tokens` are on `backend`, and as many of them held out as `config` says. FAILED_PRECONDITION
  // when they are too few (see BatchMix::Validate); RESOURCE_EXHAUSTED with the bytes wanted and
  // free.
  static absl::StatusOr<std::unique_ptr<Trainer>> Create(Backend& backend,
                                                         const TrainingConfig& config,
                                                         TrainingTokens tokens,
                                                         const Parameters& initial);
  // The same of tokens on the host, the last of which are held out.
  static absl::StatusOr<std::unique_ptr<Trainer>> Create(Backend& backend,
                                                         const TrainingConfig& config,
                                                         absl::Span<const int32_t> tokens,
                                                         const Parameters& initial);

  // One minibatch: forward, loss, backward, clip, update. After the last one of an epoch, of the
  // training, or of an interval between validations also the validation. Losses come back at most
  // two steps late, and all at an epoch's end. OUT_OF_RANGE with the step when the loss or the
  // gradient is not finite: the training diverged. With a loss scale that can still fall, a
  // gradient that is not finite is a step that was skipped.
  absl::Status Step();
  bool done() const { return end() != TrainingEnd::kNone; }
  // What has ended the training; of several, the first that TrainingEnd names. Follows from the
  // configuration and from what a snapshot holds.
  TrainingEnd end() const;
  // The caller ends the training here: the validation, unless the step before made it, and all
  // losses.
  absl::Status EndHere();
  // Whether the weights are those that progress() has the perplexity of: of the held-out tokens, or
  // where there are none of a whole epoch.
  bool AreMeasured() const;
  // That perplexity, by which the weights are judged; empty where they are not measured.
  std::optional<double> MeasuredPerplexity() const;
  // Waits for all that is enqueued; the figures of all steps have come back then. Errors as Step's.
  absl::Status AwaitSteps() { return CollectFigures(state_.step); }

  const TrainerProgress& progress() const { return state_.progress; }
  int64_t steps_enqueued() const { return state_.step; }  // of progress().step or a little more
  int64_t steps() const { return total_steps_; }  // in all epochs, or up to the last that may be
  // Share of the work that is enqueued, in [0, 1].
  double FractionDone() const;

  // How the stack is computed: see RecurrentStack::choice.
  std::string_view choice() const { return stack_->choice(); }

  // Waits for all that is enqueued. UNIMPLEMENTED for f64, whose numbers no file holds.
  absl::StatusOr<TrainerSnapshot> Snapshot();
  // Goes on from there, whatever it was doing. INVALID_ARGUMENT, naming the field, when the
  // snapshot is not one of this configuration and text; the trainer is as before then. Takes the
  // snapshot's choice of how the stack is computed, where the backend still can.
  absl::Status Restore(const TrainerSnapshot& snapshot);

  // From the next step on every learning rate is `factor` times what it would have been, in (0, 1].
  // Snapshots hold it.
  void LowerLearningRate(double factor);
  double learning_rate_factor() const { return state_.learning_rate_factor; }

  // The weights as they are.
  absl::StatusOr<Parameters> LastParameters() { return ParametersFrom(state_.parameters); }
  // What is worth publishing now: the weights of the best validation perplexity where held-out
  // tokens were measured, else the last.
  absl::StatusOr<Parameters> PublishableParameters();

 private:
  Trainer(Backend& backend, const TrainingConfig& config, const BatchMixConfig& batches,
          TrainingTokens tokens);
  absl::Status Allocate(const Parameters& initial);
  // The stack with an earlier choice, or one of its own.
  absl::Status MakeStack(std::string_view saved_choice);
  void EnqueueStep(Queue& queue);
  absl::Status CheckSnapshot(const TrainerSnapshot& snapshot) const;
  void BeginEpoch();
  absl::Status EndEpoch();
  bool ValidationIsDue() const;
  absl::Status ValidateWithinEpoch();
  // Measures the weights on the held-out tokens, if there are any, and keeps the best.
  absl::Status Validate();
  // Waits for the figures of steps below `until_step` and adds them to the progress.
  absl::Status CollectFigures(int64_t until_step);
  absl::StatusOr<Parameters> ParametersFrom(const Buffer& flat);
  // The head's part of a flat buffer.
  HeadViews Head(View flat) const;

  Backend& backend_;
  const TrainingConfig config_;
  const ParameterLayout layout_;
  BatchMix batches_;
  int64_t total_steps_ = 0;
  TrainerState state_;
  const TrainingTokens text_;

  std::unique_ptr<RecurrentStack> stack_;
  std::unique_ptr<Recording> recorded_step_;
  std::unique_ptr<Evaluator> evaluator_;  // null when nothing is held out
  // What changes from step to step; the last is i64 [2], of RecurrentStack::Forward, or empty.
  Buffer starts_, learning_rate_, dropout_;
  Buffer tokens_, targets_, top_, d_top_, hidden_out_, gradients_, step_figures_;
  std::vector<int64_t> starts_on_host_;

  // Figures of the last few steps on their way back: nats, target tokens, squared norm of the
  // gradient, the loss scale it was computed with (0 where there is none).
  static constexpr int kFigures = 4;
  struct PendingStep {
    Queue::Ticket ticket = 0;
    double learning_rate = 0;
  };
  static constexpr int kRing = 4;
  Buffer ring_;  // host, f64 [kRing, kFigures]
  PendingStep pending_[kRing];

  // The last, so that it goes first: its end waits for the steps under way, which use all above.
  std::unique_ptr<Queue> queue_;
};

}  // namespace derin
