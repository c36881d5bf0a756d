#include "server/jobs/training_start.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/text/normalization.h"
#include "server/jobs/checkpoint_files.h"
#include "server/registry/proto_conversion.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

constexpr char kSpec[] = "training_job.spec.";
constexpr char kStartFrom[] = "training_job.spec.start_from";

absl::StatusOr<TrainingStart> FindCheckpoint(const v1::StartFrom& from, MetadataStore& store,
                                             const BlobStore& blobs) {
  const auto reference = ParseCheckpointName(from.training_checkpoint(),
                                             absl::StrCat(kStartFrom, ".training_checkpoint"));
  if (!reference.ok()) return reference.status();
  auto job = store.GetTrainingJob(reference->job_id);
  if (!job.ok()) return job.status();
  const auto stored = store.GetTrainingCheckpoint(reference->job_id, reference->step);
  if (!stored.ok()) return stored.status();
  const std::string& name = from.training_checkpoint();
  auto model = ReadModelBlob(blobs, stored->model_sha256);
  if (!model.ok()) return CheckpointError(model.status(), name);
  TrainingStart start{.name = name,
                      .blobs = {.model_sha256 = stored->model_sha256, .state_sha256 = ""},
                      .model = *std::move(model),
                      .state = std::nullopt,
                      .job_spec = std::move(*job->mutable_spec()),
                      .corpus_sha256 = stored->checkpoint.corpus_sha256()};
  if (from.weights_only()) return start;
  auto state = ReadStateBlob(blobs, stored->state_sha256);
  if (!state.ok()) return CheckpointError(state.status(), name);
  start.state = *std::move(state);
  start.blobs.state_sha256 = stored->state_sha256;
  return start;
}

absl::StatusOr<TrainingStart> FindVersion(const v1::StartFrom& from, MetadataStore& store,
                                          const BlobStore& blobs) {
  if (from.weights_only()) {
    return InvalidField(absl::StrCat(kStartFrom, ".weights_only"),
                        "got true, wanted none with model_version, which has weights only");
  }
  const auto reference =
      ParseModelReference(from.model_version(), absl::StrCat(kStartFrom, ".model_version"));
  if (!reference.ok()) return reference.status();
  const auto version = store.GetModelVersion(*reference);
  if (!version.ok()) return version.status();
  auto model = ReadModelBlob(blobs, version->sha256());
  if (!model.ok()) return model.status();
  return TrainingStart{.name = version->name(),
                       .blobs = {.model_sha256 = version->sha256(), .state_sha256 = ""},
                       .model = *std::move(model),
                       .state = std::nullopt,
                       .job_spec = std::nullopt,
                       .corpus_sha256 = ""};
}

// OK when `got` is `wanted`.
template <typename Value>
absl::Status Expect(const TrainingStart& start, const char* field, const Value& got,
                    const Value& wanted) {
  if (got == wanted) return absl::OkStatus();
  return InvalidField(
      absl::StrCat(kSpec, field),
      absl::StrCat("got ", got, ", wanted ", wanted, ", which ", start.name, " has, or none"));
}

absl::Status CheckNetwork(const v1::ModelConfig& got, const TrainingStart& start) {
  const v1::ModelConfig has = ToProto(start.model.config, start.model.tokenizer.tokenization());
  absl::Status status =
      Expect(start, "config.cell", v1::Cell_Name(got.cell()), v1::Cell_Name(has.cell()));
  status.Update(Expect(start, "config.layers", got.layers(), has.layers()));
  status.Update(Expect(start, "config.hidden", got.hidden(), has.hidden()));
  status.Update(Expect(start, "config.embedding", got.embedding(), has.embedding()));
  status.Update(Expect(start, "config.tied_head", got.tied_head(), has.tied_head()));
  status.Update(Expect(start, "config.tokenization", v1::Tokenization_Name(got.tokenization()),
                       v1::Tokenization_Name(has.tokenization())));
  status.Update(Expect(start, "config.precision", v1::Precision_Name(got.precision()),
                       v1::Precision_Name(has.precision())));
  return status;
}

// What the place in the text and the optimiser's moments depend on.
absl::Status CheckGoesOn(const v1::TrainingSpec& spec, const TrainingTexts& texts,
                         const TrainingStart& start) {
  const v1::TrainingSpec& job = *start.job_spec;
  const bool same_text = start.corpus_sha256.empty() ? spec.corpus() == job.corpus()
                                                     : texts.sha256 == start.corpus_sha256;
  if (!same_text) {
    return InvalidField(absl::StrCat(kSpec, "corpus"),
                        absl::StrFormat("got %s, wanted the text that %s was trained on, or "
                                        "start_from.weights_only",
                                        Quoted(spec.corpus()), start.name));
  }
  const auto weights = [](const v1::TrainingSpec& of) {
    std::string text = absl::StrCat(of.corpus_weight());
    for (const v1::WeightedCorpus& more : of.more_corpora()) {
      absl::StrAppend(&text, ", ", more.corpus(), " ", more.weight());
    }
    return text;
  };
  absl::Status status = Expect(start, "more_corpora", weights(spec), weights(job));
  status.Update(Expect(start, "max_tokens", spec.max_tokens(), job.max_tokens()));
  status.Update(Expect(start, "validation_share", spec.validation_share(), job.validation_share()));
  // A job of before these fields has neither.
  const auto split = [](const v1::TrainingSpec& of) {
    return v1::ValidationSplit_Name(of.validation_split() == v1::VALIDATION_SPLIT_UNSPECIFIED
                                        ? v1::VALIDATION_SPLIT_POSITION
                                        : of.validation_split());
  };
  status.Update(Expect(start, "validation_split", split(spec), split(job)));
  status.Update(Expect(start, "validation_block", spec.validation_block(), job.validation_block()));
  status.Update(Expect(start, "batch", spec.batch(), job.batch()));
  status.Update(Expect(start, "steps", spec.steps(), job.steps()));
  status.Update(Expect(start, "partition", v1::Partition_Name(spec.partition()),
                       v1::Partition_Name(job.partition())));
  status.Update(Expect(start, "seed", spec.seed(), job.seed()));
  const auto optimizer = [](const v1::TrainingSpec& of) {
    switch (of.optimizer().kind_case()) {
      case v1::Optimizer::kAdam:
        return std::string("adam");
      case v1::Optimizer::kAdamw:
        return std::string("adamw");
      default:
        return std::string(of.optimizer().sgd().momentum() == 0 ? "sgd" : "sgd with momentum");
    }
  };
  status.Update(Expect(start, "optimizer", optimizer(spec), optimizer(job)));
  if (!status.ok()) return status;
  const int64_t done = start.state->snapshot.epoch;
  if (spec.epochs() > done) return absl::OkStatus();
  return InvalidField(absl::StrCat(kSpec, "epochs"),
                      absl::StrFormat("got %d, wanted more than the %d that %s has done",
                                      spec.epochs(), done, start.name));
}

}  // namespace

absl::StatusOr<TrainingStart> FindStart(const v1::StartFrom& from, MetadataStore& store,
                                        const BlobStore& blobs) {
  switch (from.source_case()) {
    case v1::StartFrom::kTrainingCheckpoint:
      return FindCheckpoint(from, store, blobs);
    case v1::StartFrom::kModelVersion:
      return FindVersion(from, store, blobs);
    default:
      return InvalidField(kStartFrom, "got none, wanted training_checkpoint or model_version");
  }
}

v1::TrainingSpec FillFromStart(const v1::TrainingSpec& asked, const TrainingStart& start) {
  v1::TrainingSpec spec;
  if (start.job_spec.has_value()) spec = *start.job_spec;
  const v1::TrainingSpec of_start = spec;
  *spec.mutable_config() = ToProto(start.model.config, start.model.tokenizer.tokenization());
  // Further texts go with the first.
  if (!asked.corpus().empty() || !asked.more_corpora().empty()) {
    spec.clear_more_corpora();
    spec.clear_corpus_weight();
  }
  spec.MergeFrom(asked);
  *spec.mutable_start_from() = asked.start_from();
  if (start.name != asked.start_from().training_checkpoint()) {
    spec.mutable_start_from()->set_model_version(start.name);
  }
  // Seconds and nanoseconds are one value.
  if (asked.has_checkpoint_interval()) {
    *spec.mutable_checkpoint_interval() = asked.checkpoint_interval();
  }
  if (asked.has_max_training_time()) {
    *spec.mutable_max_training_time() = asked.max_training_time();
  }
  if (asked.sample().has_interval()) {
    *spec.mutable_sample()->mutable_interval() = asked.sample().interval();
  }
  // No weights are drawn.
  if (!asked.has_forget_bias()) spec.clear_forget_bias();
  // What goes with a value that was replaced goes with it.
  const v1::LearningRate& rate = asked.learning_rate();
  if (spec.learning_rate().schedule() != of_start.learning_rate().schedule() &&
      !rate.has_final_share()) {
    spec.mutable_learning_rate()->clear_final_share();
  }
  if (spec.optimizer().kind_case() != of_start.optimizer().kind_case() && !rate.has_peak()) {
    spec.mutable_learning_rate()->clear_peak();
  }
  if (asked.has_validation_share() && asked.validation_share() == 0 &&
      asked.validation_split() == v1::VALIDATION_SPLIT_UNSPECIFIED) {
    spec.clear_validation_split();
  }
  if (asked.has_validation_share() && asked.validation_share() == 0 &&
      !asked.has_validation_interval()) {
    spec.clear_validation_interval();
  }
  if (spec.validation_split() != of_start.validation_split() && !asked.has_validation_block()) {
    spec.clear_validation_block();
  }
  const bool same_texts =
      spec.corpus() == of_start.corpus() &&
      std::equal(spec.more_corpora().begin(), spec.more_corpora().end(),
                 of_start.more_corpora().begin(), of_start.more_corpora().end(),
                 [](const auto& a, const auto& b) { return a.corpus() == b.corpus(); });
  if (!same_texts && !start.state && !asked.has_max_tokens()) spec.clear_max_tokens();
  return spec;
}

absl::Status CheckAgainstStart(const v1::TrainingSpec& spec, const TrainingTexts& texts,
                               const TrainingStart& start) {
  if (absl::Status status = CheckNetwork(spec.config(), start); !status.ok()) return status;
  const auto normalization = FromProto(texts.texts.front().corpus.normalization(), "normalization");
  if (!normalization.ok()) return normalization.status();
  if (*normalization != start.model.normalization) {
    return InvalidField(
        absl::StrCat(kSpec, "corpus"),
        absl::StrFormat("got a text with the normalisation %s, wanted one with %s, as %s was "
                        "trained on",
                        NormalizationName(*normalization),
                        NormalizationName(start.model.normalization), start.name));
  }
  return start.state.has_value() ? CheckGoesOn(spec, texts, start) : absl::OkStatus();
}

}  // namespace derin::server
