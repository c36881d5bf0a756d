#include <optional>
#include <variant>

#include "derin/internal/conversion.h"
#include "derin/internal/field_conversion.h"

namespace derin::client::internal {
namespace {

constexpr EnumPairs<Partition, v1::Partition, 2> kPartitions{
    {{Partition::kSequential, v1::PARTITION_SEQUENTIAL},
     {Partition::kRandom, v1::PARTITION_RANDOM}}};
constexpr EnumPairs<ValidationSplit, v1::ValidationSplit, 3> kValidationSplits{
    {{ValidationSplit::kPosition, v1::VALIDATION_SPLIT_POSITION},
     {ValidationSplit::kDocuments, v1::VALIDATION_SPLIT_DOCUMENTS},
     {ValidationSplit::kBlocks, v1::VALIDATION_SPLIT_BLOCKS}}};
constexpr EnumPairs<LearningRate::Schedule, v1::LearningRate::Schedule, 2> kSchedules{
    {{LearningRate::Schedule::kConstant, v1::LearningRate::SCHEDULE_CONSTANT},
     {LearningRate::Schedule::kCosine, v1::LearningRate::SCHEDULE_COSINE}}};
constexpr EnumPairs<JobState, v1::TrainingJob::State, 8> kJobStates{
    {{JobState::kQueued, v1::TrainingJob::STATE_QUEUED},
     {JobState::kRunning, v1::TrainingJob::STATE_RUNNING},
     {JobState::kCancelling, v1::TrainingJob::STATE_CANCELLING},
     {JobState::kSucceeded, v1::TrainingJob::STATE_SUCCEEDED},
     {JobState::kFailed, v1::TrainingJob::STATE_FAILED},
     {JobState::kCancelled, v1::TrainingJob::STATE_CANCELLED},
     {JobState::kPausing, v1::TrainingJob::STATE_PAUSING},
     {JobState::kPaused, v1::TrainingJob::STATE_PAUSED}}};
constexpr EnumPairs<TrainingEvent::Kind, v1::TrainingEvent::Kind, 5> kEventKinds{
    {{TrainingEvent::Kind::kStateChanged, v1::TrainingEvent::KIND_STATE_CHANGED},
     {TrainingEvent::Kind::kPublished, v1::TrainingEvent::KIND_PUBLISHED},
     {TrainingEvent::Kind::kResumed, v1::TrainingEvent::KIND_RESUMED},
     {TrainingEvent::Kind::kRecovered, v1::TrainingEvent::KIND_RECOVERED},
     {TrainingEvent::Kind::kWaiting, v1::TrainingEvent::KIND_WAITING}}};

LearningRate ReadLearningRate(const v1::LearningRate& from) {
  LearningRate to;
  DERIN_READ(from, to, peak);
  to.schedule = kSchedules.From(from.schedule());
  DERIN_READ(from, to, warmup_steps);
  DERIN_READ(from, to, final_share);
  return to;
}

// Of Adam and AdamW.
template <typename Theirs, typename Ours>
void ReadMoments(const Theirs& from, Ours& to) {
  DERIN_READ(from, to, beta1);
  DERIN_READ(from, to, beta2);
  DERIN_READ(from, to, epsilon);
}

template <typename Ours, typename Theirs>
void WriteMoments(const Ours& from, Theirs& to) {
  DERIN_WRITE(from, to, beta1);
  DERIN_WRITE(from, to, beta2);
  DERIN_WRITE(from, to, epsilon);
}

std::optional<Optimizer> ReadOptimizer(const v1::Optimizer& from) {
  switch (from.kind_case()) {
    case v1::Optimizer::kSgd: {
      Sgd sgd;
      DERIN_READ(from.sgd(), sgd, momentum);
      return sgd;
    }
    case v1::Optimizer::kAdam: {
      Adam adam;
      ReadMoments(from.adam(), adam);
      return adam;
    }
    case v1::Optimizer::kAdamw: {
      AdamW adamw;
      ReadMoments(from.adamw(), adamw);
      DERIN_READ(from.adamw(), adamw, weight_decay);
      return adamw;
    }
    default:
      return std::nullopt;
  }
}

void WriteLearningRate(const LearningRate& from, v1::LearningRate& to) {
  DERIN_WRITE(from, to, peak);
  to.set_schedule(kSchedules.To(from.schedule));
  DERIN_WRITE(from, to, warmup_steps);
  DERIN_WRITE(from, to, final_share);
}

void WriteOptimizer(const Optimizer& from, v1::Optimizer& to) {
  if (const Adam* adam = std::get_if<Adam>(&from)) {
    WriteMoments(*adam, *to.mutable_adam());
  } else if (const AdamW* adamw = std::get_if<AdamW>(&from)) {
    WriteMoments(*adamw, *to.mutable_adamw());
    DERIN_WRITE(*adamw, *to.mutable_adamw(), weight_decay);
  } else {
    DERIN_WRITE(std::get<Sgd>(from), *to.mutable_sgd(), momentum);
    to.mutable_sgd();
  }
}

TrainingSample ReadSample(const v1::TrainingSample& from) {
  TrainingSample to;
  to.prompt = from.prompt();
  DERIN_READ(from, to, tokens);
  DERIN_READ(from, to, temperature);
  if (from.has_interval()) to.interval = ToDuration(from.interval());
  return to;
}

void WriteSample(const TrainingSample& from, v1::TrainingSample& to) {
  to.set_prompt(from.prompt);
  DERIN_WRITE(from, to, tokens);
  DERIN_WRITE(from, to, temperature);
  if (from.interval.has_value()) *to.mutable_interval() = FromDuration(*from.interval);
}

WordSettings ReadWords(const v1::WordSettings& from) {
  WordSettings to;
  DERIN_READ(from, to, max_vocabulary);
  DERIN_READ(from, to, min_count);
  return to;
}

void WriteWords(const WordSettings& from, v1::WordSettings& to) {
  DERIN_WRITE(from, to, max_vocabulary);
  DERIN_WRITE(from, to, min_count);
}

}  // namespace

TrainingSpec FromProto(const v1::TrainingSpec& from) {
  TrainingSpec to;
  to.corpus = from.corpus();
  for (const v1::WeightedCorpus& more : from.more_corpora()) {
    WeightedCorpus& corpus = to.more_corpora.emplace_back();
    corpus.corpus = more.corpus();
    DERIN_READ(more, corpus, weight);
  }
  DERIN_READ(from, to, corpus_weight);
  to.model = from.model();
  to.config = FromProto(from.config());
  DERIN_READ(from, to, max_tokens);
  DERIN_READ(from, to, validation_share);
  to.validation_split = kValidationSplits.From(from.validation_split());
  DERIN_READ(from, to, validation_block);
  DERIN_READ(from, to, batch);
  DERIN_READ(from, to, steps);
  to.partition = kPartitions.From(from.partition());
  to.optimizer = ReadOptimizer(from.optimizer());
  to.learning_rate = ReadLearningRate(from.learning_rate());
  DERIN_READ(from, to, clip);
  DERIN_READ(from, to, epochs);
  DERIN_READ(from, to, max_steps);
  DERIN_READ(from, to, max_trained_tokens);
  DERIN_READ(from, to, validation_interval);
  if (from.has_max_training_time()) to.max_training_time = ToDuration(from.max_training_time());
  DERIN_READ(from, to, target_perplexity);
  DERIN_READ(from, to, patience_epochs);
  DERIN_READ(from, to, seed);
  if (from.has_checkpoint_interval()) {
    to.checkpoint_interval = ToDuration(from.checkpoint_interval());
  }
  DERIN_READ(from, to, checkpoints_to_keep);
  DERIN_READ(from, to, best_checkpoints_to_keep);
  if (from.has_start_from()) {
    to.start_from = StartFrom{.training_checkpoint = from.start_from().training_checkpoint(),
                              .model_version = from.start_from().model_version(),
                              .weights_only = from.start_from().weights_only()};
  }
  DERIN_READ(from, to, forget_bias);
  DERIN_READ(from, to, dropout);
  to.recover_from_divergence = from.recover_from_divergence();
  if (from.has_sample()) to.sample = ReadSample(from.sample());
  if (from.has_words()) to.words = ReadWords(from.words());
  return to;
}

TrainingCheckpoint FromProto(const v1::TrainingCheckpoint& from) {
  TrainingCheckpoint to;
  to.name = from.name();
  to.step = from.step();
  to.attempt = from.attempt();
  DERIN_READ_TIME(from, to, create_time);
  to.size_bytes = from.size_bytes();
  to.engine_id = from.engine_id();
  DERIN_READ(from, to, training_perplexity);
  DERIN_READ(from, to, validation_perplexity);
  DERIN_READ(from, to, measured_perplexity);
  to.corpus_sha256 = from.corpus_sha256();
  if (from.has_training_time()) to.training_time = ToDuration(from.training_time());
  return to;
}

TrainingMetrics FromProto(const v1::TrainingMetrics& from) {
  TrainingMetrics to;
  to.step = from.step();
  to.attempt = from.attempt();
  to.epochs_done = from.epochs_done();
  to.tokens = from.tokens();
  DERIN_READ_TIME(from, to, time);
  to.training_loss = from.training_loss();
  to.training_perplexity = from.training_perplexity();
  DERIN_READ(from, to, epoch_training_perplexity);
  DERIN_READ(from, to, validation_perplexity);
  to.learning_rate = from.learning_rate();
  to.gradient_norm = from.gradient_norm();
  to.tokens_per_second = from.tokens_per_second();
  return to;
}

TrainingProgress FromProto(const v1::TrainingProgress& from) {
  TrainingProgress to;
  to.attempt = from.attempt();
  to.epoch = from.epoch();
  to.epochs = from.epochs();
  to.step = from.step();
  to.steps = from.steps();
  to.tokens = from.tokens();
  to.training_loss = from.training_loss();
  to.training_perplexity = from.training_perplexity();
  DERIN_READ(from, to, epoch_training_perplexity);
  DERIN_READ(from, to, validation_perplexity);
  DERIN_READ(from, to, best_perplexity);
  to.learning_rate = from.learning_rate();
  to.gradient_norm = from.gradient_norm();
  to.tokens_per_second = from.tokens_per_second();
  to.fraction_done = from.fraction_done();
  if (from.has_time_left()) to.time_left = ToDuration(from.time_left());
  if (from.has_training_time()) to.training_time = ToDuration(from.training_time());
  if (from.has_sample()) {
    to.sample = DrawnSample{.step = from.sample().step(), .text = from.sample().text()};
  }
  return to;
}

TrainingJob FromProto(const v1::TrainingJob& from) {
  TrainingJob to;
  to.name = from.name();
  to.spec = FromProto(from.spec());
  to.state = kJobStates.From(from.state());
  to.reason = from.reason();
  to.message = from.message();
  DERIN_READ_TIME(from, to, create_time);
  DERIN_READ_TIME(from, to, start_time);
  DERIN_READ_TIME(from, to, end_time);
  to.attempt = from.attempt();
  if (from.has_progress()) to.progress = FromProto(from.progress());
  to.model_version = from.model_version();
  to.parameter_count = from.parameter_count();
  to.last_sequence = from.last_sequence();
  to.owner = from.owner();
  to.labels = {from.labels().begin(), from.labels().end()};
  to.priority = from.priority();
  DERIN_READ_TIME(from, to, queue_time);
  if (from.has_share()) to.share = from.share();
  to.waiting_reason = from.waiting_reason();
  to.memory_bytes = from.memory_bytes();
  to.tokens_per_epoch = from.tokens_per_epoch();
  if (from.has_estimated_training_time()) {
    to.estimated_training_time = ToDuration(from.estimated_training_time());
  }
  to.trace_id = from.trace_id();
  return to;
}

TrainingEvent FromProto(const v1::TrainingEvent& from) {
  TrainingEvent to;
  to.sequence = from.sequence();
  to.attempt = from.attempt();
  DERIN_READ_TIME(from, to, time);
  to.kind = kEventKinds.From(from.kind());
  to.state = kJobStates.From(from.state());
  to.step = from.step();
  to.message = from.message();
  return to;
}

v1::TrainingSpec ToProto(const TrainingSpec& from) {
  v1::TrainingSpec to;
  to.set_corpus(from.corpus);
  for (const WeightedCorpus& more : from.more_corpora) {
    v1::WeightedCorpus& corpus = *to.add_more_corpora();
    corpus.set_corpus(more.corpus);
    DERIN_WRITE(more, corpus, weight);
  }
  DERIN_WRITE(from, to, corpus_weight);
  to.set_model(from.model);
  *to.mutable_config() = ToProto(from.config);
  DERIN_WRITE(from, to, max_tokens);
  DERIN_WRITE(from, to, validation_share);
  to.set_validation_split(kValidationSplits.To(from.validation_split));
  DERIN_WRITE(from, to, validation_block);
  DERIN_WRITE(from, to, batch);
  DERIN_WRITE(from, to, steps);
  to.set_partition(kPartitions.To(from.partition));
  if (from.optimizer.has_value()) WriteOptimizer(*from.optimizer, *to.mutable_optimizer());
  WriteLearningRate(from.learning_rate, *to.mutable_learning_rate());
  DERIN_WRITE(from, to, clip);
  DERIN_WRITE(from, to, epochs);
  DERIN_WRITE(from, to, max_steps);
  DERIN_WRITE(from, to, max_trained_tokens);
  DERIN_WRITE(from, to, validation_interval);
  if (from.max_training_time.has_value()) {
    *to.mutable_max_training_time() = FromDuration(*from.max_training_time);
  }
  DERIN_WRITE(from, to, target_perplexity);
  DERIN_WRITE(from, to, patience_epochs);
  DERIN_WRITE(from, to, seed);
  if (from.checkpoint_interval.has_value()) {
    *to.mutable_checkpoint_interval() = FromDuration(*from.checkpoint_interval);
  }
  DERIN_WRITE(from, to, checkpoints_to_keep);
  DERIN_WRITE(from, to, best_checkpoints_to_keep);
  if (from.start_from.has_value()) {
    v1::StartFrom& start = *to.mutable_start_from();
    if (!from.start_from->training_checkpoint.empty()) {
      start.set_training_checkpoint(from.start_from->training_checkpoint);
    } else {
      start.set_model_version(from.start_from->model_version);
    }
    start.set_weights_only(from.start_from->weights_only);
  }
  DERIN_WRITE(from, to, forget_bias);
  DERIN_WRITE(from, to, dropout);
  to.set_recover_from_divergence(from.recover_from_divergence);
  if (from.sample.has_value()) WriteSample(*from.sample, *to.mutable_sample());
  if (from.words.has_value()) WriteWords(*from.words, *to.mutable_words());
  return to;
}

}  // namespace derin::client::internal
