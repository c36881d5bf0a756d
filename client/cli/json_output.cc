#include "client/cli/json_output.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/enum_names.h"

namespace derin::cli {
namespace {

template <typename T>
void Put(Json& json, const char* key, const std::optional<T>& value) {
  if (value.has_value()) json[key] = *value;
}

void Put(Json& json, const char* key, const std::optional<absl::Time>& value) {
  if (!value.has_value()) return;
  json[key] = absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", *value, absl::UTCTimeZone());
}

void PutSeconds(Json& json, const char* key, const std::optional<absl::Duration>& value) {
  if (value.has_value()) json[key] = absl::ToDoubleSeconds(*value);
}

void PutSeed(Json& json, const std::optional<uint64_t>& seed) {
  if (seed.has_value()) json["seed"] = absl::StrCat(*seed);
}

Json ToJson(const client::ModelConfig& config) {
  Json json;
  json["cell"] = Name(config.cell);
  Put(json, "layers", config.layers);
  Put(json, "hidden", config.hidden);
  json["tokenization"] = Name(config.tokenization);
  json["precision"] = Name(config.precision);
  Put(json, "embedding", config.embedding);
  json["tied_head"] = config.tied_head;
  return json;
}

Json ToJson(const client::Optimizer& optimizer) {
  Json json;
  const auto put_moments = [&json](const auto& adam) {
    Put(json, "beta1", adam.beta1);
    Put(json, "beta2", adam.beta2);
    Put(json, "epsilon", adam.epsilon);
  };
  if (const auto* adam = std::get_if<client::Adam>(&optimizer)) {
    json["kind"] = "adam";
    put_moments(*adam);
  } else if (const auto* adamw = std::get_if<client::AdamW>(&optimizer)) {
    json["kind"] = "adamw";
    put_moments(*adamw);
    Put(json, "weight_decay", adamw->weight_decay);
  } else {
    json["kind"] = "sgd";
    Put(json, "momentum", std::get<client::Sgd>(optimizer).momentum);
  }
  return json;
}

Json ToJson(const client::LearningRate& rate) {
  Json json;
  Put(json, "peak", rate.peak);
  json["schedule"] = Name(rate.schedule);
  Put(json, "warmup_steps", rate.warmup_steps);
  Put(json, "final_share", rate.final_share);
  return json;
}

Json ToJson(const client::StartFrom& from) {
  Json json;
  if (!from.training_checkpoint.empty()) json["training_checkpoint"] = from.training_checkpoint;
  if (!from.model_version.empty()) json["model_version"] = from.model_version;
  json["weights_only"] = from.weights_only;
  return json;
}

Json ToJson(const client::TrainingSample& sample) {
  Json json;
  json["prompt"] = sample.prompt;
  Put(json, "tokens", sample.tokens);
  Put(json, "temperature", sample.temperature);
  PutSeconds(json, "interval_seconds", sample.interval);
  return json;
}

Json ToJson(const client::WordSettings& words) {
  Json json;
  Put(json, "max_vocabulary", words.max_vocabulary);
  Put(json, "min_count", words.min_count);
  return json;
}

Json ToJson(const client::TrainingSpec& spec) {
  Json json;
  json["corpus"] = spec.corpus;
  for (const client::WeightedCorpus& more : spec.more_corpora) {
    Json corpus;
    corpus["corpus"] = more.corpus;
    Put(corpus, "weight", more.weight);
    json["more_corpora"].push_back(std::move(corpus));
  }
  Put(json, "corpus_weight", spec.corpus_weight);
  json["model"] = spec.model;
  json["config"] = ToJson(spec.config);
  Put(json, "max_tokens", spec.max_tokens);
  Put(json, "validation_share", spec.validation_share);
  json["validation_split"] = Name(spec.validation_split);
  Put(json, "validation_block", spec.validation_block);
  Put(json, "batch", spec.batch);
  Put(json, "steps", spec.steps);
  json["partition"] = Name(spec.partition);
  if (spec.optimizer.has_value()) json["optimizer"] = ToJson(*spec.optimizer);
  json["learning_rate"] = ToJson(spec.learning_rate);
  Put(json, "clip", spec.clip);
  Put(json, "epochs", spec.epochs);
  Put(json, "max_steps", spec.max_steps);
  Put(json, "max_trained_tokens", spec.max_trained_tokens);
  Put(json, "validation_interval", spec.validation_interval);
  PutSeconds(json, "max_training_time_seconds", spec.max_training_time);
  Put(json, "target_perplexity", spec.target_perplexity);
  Put(json, "patience_epochs", spec.patience_epochs);
  PutSeed(json, spec.seed);
  PutSeconds(json, "checkpoint_interval_seconds", spec.checkpoint_interval);
  Put(json, "checkpoints_to_keep", spec.checkpoints_to_keep);
  Put(json, "best_checkpoints_to_keep", spec.best_checkpoints_to_keep);
  if (spec.start_from.has_value()) json["start_from"] = ToJson(*spec.start_from);
  Put(json, "forget_bias", spec.forget_bias);
  Put(json, "dropout", spec.dropout);
  json["recover_from_divergence"] = spec.recover_from_divergence;
  if (spec.sample.has_value()) json["sample"] = ToJson(*spec.sample);
  if (spec.words.has_value()) json["words"] = ToJson(*spec.words);
  return json;
}

}  // namespace

Json ToJson(const client::Corpus& corpus) {
  Json json;
  json["name"] = corpus.name;
  Put(json, "create_time", corpus.create_time);
  json["normalization"] = Name(corpus.normalization);
  json["size_bytes"] = corpus.size_bytes;
  json["character_count"] = corpus.character_count;
  json["vocabulary_size"] = corpus.vocabulary_size;
  json["sha256"] = corpus.sha256;
  for (const client::CharacterCount& one : corpus.most_frequent) {
    json["most_frequent"].push_back({{"character", one.character}, {"count", one.count}});
  }
  json["document_count"] = corpus.document_count;
  for (const client::CorpusDocument& one : corpus.documents) {
    json["documents"].push_back({{"name", one.name},
                                 {"size_bytes", one.size_bytes},
                                 {"character_count", one.character_count},
                                 {"vocabulary_size", one.vocabulary_size}});
  }
  return json;
}

Json ToJson(const client::ModelVersion& version) {
  Json json;
  json["name"] = version.name;
  Put(json, "create_time", version.create_time);
  json["config"] = ToJson(version.config);
  json["vocabulary_size"] = version.vocabulary_size;
  json["normalization"] = Name(version.normalization);
  json["parameter_count"] = version.parameter_count;
  if (!version.training_job.empty()) json["training_job"] = version.training_job;
  if (!version.training_checkpoint.empty()) {
    json["training_checkpoint"] = version.training_checkpoint;
  }
  if (version.training_perplexity > 0) json["training_perplexity"] = version.training_perplexity;
  Put(json, "validation_perplexity", version.validation_perplexity);
  json["size_bytes"] = version.size_bytes;
  json["sha256"] = version.sha256;
  return json;
}

Json ToJson(const client::ModelAlias& alias) {
  Json json;
  json["name"] = alias.name;
  json["model_version"] = alias.model_version;
  Put(json, "create_time", alias.create_time);
  Put(json, "update_time", alias.update_time);
  return json;
}

Json ToJson(const client::Model& model) {
  Json json;
  json["name"] = model.name;
  Put(json, "create_time", model.create_time);
  if (model.latest_version.has_value()) json["latest_version"] = ToJson(*model.latest_version);
  json["version_count"] = model.version_count;
  json.update(ListToJson("aliases", model.aliases));
  return json;
}

Json ToJson(const client::TrainingCheckpoint& checkpoint) {
  Json json;
  json["name"] = checkpoint.name;
  json["step"] = checkpoint.step;
  json["attempt"] = checkpoint.attempt;
  Put(json, "create_time", checkpoint.create_time);
  json["size_bytes"] = checkpoint.size_bytes;
  json["engine_id"] = checkpoint.engine_id;
  Put(json, "training_perplexity", checkpoint.training_perplexity);
  Put(json, "validation_perplexity", checkpoint.validation_perplexity);
  Put(json, "measured_perplexity", checkpoint.measured_perplexity);
  if (!checkpoint.corpus_sha256.empty()) json["corpus_sha256"] = checkpoint.corpus_sha256;
  PutSeconds(json, "training_time_seconds", checkpoint.training_time);
  return json;
}

Json ToJson(const client::TrainingMetrics& point) {
  Json json;
  json["step"] = point.step;
  json["attempt"] = point.attempt;
  json["epochs_done"] = point.epochs_done;
  json["tokens"] = point.tokens;
  Put(json, "time", point.time);
  json["training_loss"] = point.training_loss;
  json["training_perplexity"] = point.training_perplexity;
  Put(json, "epoch_training_perplexity", point.epoch_training_perplexity);
  Put(json, "validation_perplexity", point.validation_perplexity);
  json["learning_rate"] = point.learning_rate;
  json["gradient_norm"] = point.gradient_norm;
  json["tokens_per_second"] = point.tokens_per_second;
  return json;
}

Json ToJson(const client::TrainingJob& job) {
  Json json;
  if (!job.name.empty()) json["name"] = job.name;
  json["spec"] = ToJson(job.spec);
  json["state"] = Name(job.state);
  if (!job.reason.empty()) json["reason"] = job.reason;
  if (!job.message.empty()) json["message"] = job.message;
  Put(json, "create_time", job.create_time);
  Put(json, "start_time", job.start_time);
  Put(json, "end_time", job.end_time);
  json["attempt"] = job.attempt;
  if (job.progress.has_value()) json["progress"] = ToJson(*job.progress);
  if (!job.model_version.empty()) json["model_version"] = job.model_version;
  json["parameter_count"] = job.parameter_count;
  json["last_sequence"] = job.last_sequence;
  if (!job.owner.empty()) json["owner"] = job.owner;
  if (!job.labels.empty()) json["labels"] = job.labels;
  json["priority"] = job.priority;
  json["share"] = job.share;
  if (!job.waiting_reason.empty()) json["waiting_reason"] = job.waiting_reason;
  json["memory_bytes"] = job.memory_bytes;
  json["tokens_per_epoch"] = job.tokens_per_epoch;
  PutSeconds(json, "estimated_training_time_seconds", job.estimated_training_time);
  Put(json, "queue_time", job.queue_time);
  if (!job.trace_id.empty()) json["trace_id"] = job.trace_id;
  return json;
}

Json ToJson(const client::TrainingProgress& progress) {
  Json json;
  json["attempt"] = progress.attempt;
  json["epoch"] = progress.epoch;
  json["epochs"] = progress.epochs;
  json["step"] = progress.step;
  json["steps"] = progress.steps;
  json["tokens"] = progress.tokens;
  json["training_loss"] = progress.training_loss;
  json["training_perplexity"] = progress.training_perplexity;
  Put(json, "epoch_training_perplexity", progress.epoch_training_perplexity);
  Put(json, "validation_perplexity", progress.validation_perplexity);
  Put(json, "best_perplexity", progress.best_perplexity);
  json["learning_rate"] = progress.learning_rate;
  json["gradient_norm"] = progress.gradient_norm;
  json["tokens_per_second"] = progress.tokens_per_second;
  json["fraction_done"] = progress.fraction_done;
  PutSeconds(json, "time_left_seconds", progress.time_left);
  PutSeconds(json, "training_time_seconds", progress.training_time);
  if (progress.sample.has_value()) {
    json["sample"] = {{"step", progress.sample->step}, {"text", progress.sample->text}};
  }
  return json;
}

Json ToJson(const client::TrainingEvent& event) {
  Json json;
  json["sequence"] = event.sequence;
  json["attempt"] = event.attempt;
  Put(json, "time", event.time);
  json["kind"] = Name(event.kind);
  json["state"] = Name(event.state);
  json["step"] = event.step;
  json["message"] = event.message;
  return json;
}

Json ToJson(const client::Session& session) {
  Json json;
  json["name"] = session.name;
  json["model_version"] = session.model_version;
  Put(json, "create_time", session.create_time);
  json["position"] = session.position;
  PutSeed(json, session.seed);
  json["engine_id"] = session.engine_id;
  Put(json, "idle_since", session.idle_since);
  json["stream"] = session.stream;
  Json remembered = Json::array();
  for (const client::PositionRange& range : session.remembered) {
    remembered.push_back({{"first", range.first}, {"last", range.last}});
  }
  json["remembered"] = std::move(remembered);
  json["tier"] = Name(session.tier);
  json["durability"] = Name(session.durability);
  Put(json, "expire_time", session.expire_time);
  if (!session.owner.empty()) json["owner"] = session.owner;
  return json;
}

Json ToJson(const client::GenerateStart& start) {
  Json json;
  if (!start.session.empty()) json["session"] = start.session;
  json["model_version"] = start.model_version;
  PutSeed(json, start.seed);
  json["position"] = start.position;
  json["unknown_count"] = start.unknown_count;
  json["unknown_characters"] = start.unknown_characters;
  json["engine_id"] = start.engine_id;
  json["engine_changed"] = start.engine_changed;
  if (!start.session.empty()) json["tier"] = Name(start.tier);
  return json;
}

Json ToJson(const client::DrawnLogProbability& drawn) {
  Json json;
  json["log_probability"] = drawn.log_probability;
  Json most_probable = Json::array();
  for (const client::TokenLogProbability& one : drawn.most_probable) {
    most_probable.push_back({{"token", one.token}, {"log_probability", one.log_probability}});
  }
  json["most_probable"] = std::move(most_probable);
  return json;
}

Json ToJson(const client::GenerateEnd& end) {
  Json json;
  json["finish_reason"] = Name(end.finish_reason);
  if (!end.stop_string.empty()) json["stop_string"] = end.stop_string;
  if (end.stop_token.has_value()) json["stop_token"] = *end.stop_token;
  json["prompt_tokens"] = end.prompt_tokens;
  json["generated_tokens"] = end.generated_tokens;
  json["position"] = end.position;
  json["queue_seconds"] = absl::ToDoubleSeconds(end.queue_time);
  json["prompt_seconds"] = absl::ToDoubleSeconds(end.prompt_time);
  json["first_token_seconds"] = absl::ToDoubleSeconds(end.first_token_time);
  json["tokens_per_second"] = end.tokens_per_second;
  return json;
}

Json ToJson(const client::ScoreTotals& totals) {
  Json json;
  json["tokens"] = totals.tokens;
  json["characters"] = totals.characters;
  json["unknown_count"] = totals.unknown_count;
  json["log_probability"] = totals.log_probability;
  json["perplexity"] = totals.perplexity;
  json["bits_per_character"] = totals.bits_per_character;
  return json;
}

Json ToJson(const client::ServerInfo& info) {
  Json json;
  json["version"] = info.version;
  json["server_id"] = info.server_id;
  Put(json, "start_time", info.start_time);
  Json precisions = Json::array();
  for (const client::Precision one : info.device.precisions) precisions.push_back(Name(one));
  json["device"] = {
      {"backend", info.device.backend},      {"description", info.device.description},
      {"engine_id", info.device.engine_id},  {"free_bytes", info.device.free_bytes},
      {"precisions", std::move(precisions)}, {"instructions", info.device.instructions},
      {"threads", info.device.threads},      {"total_bytes", info.device.total_bytes},
      {"failure", info.device.failure}};
  json["load"] = {{"running_training_jobs", info.load.running_training_jobs},
                  {"queued_training_jobs", info.load.queued_training_jobs},
                  {"sessions", info.load.sessions},
                  {"generate_streams", info.load.generate_streams},
                  {"trained_tokens_per_second", info.load.trained_tokens_per_second},
                  {"generated_tokens_per_second", info.load.generated_tokens_per_second}};
  json["limits"] = {
      {"sessions", info.limits.sessions},
      {"generate_streams", info.limits.generate_streams},
      {"queued_training_jobs", info.limits.queued_training_jobs},
      {"running_training_jobs", info.limits.running_training_jobs},
      {"corpus_bytes", info.limits.corpus_bytes},
      {"model_bytes", info.limits.model_bytes},
      {"prompt_bytes", info.limits.prompt_bytes},
      {"session_time_to_live_seconds", absl::ToDoubleSeconds(info.limits.session_time_to_live)}};
  return json;
}

Json ToJson(const client::Usage& usage) {
  Json json;
  json["caller"] = usage.caller;
  json["prompt_tokens"] = usage.prompt_tokens;
  json["generated_tokens"] = usage.generated_tokens;
  json["scored_tokens"] = usage.scored_tokens;
  json["trained_tokens"] = usage.trained_tokens;
  json["call_seconds"] = absl::ToDoubleSeconds(usage.call_time);
  json["training_seconds"] = absl::ToDoubleSeconds(usage.training_time);
  json["stored_bytes"] = usage.stored_bytes;
  return json;
}

void PrintDocument(const Json& json, std::ostream& out) {
  // What is not UTF-8 is replaced: dump() would throw.
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

void PrintLine(const Json& json, std::ostream& out) {
  out << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
}

}  // namespace derin::cli
