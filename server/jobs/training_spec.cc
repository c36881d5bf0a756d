#include "server/jobs/training_spec.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/registry/proto_conversion.h"
#include "server/status/error.h"
#include "server/storage/proto_time.h"
#include "server/storage/resource_name.h"

namespace derin::server {

namespace {

constexpr absl::Duration kDefaultCheckpointInterval = absl::Seconds(60);
constexpr int kDefaultCheckpoints = 2;
constexpr int64_t kMostSteps = 1'000'000'000'000;
constexpr absl::Duration kLongestTraining = absl::Hours(10'000);

std::string SpecField(absl::string_view name) { return absl::StrCat("training_job.spec.", name); }

absl::Status CheckInteger(absl::string_view name, int64_t got, int64_t least, int64_t most) {
  if (got >= least && got <= most) return absl::OkStatus();
  return InvalidField(SpecField(name),
                      absl::StrFormat("got %d, wanted %d to %d", got, least, most));
}

// NaN lies in no range.
absl::Status CheckReal(absl::string_view name, double got, bool in_range,
                       absl::string_view wanted) {
  if (std::isfinite(got) && in_range) return absl::OkStatus();
  return InvalidField(SpecField(name), absl::StrFormat("got %g, wanted %s", got, wanted));
}

absl::Status UnknownValue(absl::string_view name, int got, absl::string_view wanted) {
  return InvalidField(SpecField(name), absl::StrFormat("got value %d, wanted %s", got, wanted));
}

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

// The network, and how many tokens there are for it.
absl::Status ResolveModel(const v1::Corpus& corpus, const Backend& backend,
                          std::optional<int> vocabulary, TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  auto tokenization = FromProto(spec.config().tokenization(), SpecField("config.tokenization"));
  if (!tokenization.ok()) return tokenization.status();
  const bool bytes = *tokenization == Tokenization::kBytes;
  auto model = FromProto(
      spec.config(),
      bytes ? Tokenizer::Bytes().vocabulary_size() : vocabulary.value_or(corpus.vocabulary_size()),
      SpecField("config"));
  if (!model.ok()) return model.status();
  if (absl::Status status = CheckOffered(model->precision, backend); !status.ok()) return status;
  plan.config.model = *model;
  plan.parameter_count = ParameterLayout(*model).count();
  *spec.mutable_config() = ToProto(*model, *tokenization);

  plan.token_count = bytes ? corpus.size_bytes() : corpus.character_count();
  if (spec.has_max_tokens()) {
    if (absl::Status status =
            CheckInteger("max_tokens", spec.max_tokens(), 2, std::numeric_limits<int64_t>::max());
        !status.ok()) {
      return status;
    }
    plan.token_count = std::min(plan.token_count, spec.max_tokens());
  }
  spec.set_max_tokens(plan.token_count);
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
  config.validation_share = share;
  config.batch = spec.batch();
  config.steps = spec.steps();
  config.epochs = spec.epochs();
  return absl::OkStatus();
}

absl::Status ResolveAdam(v1::Adam& adam, OptimizerConfig& config) {
  config.kind = OptimizerKind::kAdam;
  if (!adam.has_beta1()) adam.set_beta1(config.beta1);
  if (!adam.has_beta2()) adam.set_beta2(config.beta2);
  if (!adam.has_epsilon()) adam.set_epsilon(config.epsilon);
  config.beta1 = adam.beta1();
  config.beta2 = adam.beta2();
  config.epsilon = adam.epsilon();
  constexpr absl::string_view kDecay = "0 or more and below 1";
  for (const absl::Status& status :
       {CheckReal("optimizer.adam.beta1", config.beta1, config.beta1 >= 0 && config.beta1 < 1,
                  kDecay),
        CheckReal("optimizer.adam.beta2", config.beta2, config.beta2 >= 0 && config.beta2 < 1,
                  kDecay),
        CheckReal("optimizer.adam.epsilon", config.epsilon, config.epsilon > 0, "above 0")}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ResolveOptimizer(TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  OptimizerConfig& config = plan.config.optimizer;
  if (!spec.has_clip()) spec.set_clip(config.clip);
  config.clip = spec.clip();
  if (absl::Status status = CheckReal("clip", config.clip, config.clip > 0, "above 0");
      !status.ok()) {
    return status;
  }
  if (spec.optimizer().has_adam()) {
    return ResolveAdam(*spec.mutable_optimizer()->mutable_adam(), config);
  }
  config.kind = OptimizerKind::kSgd;
  spec.mutable_optimizer()->mutable_sgd();
  return absl::OkStatus();
}

absl::Status ResolveSchedule(v1::LearningRate& rate, LearningRateConfig& config) {
  switch (rate.schedule()) {
    case v1::LearningRate::SCHEDULE_UNSPECIFIED:
    case v1::LearningRate::SCHEDULE_CONSTANT:
      rate.set_schedule(v1::LearningRate::SCHEDULE_CONSTANT);
      config.schedule = LearningRateSchedule::kConstant;
      if (rate.has_final_share()) {
        return InvalidField(
            SpecField("learning_rate.final_share"),
            absl::StrFormat("got %g, wanted none, since %s is not SCHEDULE_COSINE",
                            rate.final_share(), SpecField("learning_rate.schedule")));
      }
      return absl::OkStatus();
    case v1::LearningRate::SCHEDULE_COSINE:
      config.schedule = LearningRateSchedule::kCosine;
      if (!rate.has_final_share()) rate.set_final_share(config.final_share);
      config.final_share = rate.final_share();
      return CheckReal("learning_rate.final_share", config.final_share,
                       config.final_share >= 0 && config.final_share <= 1, "0 to 1");
    default:
      return UnknownValue("learning_rate.schedule", rate.schedule(),
                          "SCHEDULE_CONSTANT or SCHEDULE_COSINE");
  }
}

absl::Status ResolveLearningRate(TrainingPlan& plan) {
  v1::LearningRate& rate = *plan.spec.mutable_learning_rate();
  LearningRateConfig& config = plan.config.learning_rate;
  if (!rate.has_peak()) {
    rate.set_peak(plan.config.optimizer.kind == OptimizerKind::kAdam ? 0.001 : 2);
  }
  if (!rate.has_warmup_steps()) rate.set_warmup_steps(0);
  config.peak = rate.peak();
  config.warmup_steps = rate.warmup_steps();
  for (const absl::Status& status :
       {CheckReal("learning_rate.peak", config.peak, config.peak > 0 && config.peak <= 1000,
                  "above 0 and at most 1000"),
        CheckInteger("learning_rate.warmup_steps", config.warmup_steps, 0, 1'000'000),
        ResolveSchedule(rate, config)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ResolveCheckpoints(TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  if (!spec.has_checkpoint_interval()) {
    *spec.mutable_checkpoint_interval() = ToProtoDuration(kDefaultCheckpointInterval);
  }
  if (!spec.has_checkpoints_to_keep()) spec.set_checkpoints_to_keep(kDefaultCheckpoints);
  plan.checkpoint_interval = FromProtoDuration(spec.checkpoint_interval());
  plan.checkpoints_to_keep = spec.checkpoints_to_keep();
  if (plan.checkpoint_interval < absl::Seconds(1) || plan.checkpoint_interval > absl::Hours(24)) {
    return InvalidField(SpecField("checkpoint_interval"),
                        absl::StrFormat("got %s, wanted 1s to 24h",
                                        absl::FormatDuration(plan.checkpoint_interval)));
  }
  return CheckInteger("checkpoints_to_keep", plan.checkpoints_to_keep, 1, 100);
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
        CheckReal("target_perplexity", target, target == 0 || target >= 1, "0 or 1 and more"),
        CheckInteger("patience_epochs", ends.patience_epochs, 0, 1'000'000)}) {
    if (!status.ok()) return status;
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
absl::Status CheckTogether(TrainingPlan& plan) {
  const TrainingConfig& config = plan.config;
  const BatchConfig batches{
      .token_count = Trainer::TrainingTokens(plan.token_count, config.validation_share),
      .batch = config.batch,
      .steps = config.steps,
      .partition = config.partition,
      .seed = config.seed};
  if (absl::Status status = BatchIterator::Validate(batches); !status.ok()) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "CORPUS_TOO_SHORT",
                   absl::StrFormat("%s gives too few tokens for %s and %s: %s", plan.spec.corpus(),
                                   SpecField("batch"), SpecField("steps"), status.message()));
  }
  const BatchIterator iterator(batches);
  const int64_t all_steps = iterator.StepsInEpochs(config.epochs);
  plan.total_steps = config.early_ends.LastStep(all_steps);
  const bool all = plan.total_steps == all_steps;
  plan.total_epochs = all ? config.epochs : iterator.EpochsWithSteps(plan.total_steps);
  if (config.learning_rate.warmup_steps > plan.total_steps) {
    return InvalidField(SpecField("learning_rate.warmup_steps"),
                        absl::StrFormat("got %d, wanted at most the %d steps that %s %d have",
                                        config.learning_rate.warmup_steps, plan.total_steps,
                                        SpecField(all ? "epochs" : "max_steps"),
                                        all ? config.epochs : config.early_ends.max_steps));
  }
  return absl::OkStatus();
}

// All that Trainer and Evaluator allocate.
int64_t DeviceBytes(const TrainingPlan& plan, const Backend& backend) {
  const TrainingConfig& config = plan.config;
  const StackPlan stack =
      backend.Plan(config.model, {.steps = config.steps, .batch = config.batch, .training = true});
  const auto real = static_cast<int64_t>(ElementSize(StateType(config.model.precision)));
  const int64_t window = int64_t{config.batch} * config.steps;
  const int64_t validating = config.validation_share > 0 ? 1 : 0;
  const int64_t flat_buffers = 2 + MomentCount(config.optimizer.kind) + validating;
  const int64_t states = 2 * (1 + validating) * config.batch * StateElements(config.model);
  const int64_t tops = (2 + validating) * window * config.model.hidden;
  const int64_t tokens = plan.token_count + 2 * (1 + validating) * window;
  return stack.weight_bytes + stack.workspace_bytes + stack.reserve_bytes +
         (flat_buffers * plan.parameter_count + states + tops) * real +
         tokens * static_cast<int64_t>(sizeof(int32_t));
}

}  // namespace

absl::StatusOr<TrainingPlan> ResolveTrainingSpec(const v1::TrainingSpec& spec,
                                                 const v1::Corpus& corpus, const Backend& backend,
                                                 uint64_t seed, std::optional<int> vocabulary) {
  TrainingPlan plan;
  plan.spec = spec;
  if (!spec.has_seed()) plan.spec.set_seed(seed);
  plan.config.seed = plan.spec.seed();
  if (absl::Status status = ResolveNames(plan.spec); !status.ok()) return status;
  if (absl::Status status = ResolveModel(corpus, backend, vocabulary, plan); !status.ok()) {
    return status;
  }
  if (absl::Status status = ResolveBatches(plan); !status.ok()) return status;
  if (absl::Status status = ResolveOptimizer(plan); !status.ok()) return status;
  if (absl::Status status = ResolveLearningRate(plan); !status.ok()) return status;
  if (absl::Status status = ResolveEarlyEnds(plan); !status.ok()) return status;
  if (absl::Status status = ResolveCheckpoints(plan); !status.ok()) return status;
  if (absl::Status status = CheckTogether(plan); !status.ok()) return status;
  plan.device_bytes = DeviceBytes(plan, backend);
  return plan;
}

absl::Status CheckMemory(const TrainingPlan& plan, const Backend& backend) {
  const int64_t free = backend.FreeBytes();
  if (plan.device_bytes <= free) return absl::OkStatus();
  return Refusal(absl::StatusCode::kResourceExhausted, "DEVICE_MEMORY_FULL",
                 absl::StrFormat("the training wants %d bytes of device memory; %d are free",
                                 plan.device_bytes, free));
}

}  // namespace derin::server
