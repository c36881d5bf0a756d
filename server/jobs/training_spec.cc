#include "server/jobs/training_spec.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/jobs/optimizer_spec.h"
#include "server/jobs/spec_check.h"
#include "server/jobs/validation_split.h"
#include "server/registry/proto_conversion.h"
#include "server/status/error.h"
#include "server/storage/proto_time.h"
#include "server/storage/resource_name.h"

namespace derin::server {

namespace {

constexpr absl::Duration kDefaultCheckpointInterval = absl::Seconds(60);
constexpr int kDefaultCheckpoints = 2;
constexpr absl::Duration kDefaultSampleInterval = absl::Seconds(10);
constexpr size_t kMaxSamplePromptBytes = 1024;
constexpr int64_t kMostSteps = 1'000'000'000'000;
constexpr int64_t kMostTrainedTokens = 1'000'000'000'000'000;
constexpr absl::Duration kLongestTraining = absl::Hours(10'000);

absl::Status ResolveNames(v1::TrainingSpec& spec) {
  if (auto corpus = ParseResourceName(kCorpora, spec.corpus(), SpecField("corpus")); !corpus.ok()) {
    return corpus.status();
  }
  return ParseResourceName(kModels, spec.model(), SpecField("model")).status();
}

absl::Status CheckOffered(Precision precision, const Backend& backend) {
  Capabilities offered = backend.capabilities();
  offered.precisions = OfferedPrecisions(offered.precisions);
  const absl::Status status = CheckPrecision(offered, precision);
  if (status.ok()) return status;
  return InvalidField(SpecField("config.precision"), std::string(status.message()));
}

// The network.
absl::Status ResolveModel(const TrainingTexts& texts, const Backend& backend, TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  auto tokenization = FromProto(spec.config().tokenization(), SpecField("config.tokenization"));
  if (!tokenization.ok()) return tokenization.status();
  int vocabulary = texts.vocabulary_size;
  if (*tokenization == Tokenization::kBytes) vocabulary = Tokenizer::Bytes().vocabulary_size();
  if (*tokenization == Tokenization::kWords) {
    if (vocabulary < 2) {
      return InvalidField(
          SpecField("words.min_count"),
          absl::StrFormat("got %d, and the text has no word so often", spec.words().min_count()));
    }
    spec.mutable_words()->set_max_vocabulary(vocabulary);
  }
  auto model = FromProto(spec.config(), vocabulary, SpecField("config"));
  if (!model.ok()) return model.status();
  if (absl::Status status = CheckOffered(model->precision, backend); !status.ok()) return status;
  plan.config.model = *model;
  plan.parameter_count = ParameterLayout(*model).count();
  *spec.mutable_config() = ToProto(*model, *tokenization);
  return absl::OkStatus();
}

// How many tokens there are for it.
absl::Status ResolveTokens(const TrainingTexts& texts, TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  int64_t most = std::numeric_limits<int64_t>::max();
  if (spec.has_max_tokens()) {
    absl::Status status = CheckInteger("max_tokens", spec.max_tokens(), 2, most);
    if (!status.ok()) return status;
    most = spec.max_tokens();
  }
  for (const TrainingText& text : texts.texts) {
    const std::vector<int64_t> documents = text.DocumentTokens(spec.config().tokenization());
    const int64_t all = std::accumulate(documents.begin(), documents.end(), int64_t{0});
    plan.text_tokens.push_back(std::min(all, most));
    plan.token_count += plan.text_tokens.back();
  }
  spec.set_max_tokens(*std::max_element(plan.text_tokens.begin(), plan.text_tokens.end()));
  return absl::OkStatus();
}

absl::Status ResolvePartition(TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  switch (spec.partition()) {
    case v1::PARTITION_UNSPECIFIED:
    case v1::PARTITION_SEQUENTIAL:
      spec.set_partition(v1::PARTITION_SEQUENTIAL);
      plan.config.partition = Partition::kSequential;
      return absl::OkStatus();
    case v1::PARTITION_RANDOM:
      plan.config.partition = Partition::kRandom;
      return absl::OkStatus();
    default:
      return UnknownValue("partition", spec.partition(),
                          "PARTITION_SEQUENTIAL or PARTITION_RANDOM");
  }
}

// When what is held out is measured, besides after each epoch.
absl::Status ResolveValidationInterval(TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  if (!spec.has_validation_interval()) spec.set_validation_interval(0);
  const int64_t interval = spec.validation_interval();
  plan.config.validation_interval = interval;
  if (absl::Status status = CheckInteger("validation_interval", interval, 0, kMostSteps);
      !status.ok()) {
    return status;
  }
  if (interval == 0 || spec.validation_share() > 0) return absl::OkStatus();
  return InvalidField(SpecField("validation_interval"),
                      absl::StrFormat("got %d, wanted none, since %s is 0", interval,
                                      SpecField("validation_share")));
}

// How minibatches are cut from the text.
absl::Status ResolveBatches(TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  TrainingConfig& config = plan.config;
  if (!spec.has_validation_share()) spec.set_validation_share(0);
  if (!spec.has_batch()) spec.set_batch(config.batch);
  if (!spec.has_steps()) spec.set_steps(config.steps);
  if (!spec.has_epochs()) spec.set_epochs(config.epochs);
  const double share = spec.validation_share();
  for (const absl::Status& status :
       {CheckReal("validation_share", share, share >= 0 && share <= 0.5, "0 to 0.5"),
        CheckInteger("batch", spec.batch(), 1, 512), CheckInteger("steps", spec.steps(), 1, 1024),
        CheckInteger("epochs", spec.epochs(), 1, 1'000'000), ResolvePartition(plan)}) {
    if (!status.ok()) return status;
  }
  config.batch = spec.batch();
  config.steps = spec.steps();
  config.epochs = spec.epochs();
  return absl::OkStatus();
}

// Which rows of a minibatch read which of several texts.
absl::Status ResolveParts(const TrainingTexts& texts, TrainingPlan& plan) {
  if (!texts.several()) return absl::OkStatus();
  const auto count = static_cast<int>(texts.texts.size());
  if (count > plan.config.batch) {
    return InvalidField(SpecField("batch"),
                        absl::StrFormat("got %d, wanted at least a row for each of the %d corpora",
                                        plan.config.batch, count));
  }
  std::vector<double> weights;
  for (const TrainingText& text : texts.texts) weights.push_back(text.weight);
  const std::vector<int> rows = RowsByWeight(weights, plan.config.batch);
  for (size_t i = 0; i < rows.size(); ++i) {
    plan.config.parts.push_back({.token_count = plan.text_tokens[i], .rows = rows[i]});
  }
  return absl::OkStatus();
}

absl::Status ResolveDropout(TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  if (!spec.has_dropout()) spec.set_dropout(0);
  const double share = spec.dropout();
  if (absl::Status status = CheckReal("dropout", share, share >= 0 && share < 1, "0 to below 1");
      !status.ok()) {
    return status;
  }
  if (share > 0 && plan.config.model.layers == 1) {
    return InvalidField(SpecField("dropout"),
                        absl::StrFormat("got %g, wanted 0, since it is between layers and %s is 1",
                                        share, SpecField("config.layers")));
  }
  plan.config.dropout = share;
  return absl::OkStatus();
}

// What the weights are when they are drawn.
absl::Status ResolveInitialWeights(TrainingPlan& plan) {
  const v1::TrainingSpec& spec = plan.spec;
  if (!spec.has_forget_bias()) return absl::OkStatus();
  const double bias = spec.forget_bias();
  if (absl::Status status =
          CheckReal("forget_bias", bias, bias >= -100 && bias <= 100, "-100 to 100");
      !status.ok()) {
    return status;
  }
  if (plan.config.model.cell != Cell::kLstm) {
    return InvalidField(SpecField("forget_bias"),
                        absl::StrFormat("got %g, wanted none, since %s is not CELL_LSTM", bias,
                                        SpecField("config.cell")));
  }
  if (spec.has_start_from()) {
    return InvalidField(SpecField("forget_bias"),
                        absl::StrFormat("got %g, wanted none, since the weights are those of %s",
                                        bias, SpecField("start_from")));
  }
  plan.forget_bias = static_cast<float>(bias);
  return absl::OkStatus();
}

// The text that is drawn in training, where one is wanted.
absl::Status ResolveSample(TrainingPlan& plan) {
  if (!plan.spec.has_sample()) return absl::OkStatus();
  v1::TrainingSample& sample = *plan.spec.mutable_sample();
  DrawnTextOptions options;
  if (!sample.has_tokens()) sample.set_tokens(options.tokens);
  if (!sample.has_temperature()) sample.set_temperature(options.temperature);
  if (!sample.has_interval()) {
    *sample.mutable_interval() = ToProtoDuration(kDefaultSampleInterval);
  }
  const size_t bytes = sample.prompt().size();
  if (bytes < 1 || bytes > kMaxSamplePromptBytes) {
    return InvalidField(SpecField("sample.prompt"), absl::StrFormat("got %d bytes, wanted 1 to %d",
                                                                    bytes, kMaxSamplePromptBytes));
  }
  const double temperature = sample.temperature();
  for (const absl::Status& status :
       {CheckInteger("sample.tokens", sample.tokens(), 1, 1024),
        CheckReal("sample.temperature", temperature, temperature >= 0 && temperature <= 100,
                  "0 to 100")}) {
    if (!status.ok()) return status;
  }
  plan.sample_interval = FromProtoDuration(sample.interval());
  if (absl::Status status = CheckInterval("sample.interval", plan.sample_interval); !status.ok()) {
    return status;
  }
  options.prompt = sample.prompt();
  options.tokens = sample.tokens();
  options.temperature = temperature;
  options.seed = plan.config.seed;
  plan.sample = std::move(options);
  return absl::OkStatus();
}

absl::Status ResolveCheckpoints(TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  if (!spec.has_checkpoint_interval()) {
    *spec.mutable_checkpoint_interval() = ToProtoDuration(kDefaultCheckpointInterval);
  }
  if (!spec.has_checkpoints_to_keep()) spec.set_checkpoints_to_keep(kDefaultCheckpoints);
  plan.checkpoint_interval = FromProtoDuration(spec.checkpoint_interval());
  if (!spec.has_best_checkpoints_to_keep()) spec.set_best_checkpoints_to_keep(0);
  plan.checkpoints_to_keep = {.newest = spec.checkpoints_to_keep(),
                              .best = spec.best_checkpoints_to_keep()};
  for (const absl::Status& status :
       {CheckInterval("checkpoint_interval", plan.checkpoint_interval),
        CheckInteger("checkpoints_to_keep", plan.checkpoints_to_keep.newest, 1, 100)}) {
    if (!status.ok()) return status;
  }
  return CheckInteger("best_checkpoints_to_keep", plan.checkpoints_to_keep.best, 0, 100);
}

// The steps that another training had done where this one goes on from it.
absl::StatusOr<int64_t> StepsBefore(const v1::StartFrom& from) {
  if (!from.has_training_checkpoint() || from.weights_only()) return 0;
  const auto checkpoint =
      ParseCheckpointName(from.training_checkpoint(), SpecField("start_from.training_checkpoint"));
  if (!checkpoint.ok()) return checkpoint.status();
  return checkpoint->step;
}

// What ends the training before its epochs do.
absl::Status ResolveEarlyEnds(TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  EarlyEnds& ends = plan.config.early_ends;
  if (!spec.has_max_steps()) spec.set_max_steps(ends.max_steps);
  if (!spec.has_max_trained_tokens()) spec.set_max_trained_tokens(0);
  if (!spec.has_max_training_time()) spec.mutable_max_training_time();
  if (!spec.has_target_perplexity()) spec.set_target_perplexity(ends.target_perplexity);
  if (!spec.has_patience_epochs()) spec.set_patience_epochs(ends.patience_epochs);
  const auto steps_before = StepsBefore(spec.start_from());
  if (!steps_before.ok()) return steps_before.status();
  ends = {.first_step = *steps_before,
          .max_steps = spec.max_steps(),
          .target_perplexity = spec.target_perplexity(),
          .patience_epochs = spec.patience_epochs()};
  const double target = ends.target_perplexity;
  for (const absl::Status& status :
       {CheckInteger("max_steps", ends.max_steps, 0, kMostSteps),
        CheckInteger("max_trained_tokens", spec.max_trained_tokens(), 0, kMostTrainedTokens),
        CheckReal("target_perplexity", target, target == 0 || target >= 1, "0 or 1 and more"),
        CheckInteger("patience_epochs", ends.patience_epochs, 0, 1'000'000)}) {
    if (!status.ok()) return status;
  }
  if (spec.max_trained_tokens() > 0) {
    const int64_t per_step = int64_t{plan.config.batch} * plan.config.steps;
    const int64_t steps = (spec.max_trained_tokens() + per_step - 1) / per_step;
    plan.ends_by_tokens = ends.max_steps == 0 || steps < ends.max_steps;
    if (plan.ends_by_tokens) ends.max_steps = steps;
  }
  const absl::Duration time = FromProtoDuration(spec.max_training_time());
  if (time == absl::ZeroDuration()) return absl::OkStatus();
  plan.max_training_time = time;
  if (time >= absl::Seconds(1) && time <= kLongestTraining) return absl::OkStatus();
  return InvalidField(SpecField("max_training_time"),
                      absl::StrFormat("got %s, wanted 0 or 1s to %s", absl::FormatDuration(time),
                                      absl::FormatDuration(kLongestTraining)));
}

// What no field decides alone: whether the text fills a minibatch, and the warm-up fits.
absl::Status CheckTogether(const TrainingTexts& texts, TrainingPlan& plan) {
  const TrainingConfig& config = plan.config;
  const BatchMixConfig batches =
      Trainer::BatchesOf(config, plan.token_count - config.held_out_tokens);
  for (size_t text = 0; text < batches.parts.size(); ++text) {
    BatchMixConfig of_text = batches;
    of_text.parts = {batches.parts[text]};
    if (absl::Status status = BatchMix::Validate(of_text); !status.ok()) {
      return Refusal(absl::StatusCode::kFailedPrecondition, "CORPUS_TOO_SHORT",
                     absl::StrFormat("%s gives too few tokens for %s and %s: %s",
                                     texts.texts[text].corpus.name(), SpecField("batch"),
                                     SpecField("steps"), status.message()));
    }
  }
  const BatchMix iterator(batches);
  plan.tokens_per_epoch = iterator.StepsInEpoch(0) * config.batch * config.steps;
  const int64_t all_steps = iterator.StepsInEpochs(config.epochs);
  plan.total_steps = config.early_ends.LastStep(all_steps);
  const bool all = plan.total_steps == all_steps;
  plan.total_epochs = all ? config.epochs : iterator.EpochsWithSteps(plan.total_steps);
  if (config.learning_rate.warmup_steps > plan.total_steps) {
    const char* end = all ? "epochs" : plan.ends_by_tokens ? "max_trained_tokens" : "max_steps";
    return InvalidField(
        SpecField("learning_rate.warmup_steps"),
        absl::StrFormat("got %d, wanted at most the %d steps until %s end it",
                        config.learning_rate.warmup_steps, plan.total_steps, SpecField(end)));
  }
  return absl::OkStatus();
}

// All that Trainer and Evaluator allocate, and what their operations take.
int64_t DeviceBytes(const TrainingPlan& plan, const Backend& backend) {
  const TrainingConfig& config = plan.config;
  const StackPlan stack = backend.Plan(
      config.model,
      {.steps = config.steps, .batch = config.batch, .training = true, .dropout = config.dropout});
  const auto real = static_cast<int64_t>(ElementSize(StateType(config.model.precision)));
  const int64_t window = int64_t{config.batch} * config.steps;
  const int64_t validating = config.held_out_tokens > 0 ? 1 : 0;
  const int64_t flat_buffers = 2 + MomentCount(config.optimizer.kind) + validating;
  const int64_t states = 2 * (1 + validating) * config.batch * StateElements(config.model);
  const int64_t tops = (2 + validating) * window * config.model.hidden;
  const int64_t tokens = plan.token_count + 2 * (1 + validating) * window;
  // Where each window of an epoch begins, where the device's memory is the host's.
  const bool has_order =
      config.partition == Partition::kRandom && backend.capabilities().synchronous;
  const int64_t order = has_order ? plan.token_count / config.steps : 0;
  return stack.weight_bytes + stack.workspace_bytes + stack.reserve_bytes + stack.scratch_bytes +
         (flat_buffers * plan.parameter_count + states + tops) * real +
         tokens * static_cast<int64_t>(sizeof(int32_t)) +
         order * static_cast<int64_t>(sizeof(int64_t));
}

}  // namespace

absl::StatusOr<TrainingPlan> ResolveTrainingSpec(const v1::TrainingSpec& spec,
                                                 const TrainingTexts& texts, const Backend& backend,
                                                 uint64_t seed) {
  TrainingPlan plan;
  plan.spec = spec;
  if (!spec.has_seed()) plan.spec.set_seed(seed);
  plan.config.seed = plan.spec.seed();
  if (absl::Status status = ResolveNames(plan.spec); !status.ok()) return status;
  if (absl::Status status = ResolveModel(texts, backend, plan); !status.ok()) return status;
  if (absl::Status status = ResolveTokens(texts, plan); !status.ok()) return status;
  if (absl::Status status = ResolveBatches(plan); !status.ok()) return status;
  if (absl::Status status = ResolveParts(texts, plan); !status.ok()) return status;
  if (absl::Status status = ResolveValidationInterval(plan); !status.ok()) return status;
  if (absl::Status status = ResolveValidationSplit(texts, plan); !status.ok()) return status;
  if (absl::Status status = ResolveOptimizer(plan.spec, plan.config.optimizer); !status.ok())
    return status;
  if (absl::Status status =
          ResolveLearningRate(plan.spec, plan.config.optimizer.kind, plan.config.learning_rate);
      !status.ok())
    return status;
  if (absl::Status status = ResolveEarlyEnds(plan); !status.ok()) return status;
  if (absl::Status status = ResolveDropout(plan); !status.ok()) return status;
  if (absl::Status status = ResolveInitialWeights(plan); !status.ok()) return status;
  if (absl::Status status = ResolveCheckpoints(plan); !status.ok()) return status;
  if (absl::Status status = ResolveSample(plan); !status.ok()) return status;
  if (absl::Status status = CheckTogether(texts, plan); !status.ok()) return status;
  plan.device_bytes = DeviceBytes(plan, backend);
  return plan;
}

absl::Status CheckMemory(const TrainingPlan& plan, const Backend& backend, int64_t passing_bytes) {
  const int64_t free = backend.FreeBytes() + passing_bytes;
  if (plan.device_bytes <= free) return absl::OkStatus();
  return Refusal(absl::StatusCode::kResourceExhausted, "DEVICE_MEMORY_FULL",
                 absl::StrFormat("the training wants %d bytes of device memory; %d %s free%s",
                                 plan.device_bytes, free, passing_bytes > 0 ? "would be" : "are",
                                 passing_bytes > 0 ? " once the jobs that run have ended" : ""));
}

}  // namespace derin::server
