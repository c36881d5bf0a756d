#include "client/cli/job_text.h"

#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/enum_names.h"
#include "client/cli/formatting.h"
#include "client/cli/table.h"

namespace derin::cli {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

// How often checkpoints are written; nothing where the server does not say.
std::string SavedText(const client::TrainingSpec& spec) {
  if (!spec.checkpoint_interval.has_value()) return "";
  const int best = spec.best_checkpoints_to_keep.value_or(0);
  return absl::StrCat("every ", ShortDuration(*spec.checkpoint_interval), ", the newest ",
                      spec.checkpoints_to_keep.value_or(0), " kept",
                      best > 0 ? absl::StrCat(", and the best ", best) : "");
}

// What it begins with; nothing where that is drawn.
std::string StartText(const client::TrainingSpec& spec) {
  if (!spec.start_from.has_value()) return "";
  const client::StartFrom& from = *spec.start_from;
  if (from.training_checkpoint.empty()) return from.model_version;
  return absl::StrCat(from.training_checkpoint, from.weights_only ? ", weights only" : "");
}

// The optimiser's name, with what is special about it.
std::string KindText(const client::TrainingSpec& spec) {
  if (!spec.optimizer.has_value()) return "sgd";
  if (std::holds_alternative<client::Adam>(*spec.optimizer)) return "adam";
  if (const auto* adamw = std::get_if<client::AdamW>(&*spec.optimizer)) {
    return absl::StrCat("adamw, decay ", Shortest(adamw->weight_decay.value_or(0)));
  }
  const double momentum = std::get<client::Sgd>(*spec.optimizer).momentum.value_or(0);
  return momentum == 0 ? "sgd" : absl::StrCat("sgd, momentum ", Shortest(momentum));
}

// Which words it knows, where tokens are words.
std::string WordsText(const client::TrainingSpec& spec) {
  if (!spec.words.has_value()) return "";
  return absl::StrCat(
      WholeNumber(spec.words->max_vocabulary.value_or(0)), " known, <unk> included, seen ",
      WholeNumber(spec.words->min_count.value_or(1)), " times or more; perplexity is per word");
}

Fields SpecFields(const client::TrainingJob& job) {
  const client::TrainingSpec& spec = job.spec;
  std::string text = CorporaText(spec);
  if (spec.max_tokens.has_value()) {
    const bool several = !spec.more_corpora.empty();
    absl::StrAppend(&text, several ? ", up to " : ", ", WholeNumber(*spec.max_tokens),
                    several ? " tokens of each" : " tokens");
  }
  if (const double share = spec.validation_share.value_or(0); share > 0) {
    absl::StrAppend(&text, ", ", Shortest(share * 100), " % held out");
    if (spec.validation_split == client::ValidationSplit::kDocuments) {
      absl::StrAppend(&text, " as whole documents");
    } else if (spec.validation_split == client::ValidationSplit::kBlocks) {
      absl::StrAppend(&text, " in blocks of ", WholeNumber(spec.validation_block.value_or(0)));
    }
    if (const int64_t interval = spec.validation_interval.value_or(0); interval > 0) {
      absl::StrAppend(&text, ", measured every ", WholeNumber(interval), " steps");
    }
  }
  return {{"corpus", text},
          {"model", spec.model},
          {"start", StartText(spec)},
          {"network", absl::StrCat(NetworkText(spec.config), " on ",
                                   std::string(Name(spec.config.tokenization)), ", ",
                                   WholeNumber(job.parameter_count), " parameters")},
          {"words", WordsText(spec)},
          {"forget bias", spec.forget_bias.has_value() ? Shortest(*spec.forget_bias) : ""},
          {"dropout", spec.dropout.value_or(0) > 0 ? Shortest(*spec.dropout) : ""},
          {"precision", std::string(Name(spec.config.precision))},
          {"batches", absl::StrCat(spec.batch.value_or(0), " rows x ", spec.steps.value_or(0),
                                   " steps, ", std::string(Name(spec.partition)))},
          {"optimizer", OptimizerText(spec)},
          {"epoch", job.tokens_per_epoch == 0 ? "" : WholeNumber(job.tokens_per_epoch) + " tokens"},
          {"ends", EndsText(spec)},
          {"time", job.estimated_training_time.has_value()
                       ? absl::StrCat("about ", ShortDuration(*job.estimated_training_time))
                       : ""},
          {"seed", spec.seed.has_value() ? absl::StrCat(*spec.seed) : ""},
          {"diverging", spec.recover_from_divergence ? "goes on once, at a tenth of the rate" : ""},
          {"saved", SavedText(spec)},
          {"priority", job.priority == 0 ? "" : absl::StrCat(job.priority)},
          {"share", job.share == 1 ? "" : absl::StrCat(job.share)},
          {"memory", job.memory_bytes == 0 ? "" : absl::StrCat("up to ", Bytes(job.memory_bytes))},
          {"labels", LabelsText(job.labels)}};
}

Fields ProgressFields(const client::TrainingProgress& progress) {
  std::string perplexity = Perplexity(progress.training_perplexity) + " (this epoch)";
  if (progress.epoch_training_perplexity.has_value()) {
    absl::StrAppend(&perplexity, ", ", Perplexity(progress.epoch_training_perplexity),
                    " (last whole epoch)");
  }
  if (progress.validation_perplexity.has_value()) {
    absl::StrAppend(&perplexity, ", ", Perplexity(progress.validation_perplexity), " (validation)");
  }
  const std::string sample = progress.sample.has_value()
                                 ? absl::StrCat(OneLine(progress.sample->text), " (step ",
                                                WholeNumber(progress.sample->step), ")")
                                 : "";
  return {{"progress", absl::StrCat("epoch ", progress.epoch, "/", progress.epochs, ", step ",
                                    progress.step, "/", progress.steps)},
          {"perplexity", perplexity},
          {"tokens", WholeNumber(progress.tokens) + " trained on, " +
                         ShortNumber(progress.tokens_per_second) + "/s"},
          {"sample", sample}};
}

std::string StateText(const client::TrainingJob& job) {
  std::string text(Name(job.state));
  if (!job.reason.empty()) absl::StrAppend(&text, ", ", job.reason);
  if (!job.message.empty()) absl::StrAppend(&text, ": ", job.message);
  return text;
}

}  // namespace

std::string CorporaText(const client::TrainingSpec& spec) {
  if (spec.more_corpora.empty()) return spec.corpus;
  std::string text = absl::StrCat(spec.corpus, " = ", Shortest(spec.corpus_weight.value_or(1)));
  for (const client::WeightedCorpus& more : spec.more_corpora) {
    absl::StrAppend(&text, ", ", more.corpus, " = ", Shortest(more.weight.value_or(1)));
  }
  return text;
}

std::string LabelsText(const std::map<std::string, std::string>& labels) {
  return absl::StrJoin(labels, ", ", absl::PairFormatter("="));
}

std::string NetworkText(const client::ModelConfig& config) {
  std::string text = absl::StrCat(std::string(Name(config.cell)), " ", config.layers.value_or(0),
                                  " x ", config.hidden.value_or(0));
  if (const int32_t embedding = config.embedding.value_or(0); embedding > 0) {
    absl::StrAppend(&text, ", embedding ", embedding, config.tied_head ? " tied" : "");
  }
  return text;
}

std::string OptimizerText(const client::TrainingSpec& spec) {
  const client::LearningRate& rate = spec.learning_rate;
  std::string text = KindText(spec);
  if (rate.peak.has_value()) absl::StrAppend(&text, ", rate ", Shortest(*rate.peak));
  if (rate.schedule == client::LearningRate::Schedule::kCosine) {
    absl::StrAppend(&text, " cosine to ", Shortest(rate.final_share.value_or(0)), " of it");
  }
  if (const int64_t warmup = rate.warmup_steps.value_or(0); warmup > 0) {
    absl::StrAppend(&text, ", warm-up ", WholeNumber(warmup), " steps");
  }
  if (spec.clip.has_value()) absl::StrAppend(&text, ", clip ", Shortest(*spec.clip));
  return text;
}

std::string EndsText(const client::TrainingSpec& spec) {
  std::string text = absl::StrCat("after ", WholeNumber(spec.epochs.value_or(0)), " epochs");
  if (const int64_t steps = spec.max_steps.value_or(0); steps > 0) {
    absl::StrAppend(&text, " or ", WholeNumber(steps), " steps");
  }
  if (const int64_t tokens = spec.max_trained_tokens.value_or(0); tokens > 0) {
    absl::StrAppend(&text, " or ", WholeNumber(tokens), " tokens");
  }
  const absl::Duration time = spec.max_training_time.value_or(absl::ZeroDuration());
  if (time > absl::ZeroDuration()) absl::StrAppend(&text, " or ", ShortDuration(time));
  if (const double target = spec.target_perplexity.value_or(0); target > 0) {
    absl::StrAppend(&text, ", at perplexity ", Shortest(target));
  }
  if (const int64_t patience = spec.patience_epochs.value_or(0); patience > 0) {
    absl::StrAppend(&text, ", after ", WholeNumber(patience), " epochs without a better one");
  }
  return text;
}

void PrintJob(const client::TrainingJob& job, absl::TimeZone zone, std::ostream& out) {
  const auto time = [zone](const std::optional<absl::Time>& value) {
    return value.has_value() ? LocalTime(value, zone) : "";
  };
  Fields fields = {{"name", job.name},
                   {"state", StateText(job)},
                   {"waits", job.waiting_reason},
                   {"created", time(job.create_time)},
                   {"started", time(job.start_time)},
                   {"ended", time(job.end_time)},
                   {"attempt", job.attempt > 1 ? absl::StrCat(job.attempt) : ""}};
  if (job.progress.has_value()) {
    for (auto& field : ProgressFields(*job.progress)) fields.push_back(std::move(field));
  }
  fields.emplace_back("published", job.model_version);
  for (auto& field : SpecFields(job)) fields.push_back(std::move(field));
  PrintFields(fields, out);
}

void PrintSpec(const client::TrainingJob& job, std::ostream& out) {
  PrintFields(SpecFields(job), out);
}

}  // namespace derin::cli
