#include "derin/internal/conversion.h"

#include "derin/internal/field_conversion.h"

namespace derin::client::internal {
namespace {

constexpr EnumPairs<Normalization, v1::Normalization, 5> kNormalizations{
    {{Normalization::kRaw, v1::NORMALIZATION_RAW},
     {Normalization::kD2lLetters, v1::NORMALIZATION_D2L_LETTERS},
     {Normalization::kNfc, v1::NORMALIZATION_NFC},
     {Normalization::kLowerCase, v1::NORMALIZATION_LOWER_CASE},
     {Normalization::kNfcLowerCase, v1::NORMALIZATION_NFC_LOWER_CASE}}};
constexpr EnumPairs<Cell, v1::Cell, 4> kCells{{{Cell::kVanillaTanh, v1::CELL_VANILLA_TANH},
                                               {Cell::kVanillaRelu, v1::CELL_VANILLA_RELU},
                                               {Cell::kGru, v1::CELL_GRU},
                                               {Cell::kLstm, v1::CELL_LSTM}}};
constexpr EnumPairs<Tokenization, v1::Tokenization, 3> kTokenizations{
    {{Tokenization::kCharacters, v1::TOKENIZATION_CHARACTERS},
     {Tokenization::kBytes, v1::TOKENIZATION_BYTES},
     {Tokenization::kWords, v1::TOKENIZATION_WORDS}}};
constexpr EnumPairs<Precision, v1::Precision, 4> kPrecisions{
    {{Precision::kF32, v1::PRECISION_F32},
     {Precision::kBf16, v1::PRECISION_BF16},
     {Precision::kTf32, v1::PRECISION_TF32},
     {Precision::kF16, v1::PRECISION_F16}}};
constexpr EnumPairs<FinishReason, v1::FinishReason, 6> kFinishReasons{
    {{FinishReason::kLength, v1::FINISH_REASON_LENGTH},
     {FinishReason::kSessionClosed, v1::FINISH_REASON_SESSION_CLOSED},
     {FinishReason::kServerStopping, v1::FINISH_REASON_SERVER_STOPPING},
     {FinishReason::kStopString, v1::FINISH_REASON_STOP_STRING},
     {FinishReason::kStopToken, v1::FINISH_REASON_STOP_TOKEN},
     {FinishReason::kTime, v1::FINISH_REASON_TIME}}};

constexpr EnumPairs<Durability, v1::Durability, 3> kDurabilities{
    {{Durability::kNone, v1::DURABILITY_NONE},
     {Durability::kProcess, v1::DURABILITY_PROCESS},
     {Durability::kPower, v1::DURABILITY_POWER}}};
constexpr EnumPairs<SessionTier, v1::SessionTier, 3> kTiers{
    {{SessionTier::kDevice, v1::SESSION_TIER_DEVICE},
     {SessionTier::kHost, v1::SESSION_TIER_HOST},
     {SessionTier::kDisk, v1::SESSION_TIER_DISK}}};

}  // namespace

Corpus FromProto(const v1::Corpus& from) {
  Corpus to;
  to.name = from.name();
  DERIN_READ_TIME(from, to, create_time);
  to.normalization = kNormalizations.From(from.normalization());
  to.size_bytes = from.size_bytes();
  to.character_count = from.character_count();
  to.vocabulary_size = from.vocabulary_size();
  to.sha256 = from.sha256();
  for (const auto& one : from.most_frequent()) {
    to.most_frequent.push_back({one.character(), one.count()});
  }
  for (const auto& one : from.documents()) {
    to.documents.push_back(
        {one.name(), one.size_bytes(), one.character_count(), one.vocabulary_size()});
  }
  to.document_count = from.document_count();
  return to;
}

CorpusUpload FromProto(const v1::CorpusUpload& from) {
  CorpusUpload to;
  to.upload_id = from.upload_id();
  to.committed_bytes = from.committed_bytes();
  DERIN_READ_TIME(from, to, expire_time);
  if (from.has_corpus()) to.corpus = FromProto(from.corpus());
  return to;
}

ModelConfig FromProto(const v1::ModelConfig& from) {
  ModelConfig to;
  to.cell = kCells.From(from.cell());
  DERIN_READ(from, to, layers);
  DERIN_READ(from, to, hidden);
  to.tokenization = kTokenizations.From(from.tokenization());
  to.precision = kPrecisions.From(from.precision());
  DERIN_READ(from, to, embedding);
  to.tied_head = from.tied_head();
  return to;
}

ModelVersion FromProto(const v1::ModelVersion& from) {
  ModelVersion to;
  to.name = from.name();
  DERIN_READ_TIME(from, to, create_time);
  to.config = FromProto(from.config());
  to.vocabulary_size = from.vocabulary_size();
  to.normalization = kNormalizations.From(from.normalization());
  to.parameter_count = from.parameter_count();
  to.training_job = from.training_job();
  to.training_checkpoint = from.training_checkpoint();
  to.training_perplexity = from.training_perplexity();
  DERIN_READ(from, to, validation_perplexity);
  to.size_bytes = from.size_bytes();
  to.sha256 = from.sha256();
  return to;
}

ModelAlias FromProto(const v1::ModelAlias& from) {
  ModelAlias to;
  to.name = from.name();
  to.model_version = from.model_version();
  DERIN_READ_TIME(from, to, create_time);
  DERIN_READ_TIME(from, to, update_time);
  return to;
}

Model FromProto(const v1::Model& from) {
  Model to;
  to.name = from.name();
  DERIN_READ_TIME(from, to, create_time);
  if (from.has_latest_version()) to.latest_version = FromProto(from.latest_version());
  to.version_count = from.version_count();
  for (const v1::ModelAlias& alias : from.aliases()) to.aliases.push_back(FromProto(alias));
  return to;
}

namespace {

template <typename Request>
void SetKeeping(const SessionOptions& from, Request& to) {
  if (from.seed.has_value()) to.set_seed(*from.seed);
  if (from.durability.has_value()) to.set_durability(kDurabilities.To(*from.durability));
  if (from.time_to_live.has_value()) {
    *to.mutable_time_to_live() = FromDuration(*from.time_to_live);
  }
}

}  // namespace

void ToProto(const SessionOptions& from, v1::OpenSessionRequest& to) { SetKeeping(from, to); }
void ToProto(const SessionOptions& from, v1::ImportSessionRequest& to) { SetKeeping(from, to); }

Session FromProto(const v1::Session& from) {
  Session to;
  to.name = from.name();
  to.model_version = from.model_version();
  DERIN_READ_TIME(from, to, create_time);
  to.position = from.position();
  to.seed = from.seed();
  to.engine_id = from.engine_id();
  DERIN_READ_TIME(from, to, idle_since);
  to.stream = from.stream();
  for (const auto& one : from.remembered()) to.remembered.push_back({one.first(), one.last()});
  to.tier = kTiers.From(from.tier());
  to.durability = kDurabilities.From(from.durability());
  DERIN_READ_TIME(from, to, expire_time);
  to.owner = from.owner();
  return to;
}

GenerateStart FromProto(const v1::GenerateStart& from) {
  GenerateStart to;
  to.session = from.session();
  to.model_version = from.model_version();
  to.seed = from.seed();
  to.position = from.position();
  to.unknown_count = from.unknown_count();
  to.unknown_characters.assign(from.unknown_characters().begin(), from.unknown_characters().end());
  to.engine_id = from.engine_id();
  to.engine_changed = from.engine_changed();
  to.tier = kTiers.From(from.tier());
  return to;
}

DrawnLogProbability FromProto(const v1::DrawnLogProbability& from) {
  DrawnLogProbability to;
  to.log_probability = from.log_probability();
  for (const auto& one : from.most_probable()) {
    to.most_probable.push_back({one.token(), one.log_probability()});
  }
  return to;
}

ScoreStart FromProto(const v1::ScoreTextStart& from) {
  ScoreStart to;
  to.model_version = from.model_version();
  to.position = from.position();
  to.engine_id = from.engine_id();
  to.engine_changed = from.engine_changed();
  return to;
}

ScoreTotals FromProto(const v1::ScoreTotals& from) {
  ScoreTotals to;
  to.tokens = from.tokens();
  to.characters = from.characters();
  to.unknown_count = from.unknown_count();
  to.log_probability = from.log_probability();
  to.perplexity = from.perplexity();
  to.bits_per_character = from.bits_per_character();
  return to;
}

GenerateEnd FromProto(const v1::GenerateEnd& from) {
  GenerateEnd to;
  to.finish_reason = kFinishReasons.From(from.finish_reason());
  to.prompt_tokens = from.prompt_tokens();
  to.generated_tokens = from.generated_tokens();
  to.position = from.position();
  to.queue_time = ToDuration(from.queue_time());
  to.first_token_time = ToDuration(from.first_token_time());
  to.tokens_per_second = from.tokens_per_second();
  to.stop_string = from.stop_string();
  DERIN_READ(from, to, stop_token);
  to.prompt_time = ToDuration(from.prompt_time());
  return to;
}

ServerInfo FromProto(const v1::ServerInfo& from) {
  ServerInfo to;
  to.version = from.version();
  to.server_id = from.server_id();
  DERIN_READ_TIME(from, to, start_time);
  to.device.backend = from.device().backend();
  to.device.description = from.device().description();
  to.device.engine_id = from.device().engine_id();
  to.device.free_bytes = from.device().free_bytes();
  to.device.total_bytes = from.device().total_bytes();
  to.device.failure = from.device().failure();
  for (const int precision : from.device().precisions()) {
    to.device.precisions.push_back(kPrecisions.From(static_cast<v1::Precision>(precision)));
  }
  to.device.instructions = from.device().instructions();
  to.device.threads = from.device().threads();
  to.load.running_training_jobs = from.load().running_training_jobs();
  to.load.queued_training_jobs = from.load().queued_training_jobs();
  to.load.sessions = from.load().sessions();
  to.load.generate_streams = from.load().generate_streams();
  to.load.trained_tokens_per_second = from.load().trained_tokens_per_second();
  to.load.generated_tokens_per_second = from.load().generated_tokens_per_second();
  to.limits.sessions = from.limits().sessions();
  to.limits.generate_streams = from.limits().generate_streams();
  to.limits.queued_training_jobs = from.limits().queued_training_jobs();
  to.limits.running_training_jobs = from.limits().running_training_jobs();
  to.limits.corpus_bytes = from.limits().corpus_bytes();
  to.limits.model_bytes = from.limits().model_bytes();
  to.limits.prompt_bytes = from.limits().prompt_bytes();
  to.limits.session_time_to_live = ToDuration(from.limits().session_time_to_live());
  return to;
}

Usage FromProto(const v1::Usage& from) {
  Usage to;
  to.caller = from.caller();
  to.prompt_tokens = from.prompt_tokens();
  to.generated_tokens = from.generated_tokens();
  to.scored_tokens = from.scored_tokens();
  to.trained_tokens = from.trained_tokens();
  to.call_time = ToDuration(from.call_time());
  to.training_time = ToDuration(from.training_time());
  to.stored_bytes = from.stored_bytes();
  return to;
}

v1::ModelConfig ToProto(const ModelConfig& from) {
  v1::ModelConfig to;
  to.set_cell(kCells.To(from.cell));
  DERIN_WRITE(from, to, layers);
  DERIN_WRITE(from, to, hidden);
  to.set_tokenization(kTokenizations.To(from.tokenization));
  to.set_precision(kPrecisions.To(from.precision));
  DERIN_WRITE(from, to, embedding);
  to.set_tied_head(from.tied_head);
  return to;
}

v1::UploadCorpusHeader ToProto(const UploadCorpusOptions& from) {
  v1::UploadCorpusHeader to;
  to.set_corpus_id(from.corpus_id);
  to.set_normalization(kNormalizations.To(from.normalization));
  to.set_sha256(from.sha256);
  to.set_upload_id(from.upload_id);
  return to;
}

v1::GenerateRequest ToProto(const GenerateOptions& from) {
  v1::GenerateRequest to;
  if (!from.session.empty()) {
    to.set_session(from.session);
  } else {
    to.set_model(from.model);
  }
  if (!from.prompt_tokens.empty()) {
    to.mutable_prompt_tokens()->mutable_tokens()->Assign(from.prompt_tokens.begin(),
                                                         from.prompt_tokens.end());
  } else if (!from.prompt_bytes.empty()) {
    to.set_prompt_bytes(from.prompt_bytes);
  } else {
    to.set_prompt(from.prompt);
  }
  to.set_echo(from.echo);
  DERIN_WRITE(from, to, max_tokens);
  DERIN_WRITE(from, to, min_tokens);
  DERIN_WRITE(from, to, log_probabilities);
  DERIN_WRITE(from, to, expected_position);
  to.set_open_session(from.open_session);
  to.set_request_id(from.request_id);
  to.mutable_stop_strings()->Assign(from.stop_strings.begin(), from.stop_strings.end());
  to.mutable_stop_tokens()->Assign(from.stop_tokens.begin(), from.stop_tokens.end());
  to.set_include_stop(from.include_stop);
  if (from.time_budget.has_value()) *to.mutable_time_budget() = FromDuration(*from.time_budget);
  if (from.message_interval.has_value()) {
    *to.mutable_message_interval() = FromDuration(*from.message_interval);
  }
  v1::SamplingSettings& sampling = *to.mutable_sampling();
  DERIN_WRITE(from.sampling, sampling, temperature);
  DERIN_WRITE(from.sampling, sampling, top_k);
  DERIN_WRITE(from.sampling, sampling, top_p);
  sampling.set_allow_unknown(from.sampling.allow_unknown);
  DERIN_WRITE(from.sampling, sampling, min_p);
  DERIN_WRITE(from.sampling, sampling, typical_p);
  DERIN_WRITE(from.sampling, sampling, repetition_penalty);
  DERIN_WRITE(from.sampling, sampling, presence_penalty);
  DERIN_WRITE(from.sampling, sampling, frequency_penalty);
  DERIN_WRITE(from.sampling, sampling, penalty_window);
  sampling.mutable_logit_bias()->insert(from.sampling.logit_bias.begin(),
                                        from.sampling.logit_bias.end());
  sampling.mutable_allowed_tokens()->Assign(from.sampling.allowed_tokens.begin(),
                                            from.sampling.allowed_tokens.end());
  sampling.mutable_banned_tokens()->Assign(from.sampling.banned_tokens.begin(),
                                           from.sampling.banned_tokens.end());
  sampling.mutable_allowed_texts()->Assign(from.sampling.allowed_texts.begin(),
                                           from.sampling.allowed_texts.end());
  sampling.mutable_banned_texts()->Assign(from.sampling.banned_texts.begin(),
                                          from.sampling.banned_texts.end());
  DERIN_WRITE(from, to, seed);
  to.set_per_token(from.per_token);
  return to;
}

}  // namespace derin::client::internal
