#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "derin/client/model.h"

namespace derin::client {

// How windows are cut from the text.
enum class Partition {
  // In a request the server's default, sequential; in a reply a value that this client does not
  // know.
  kUnspecified,
  // Each row of a minibatch reads one contiguous part of the text, the hidden state is carried.
  kSequential,
  // Windows in shuffled order, each from a zero state.
  kRandom,
};

// Stochastic gradient descent.
struct Sgd {
  // Share of the last step's direction that goes on into the next, in [0, 1); default 0.
  std::optional<double> momentum;

  bool operator==(const Sgd&) const = default;
};

struct Adam {
  // Decay of the first moment, in [0, 0.999999]; default 0.9.
  std::optional<double> beta1;
  // Decay of the second moment, in [0, 0.999999]; default 0.999.
  std::optional<double> beta2;
  // Added to the root of the second moment, 1e-30 or more; default 1e-8.
  std::optional<double> epsilon;

  bool operator==(const Adam&) const = default;
};

// Adam, and all parameters shrink besides.
struct AdamW {
  // As Adam's.
  std::optional<double> beta1;
  std::optional<double> beta2;
  std::optional<double> epsilon;
  // Each step takes learning rate times this from every parameter, as a share of it, in [0, 1];
  // default 0.01.
  std::optional<double> weight_decay;

  bool operator==(const AdamW&) const = default;
};

using Optimizer = std::variant<Sgd, Adam, AdamW>;

struct LearningRate {
  // What happens after the warm-up.
  enum class Schedule {
    // In a request the server's default, constant; in a reply a value that this client does not
    // know.
    kUnspecified,
    // `peak` for ever.
    kConstant,
    // From `peak` to `final_share` times `peak` along half a cosine that ends with the last step.
    kCosine,
  };
  // The highest rate, above 0 and at most 1,000; default 2 for SGD, 0.001 for the others.
  std::optional<double> peak;
  Schedule schedule = Schedule::kUnspecified;
  // Optimiser steps over which the rate rises linearly to `peak`, 0 to 1,000,000; default 0.
  std::optional<int64_t> warmup_steps;
  // Only with kCosine, in [0, 1]; default 0.
  std::optional<double> final_share;

  bool operator==(const LearningRate&) const = default;
};

// What a training begins with in place of drawn weights; the network comes from there. One of the
// first two is set.
struct StartFrom {
  // `trainingJobs/ID/checkpoints/STEP`. What the specification leaves unset is that of its job.
  std::string training_checkpoint;
  // `models/ID/versions/N`, `models/ID/aliases/ALIAS`, or `models/ID` for its latest.
  std::string model_version;
  // Of a checkpoint, take the weights alone: begin at step 0 with a fresh optimiser. Else the
  // training goes on as its job would have.
  bool weights_only = false;

  bool operator==(const StartFrom&) const = default;
};

// Text that is drawn from the weights while they are trained.
struct TrainingSample {
  // What the text continues; UTF-8, 1 to 1,024 bytes.
  std::string prompt;
  // Tokens to draw, 1 to 1,024; default 100.
  std::optional<int32_t> tokens;
  // 0 to 100; default 0.8.
  std::optional<double> temperature;
  // Time of training between two of them, 1 s to 24 h; default 10 s.
  std::optional<absl::Duration> interval;

  bool operator==(const TrainingSample&) const = default;
};

// Which words a model knows whose tokens are words: the most frequent ones of its corpora.
struct WordSettings {
  // Tokens at most, `<unk>` included: up to 65,536 with an embedding, 1,024 without; default
  // 10,000, or 1,024. In replies how many there are.
  std::optional<int32_t> max_vocabulary;
  // Those that the corpus has so often; default 1.
  std::optional<int64_t> min_count;

  bool operator==(const WordSettings&) const = default;
};

// Which tokens are held out for validation.
enum class ValidationSplit {
  // In a request the server's default, position; in a reply a value that this client does not know.
  kUnspecified,
  // The last ones.
  kPosition,
  // Whole documents, drawn by the seed.
  kDocuments,
  // Blocks of `validation_block` tokens, drawn by the seed.
  kBlocks,
};

// A text among several that a model is trained on.
struct WeightedCorpus {
  // `corpora/ID`; required.
  std::string corpus;
  // Above 0 and at most 1,000,000; default 1.
  std::optional<double> weight;

  bool operator==(const WeightedCorpus&) const = default;
};

// What to train, on what, and how. Unset fields mean the server's defaults; in replies they are
// resolved.
struct TrainingSpec {
  // `corpora/ID`; required.
  std::string corpus;
  // Further texts; each has rows of every minibatch in proportion to its weight. 63 at most.
  std::vector<WeightedCorpus> more_corpora;
  // That of `corpus` beside those. Above 0 and at most 1,000,000; default 1 with more_corpora, else
  // none.
  std::optional<double> corpus_weight;
  // `models/ID`; required. Made when the job is created, unless it exists.
  std::string model;
  ModelConfig config;
  // Train on the first so many tokens of each corpus only, held-out ones included; at least 2.
  // Default: all.
  std::optional<int64_t> max_tokens;
  // Share of those tokens that is held out for validation, in [0, 0.5]; default 0.
  std::optional<double> validation_share;
  ValidationSplit validation_split = ValidationSplit::kUnspecified;
  // 256 to 2^30; default 1,024 with ValidationSplit::kBlocks, else none.
  std::optional<int32_t> validation_block;
  // Optimiser steps between two validations besides those after each epoch, up to 1e12; default 0:
  // there are none.
  std::optional<int64_t> validation_interval;
  // Rows of a minibatch, 1 to 512; default 32.
  std::optional<int32_t> batch;
  // Time steps of a window through which gradients flow, 1 to 1,024; default 35.
  std::optional<int32_t> steps;
  Partition partition = Partition::kUnspecified;
  // Default: SGD.
  std::optional<Optimizer> optimizer;
  LearningRate learning_rate;
  // Gradients are scaled down to this global norm when theirs is above it; above 0. Default 1.
  std::optional<double> clip;
  // Passes over the text, 1 to 1,000,000; default 500.
  std::optional<int64_t> epochs;
  // What else ends the training, whichever comes first. 0, the default, means no such end.
  // Optimiser steps of this job, up to 1e12.
  std::optional<int64_t> max_steps;
  // Target tokens that this job trains on, up to 1e15.
  std::optional<int64_t> max_trained_tokens;
  // Time of training of this job, all attempts together, 1 s to 10,000 h.
  std::optional<absl::Duration> max_training_time;
  // The perplexity where it is measured, over the held-out tokens where there are any; at least 1.
  std::optional<double> target_perplexity;
  // Epochs in a row without a lower one, up to 1,000,000.
  std::optional<int64_t> patience_epochs;
  // Of initial weights, offsets, shuffles and dropout. Default: drawn by the server.
  std::optional<uint64_t> seed;
  // Time of training between two checkpoints, 1 s to 24 h; default 60 s.
  std::optional<absl::Duration> checkpoint_interval;
  // How many of them are kept, the newest ones; 1 to 100, default 2.
  std::optional<int32_t> checkpoints_to_keep;
  // The best ones are kept, too, each written where it is measured to be better than all before;
  // 0 to 100, default 0.
  std::optional<int32_t> best_checkpoints_to_keep;
  // Default: drawn weights. From a checkpoint, `corpus` and `model` are not required.
  std::optional<StartFrom> start_from;
  // Only of an LSTM whose weights are drawn: what the forget gates' biases begin with, -100 to 100.
  // Default: drawn.
  std::optional<double> forget_bias;
  // Share of each layer's output, but the last one's, that a step drops, in [0, 1); default 0.
  std::optional<double> dropout;
  // When the training diverges, go back once and on at a tenth of the learning rate.
  bool recover_from_divergence = false;
  // Default: no text is drawn.
  std::optional<TrainingSample> sample;
  // Only when tokens are words.
  std::optional<WordSettings> words;

  bool operator==(const TrainingSpec&) const = default;
};

enum class JobState {
  // A value that this client does not know.
  kUnspecified,
  // Waits for the device.
  kQueued,
  kRunning,
  // Asked to end; does so at its next step.
  kCancelling,
  // The three that are final.
  kSucceeded,
  kFailed,
  kCancelled,
  // Asked to pause; does so after its next step, once a checkpoint is written.
  kPausing,
  // Waits to be resumed; holds no device.
  kPaused,
};

// True for the states that a job never leaves.
constexpr bool IsOver(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed ||
         state == JobState::kCancelled;
}

// A text that was drawn in training.
struct DrawnSample {
  // Optimiser steps that the weights have had.
  int64_t step = 0;
  // What continues the prompt.
  std::string text;
};

// Where a job stands. Perplexity is exp(total cross-entropy in nats / number of target tokens).
struct TrainingProgress {
  // The attempt it belongs to, counting from 1.
  int32_t attempt = 0;
  // The epoch under way, counting from 1, and how many there will be at most.
  int64_t epoch = 0;
  int64_t epochs = 0;
  // Optimiser steps done, and how many there will be at most.
  int64_t step = 0;
  int64_t steps = 0;
  // Target tokens trained on so far.
  int64_t tokens = 0;
  // Mean cross-entropy in nats per token, and its exp, over the epoch under way up to `step`.
  double training_loss = 0;
  double training_perplexity = 0;
  // Of the last whole epoch's own training pass; unset during the first.
  std::optional<double> epoch_training_perplexity;
  // Over the held-out tokens when they were last measured; unset before the first time, and when
  // there are none.
  std::optional<double> validation_perplexity;
  // The lowest so far: of validation where tokens are held out, else of whole epochs' training
  // passes.
  std::optional<double> best_perplexity;
  // Of the last step.
  double learning_rate = 0;
  // Global norm of the last step's gradients before clipping.
  double gradient_norm = 0;
  // Target tokens per second, over the last few seconds.
  double tokens_per_second = 0;
  // In [0, 1], of all steps or of the time to train, whichever is more.
  double fraction_done = 0;
  // At that rate, until the steps or the time to train end; unset while unknown.
  std::optional<absl::Duration> time_left;
  // That the job's training took so far, all attempts together; unset where the server does not
  // say.
  std::optional<absl::Duration> training_time;
  // The newest that this attempt drew.
  std::optional<DrawnSample> sample;
};

struct TrainingJob {
  // `trainingJobs/ID`.
  std::string name;
  TrainingSpec spec;
  JobState state = JobState::kUnspecified;
  // Of a job that is over: a code for machines (COMPLETED, MAX_STEPS, TARGET_REACHED, CANCELLED,
  // DIVERGED, ...) and a sentence for people.
  std::string reason;
  std::string message;
  std::optional<absl::Time> create_time;
  // When the current attempt began; unset while it never ran.
  std::optional<absl::Time> start_time;
  // Set when the job is over.
  std::optional<absl::Time> end_time;
  // How often it was started; 0 while it never was.
  int32_t attempt = 0;
  // The last that is known.
  std::optional<TrainingProgress> progress;
  // `models/ID/versions/N`, once it succeeded; empty before.
  std::string model_version;
  int64_t parameter_count = 0;
  // Number of the newest event.
  int64_t last_sequence = 0;
  // The caller that created it; `local` where the server had no tokens.
  std::string owner;
  // Words of the callers' own, to find jobs by.
  std::map<std::string, std::string> labels;
  // Of the jobs that wait, that with the highest begins first; of those that with the earliest
  // queue time, when it was created or yielded.
  int32_t priority = 0;
  std::optional<absl::Time> queue_time;
  // How much of the training's time on the device it gets beside other jobs that run: in proportion
  // to this, 1 to 100.
  int32_t share = 1;
  // Why a queued job does not run yet, a sentence for people; else empty.
  std::string waiting_reason;
  // Of the device, that its training takes at most; 0 where the server does not say.
  int64_t memory_bytes = 0;
  // Target tokens of the first epoch; 0 where the server does not say.
  int64_t tokens_per_epoch = 0;
  // That its training will take; only of a job that was only to be validated, and where the device
  // had room to try.
  std::optional<absl::Duration> estimated_training_time;
  // Of the W3C trace that the call which created it belonged to; empty where it named none.
  std::string trace_id;
};

// What can be changed of a job that is there.
struct TrainingJobEdit {
  // -100 to 100.
  std::optional<int32_t> priority;
  // 1 to 100.
  std::optional<int32_t> share;
  std::map<std::string, std::string> set_labels;
  std::vector<std::string> remove_labels;
};

// Where a job can go on from.
struct TrainingCheckpoint {
  // `trainingJobs/ID/checkpoints/STEP`.
  std::string name;
  // Optimiser steps done.
  int64_t step = 0;
  // The job's attempt that wrote it.
  int32_t attempt = 0;
  std::optional<absl::Time> create_time;
  // Of its two files together.
  int64_t size_bytes = 0;
  // Id of the engine that trained it so far.
  std::string engine_id;
  // Of the epoch under way, up to `step`; unset at step 0.
  std::optional<double> training_perplexity;
  // Over the held-out tokens when they were last measured; unset before the first time, and when
  // there are none.
  std::optional<double> validation_perplexity;
  // Of these very weights, over the held-out tokens where there are any, else of the epoch that
  // `step` ends; unset where they were not measured.
  std::optional<double> measured_perplexity;
  // Of the text that it was trained on, as in Corpus::sha256.
  std::string corpus_sha256;
  // That the job's training took up to `step`; unset where the server does not say.
  std::optional<absl::Duration> training_time;
};

// One point of a job's curve.
struct TrainingMetrics {
  // Optimiser steps done.
  int64_t step = 0;
  // The job's attempt then.
  int32_t attempt = 0;
  // Whole epochs done.
  int64_t epochs_done = 0;
  // Target tokens trained on until then.
  int64_t tokens = 0;
  std::optional<absl::Time> time;
  // Mean cross-entropy in nats per token over the steps since the point before, and its exp.
  double training_loss = 0;
  double training_perplexity = 0;
  // Of the last whole epoch's own training pass; unset during the first.
  std::optional<double> epoch_training_perplexity;
  // Over the held-out tokens when they were last measured; unset before the first time, and when
  // there are none.
  std::optional<double> validation_perplexity;
  // Of the last step.
  double learning_rate = 0;
  // Global norm of the last step's gradients before clipping.
  double gradient_norm = 0;
  // Target tokens per second, over the last few seconds before.
  double tokens_per_second = 0;
};

// Something that happened to a job once; numbered from 1 without gaps.
struct TrainingEvent {
  enum class Kind {
    // A value that this client does not know.
    kUnspecified,
    // The job entered `state`.
    kStateChanged,
    // `message` names the model version.
    kPublished,
    // The attempt goes on from the checkpoint at `step`.
    kResumed,
    // The training diverged and goes on from `step` at a lower learning rate.
    kRecovered,
    // The job is the first of those that wait, and there is no memory for it beside those that run.
    kWaiting,
  };
  int64_t sequence = 0;
  int32_t attempt = 0;
  std::optional<absl::Time> time;
  Kind kind = Kind::kUnspecified;
  JobState state = JobState::kUnspecified;
  // Optimiser steps done then.
  int64_t step = 0;
  // A sentence for people.
  std::string message;
};

}  // namespace derin::client
