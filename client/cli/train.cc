#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/enum_names.h"
#include "client/cli/field_flag.h"
#include "client/cli/formatting.h"
#include "client/cli/job_text.h"
#include "client/cli/job_watch.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/optimizer_flags.h"
#include "client/cli/options.h"
#include "client/cli/resource_name.h"

namespace derin::cli {
namespace {

struct TrainOptions {
  // As typed, without the collections.
  std::vector<Weighted> corpora;
  std::string model;
  std::string start_from;
  bool weights_only = false;
  OptimizerFlags optimizer;
  client::TrainingSample sample;
  client::WordSettings words;
  client::TrainingSpec spec;
  std::optional<int32_t> priority;
  std::optional<int32_t> share;
  client::CreateTrainingJobOptions create;
  bool detach = false;
};

constexpr FieldFlag kFlags[] = {
    {"training_job.spec.corpus", "--corpus"},
    {"training_job.spec.more_corpora", "--corpus"},
    {"training_job.spec.corpus_weight", "--corpus"},
    {"training_job.spec.model", "--model"},
    {"training_job.spec.config.cell", "--cell"},
    {"training_job.spec.config.layers", "--layers"},
    {"training_job.spec.config.hidden", "--hidden"},
    {"training_job.spec.config.embedding", "--embedding"},
    {"training_job.spec.config.tied_head", "--tied-head"},
    {"training_job.spec.config.tokenization", "--tokens"},
    {"training_job.spec.words", "--tokens"},
    {"training_job.spec.words.max_vocabulary", "--max-vocabulary"},
    {"training_job.spec.words.min_count", "--min-count"},
    {"training_job.spec.config.precision", "--precision"},
    {"training_job.spec.max_tokens", "--max-tokens"},
    {"training_job.spec.validation_share", "--validation-share"},
    {"training_job.spec.validation_split", "--validation-split"},
    {"training_job.spec.validation_block", "--validation-block"},
    {"training_job.spec.batch", "--batch"},
    {"training_job.spec.steps", "--steps"},
    {"training_job.spec.partition", "--partition"},
    {"training_job.spec.optimizer", "--optimizer"},
    {"training_job.spec.optimizer.sgd.momentum", "--momentum"},
    {"training_job.spec.optimizer.adamw.weight_decay", "--weight-decay"},
    {"training_job.spec.forget_bias", "--forget-bias"},
    {"training_job.spec.learning_rate.peak", "--lr"},
    {"training_job.spec.learning_rate.schedule", "--schedule"},
    {"training_job.spec.learning_rate.warmup_steps", "--warmup"},
    {"training_job.spec.learning_rate.final_share", "--final-lr-share"},
    {"training_job.spec.clip", "--clip"},
    {"training_job.spec.epochs", "--epochs"},
    {"training_job.spec.max_steps", "--max-steps"},
    {"training_job.spec.max_trained_tokens", "--max-trained-tokens"},
    {"training_job.spec.validation_interval", "--validation-interval"},
    {"training_job.spec.max_training_time", "--max-time"},
    {"training_job.spec.target_perplexity", "--target-perplexity"},
    {"training_job.spec.patience_epochs", "--patience"},
    {"training_job.spec.dropout", "--dropout"},
    {"training_job.spec.checkpoint_interval", "--checkpoint-seconds"},
    {"training_job.spec.checkpoints_to_keep", "--keep-checkpoints"},
    {"training_job.spec.best_checkpoints_to_keep", "--keep-best"},
    {"training_job.spec.seed", "--seed"},
    {"training_job.spec.start_from", "--start-from"},
    {"training_job.spec.start_from.training_checkpoint", "--start-from"},
    {"training_job.spec.start_from.model_version", "--start-from"},
    {"training_job.spec.start_from.weights_only", "--weights-only"},
    {"training_job.spec.sample.prompt", "--sample"},
    {"training_job.spec.sample.tokens", "--sample-tokens"},
    {"training_job.spec.sample.temperature", "--sample-temperature"},
    {"training_job.spec.sample.interval", "--sample-seconds"},
    {"training_job.labels", "--label"},
    {"training_job.priority", "--priority"},
    {"training_job.share", "--share"},
    {"training_job_id", "--id"},
};

void AddFlags(CLI::App& command, TrainOptions& options) {
  client::TrainingSpec& spec = options.spec;
  const auto in = [&command](const char* group, auto add) {
    const size_t before = command.get_options().size();
    add();
    const auto all = command.get_options();
    for (size_t i = before; i < all.size(); ++i) all[i]->group(group);
  };
  in("What", [&] {
    AddWeighted(command, "--corpus", options.corpora,
                "text to train on, as `derin corpus list` shows; required unless --start-from "
                "names a checkpoint; may be repeated: each text then gets rows of every minibatch "
                "in proportion to its weight [1]");
    command
        .add_option("--model", options.model,
                    "name to publish under; a version is added when it exists; required unless "
                    "--start-from names a checkpoint")
        ->type_name("NAME");
    command
        .add_option(
            "--start-from", options.start_from,
            "begin with what was trained before: JOB/checkpoints/STEP, which goes on as that "
            "job would have, with its settings where none are given; or "
            "models/NAME/versions/N or models/NAME/aliases/ALIAS [drawn weights]")
        ->type_name("WHAT");
    command.add_flag(
        "--weights-only", options.weights_only,
        "of that checkpoint take the weights alone, with a fresh optimiser from step 0");
    AddNumber(command, "--max-tokens", spec.max_tokens,
              "train on the first N tokens of each corpus only, held-out ones included [all]");
    AddNumber(command, "--validation-share", spec.validation_share,
              "share of the tokens that is held out for validation, 0 to 0.5 [0]");
    AddEnum(command, "--validation-split", spec.validation_split, kValidationSplitNames,
            "which are: the last ones, whole documents, or blocks, both drawn by the seed "
            "[position]");
    AddNumber(command, "--validation-block", spec.validation_block,
              "tokens of such a block, 256 and more [1024]");
    AddNumber(command, "--validation-interval", spec.validation_interval,
              "measure them every N optimiser steps, too, not only after each epoch [none]");
  });
  in("Network", [&] {
    AddEnum(command, "--cell", spec.config.cell, kCellNames, "recurrent cell [lstm]");
    AddNumber(command, "--layers", spec.config.layers, "recurrent layers, 1 to 8 [2]");
    AddNumber(command, "--hidden", spec.config.hidden, "units of each layer, 1 to 2048 [256]");
    AddNumber(command, "--embedding", spec.config.embedding,
              "elements of a learned vector for each token, up to 2048; a text of more than 1024 "
              "different tokens wants one [0: one-hot]");
    command.add_flag("--tied-head", spec.config.tied_head,
                     "the head's weights are those vectors; wants --embedding to be --hidden");
    AddNumber(command, "--forget-bias", spec.forget_bias,
              "of an lstm: what the forget gates' biases begin with, -100 to 100 [drawn]");
    AddEnum(command, "--tokens", spec.config.tokenization, kTokenizationNames,
            "what one token is: a Unicode character, a byte of UTF-8, or a word or other character "
            "with the space before it [characters]");
    AddNumber(command, "--max-vocabulary", options.words.max_vocabulary,
              "with --tokens words: know the N most frequent words at most, <unk> included; to "
              "1024, with --embedding to 65536 [1024; 10000]");
    AddNumber(command, "--min-count", options.words.min_count,
              "with --tokens words: know words that the text has so often [1]");
    AddEnum(command, "--precision", spec.config.precision, kPrecisionNames,
            "of products; all but f32 are quicker, where the server's device has them [f32]");
  });
  in("Training", [&] {
    AddNumber(command, "--batch", spec.batch, "rows of a minibatch, 1 to 512 [32]");
    AddNumber(command, "--steps", spec.steps,
              "time steps through which gradients flow, 1 to 1024 [35]");
    AddEnum(command, "--partition", spec.partition, kPartitionNames,
            "windows in order with the state carried, or shuffled from a zero state [sequential]");
    AddOptimizerFlags(command, options.optimizer);
    AddNumber(command, "--lr", spec.learning_rate.peak,
              "highest learning rate [2 for sgd, 0.001 for adam and adamw]");
    AddEnum(command, "--schedule", spec.learning_rate.schedule, kScheduleNames,
            "learning rate after the warm-up [constant]");
    AddNumber(command, "--warmup", spec.learning_rate.warmup_steps,
              "optimiser steps over which the rate rises to --lr [0]");
    AddNumber(command, "--final-lr-share", spec.learning_rate.final_share,
              "with --schedule cosine: last rate as a share of --lr, 0 to 1 [0]");
    AddNumber(command, "--clip", spec.clip, "largest global norm of the gradients, above 0 [1]");
    AddNumber(command, "--dropout", spec.dropout,
              "share of each layer's output, but the last one's, that a step drops, 0 to below 1 "
              "[0]");
    AddNumber(command, "--epochs", spec.epochs, "passes over the text, 1 to 1000000 [500]");
    AddNumber(
        command, "--seed", spec.seed,
        "of weights, offsets, shuffles and dropout; the same seed trains the same model [drawn]");
    command.add_flag("--recover", spec.recover_from_divergence,
                     "when it diverges, go back to the newest checkpoint, once, and on at a tenth "
                     "of the learning rate");
  });
  in("Text drawn while it trains", [&] {
    command
        .add_option("--sample", options.sample.prompt,
                    "draw what continues this text now and then, and at the end [none]")
        ->type_name("TEXT")
        ->check([](const std::string& text) -> std::string {
          return text.empty() ? "got an empty text, wanted one that can be continued" : "";
        });
    AddNumber(command, "--sample-tokens", options.sample.tokens, "tokens of it, 1 to 1024 [100]");
    AddNumber(command, "--sample-temperature", options.sample.temperature,
              "0 to 100; 0 takes the most probable token always [0.8]");
    AddTime(command, "--sample-seconds", options.sample.interval,
            "time of training between two texts, 1s to 24h [10s]");
  });
  in("End, besides --epochs; whichever comes first", [&] {
    AddNumber(command, "--max-steps", spec.max_steps,
              "after N optimiser steps; a cosine then ends there, too [0: never]");
    AddNumber(command, "--max-trained-tokens", spec.max_trained_tokens,
              "after the step with which it has trained on N tokens; so does a cosine [0: never]");
    AddTime(command, "--max-time", spec.max_training_time,
            "after so long of training, pauses not counted, 1s to 10000h [0: never]");
    AddNumber(command, "--target-perplexity", spec.target_perplexity,
              "where it is measured to be there, on the held-out tokens if there are any, from 1 "
              "[0: never]");
    AddNumber(command, "--patience", spec.patience_epochs,
              "after N epochs in a row without a lower perplexity, up to 1000000 [0: never]");
  });
  in("Job", [&] {
    command.add_option("--id", options.create.id, "name of the job [drawn by the server]")
        ->type_name("ID");
    AddTime(command, "--checkpoint-seconds", spec.checkpoint_interval,
            "time of training between two checkpoints, 1s to 24h [1m]");
    AddNumber(command, "--keep-checkpoints", spec.checkpoints_to_keep,
              "how many of them are kept, the newest ones, 1 to 100 [2]");
    AddNumber(command, "--keep-best", spec.best_checkpoints_to_keep,
              "and how many of the best, each written where the perplexity is measured to be lower "
              "than ever before, 0 to 100 [0]");
    AddNumber(command, "--priority", options.priority,
              "of the jobs that wait the one with the highest begins first, -100 to 100 [0]");
    AddNumber(command, "--share", options.share,
              "of the time that the device trains it gets that in proportion to what runs beside "
              "it, 1 to 100 [1]");
    AddLabels(command, "--label", options.create.labels,
              "to find the job by, as in `derin jobs list --label`; may be repeated");
    command.add_flag(
        "--validate-only", options.create.validate_only,
        "check the request; show all defaults, memory, tokens of an epoch and about how "
        "long it takes; nothing is stored");
    command.add_flag("--detach", options.detach,
                     "do not wait: write the job's name and leave it to the server");
  });
}

// A name with `/checkpoints/` in it is of a job, any other of a model.
bool FromCheckpoint(const TrainOptions& options) {
  return options.start_from.find("/checkpoints/") != std::string::npos;
}

// What is wrong with the flags together; empty when nothing is.
std::string_view Mistake(const TrainOptions& options) {
  if (const auto mistake = MistakeOf(options.optimizer); !mistake.empty()) return mistake;
  const client::TrainingSample& sample = options.sample;
  if (sample.prompt.empty() && (sample.tokens || sample.temperature || sample.interval)) {
    return "--sample-tokens, --sample-temperature and --sample-seconds want --sample";
  }
  if (FromCheckpoint(options)) return "";
  if (options.corpora.empty()) return "--corpus is required";
  if (options.model.empty()) return "--model is required";
  return options.weights_only ? "--weights-only wants --start-from with a checkpoint" : "";
}

client::StartFrom StartOf(const TrainOptions& options) {
  client::StartFrom from{.weights_only = options.weights_only};
  if (FromCheckpoint(options)) {
    from.training_checkpoint = ResourceName("trainingJobs", options.start_from);
  } else {
    from.model_version = ResourceName("models", options.start_from);
  }
  return from;
}

absl::Status Train(CommandContext& context, client::Client& client, const TrainOptions& options) {
  Console& console = context.console();
  client::TrainingSpec spec = options.spec;
  for (const auto& [typed, weight] : options.corpora) {
    const std::string name = ResourceName("corpora", typed);
    if (spec.corpus.empty()) {
      spec.corpus = name;
      spec.corpus_weight = weight;
    } else {
      spec.more_corpora.push_back({.corpus = name, .weight = weight});
    }
  }
  if (!options.model.empty()) spec.model = ResourceName("models", options.model);
  if (!options.start_from.empty()) spec.start_from = StartOf(options);
  spec.optimizer = OptimizerOf(options.optimizer);
  if (!options.sample.prompt.empty()) spec.sample = options.sample;
  if (options.words != client::WordSettings{}) spec.words = options.words;
  client::CreateTrainingJobOptions create = options.create;
  create.priority = options.priority.value_or(0);
  create.share = options.share.value_or(1);
  const auto job = client.CreateTrainingJob(spec, create);
  if (!job.ok()) {
    absl::Status refused = WithFlag(job.status(), kFlags);
    if (FromCheckpoint(options)) {
      return WithNearestJob(refused, spec.start_from->training_checkpoint, client);
    }
    refused = WithNearestCorpus(refused, spec.corpus, client);
    for (const client::WeightedCorpus& more : spec.more_corpora) {
      refused = WithNearestCorpus(refused, more.corpus, client);
    }
    return refused;
  }
  if (options.create.validate_only) {
    if (context.json()) {
      PrintDocument(ToJson(*job), console.out);
    } else {
      PrintSpec(*job, console.out);
    }
    return absl::OkStatus();
  }
  if (options.detach) {
    if (context.json()) {
      PrintDocument(ToJson(*job), console.out);
    } else {
      console.out << job->name << '\n';
      context.Hint("watch it: " +
                   context.Suggest("jobs watch " + ResourceId("trainingJobs", job->name)));
    }
    return absl::OkStatus();
  }
  if (!context.json()) {
    console.err << job->name << ": " << NetworkText(job->spec.config) << " ("
                << WholeNumber(job->parameter_count) << " parameters) on " << CorporaText(job->spec)
                << ", ends " << EndsText(job->spec) << '\n';
  }
  return WatchJob(context, client, job->name, /*since_sequence=*/0);
}

}  // namespace

void AddTrainCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command = AddCommand(
      app, "train",
      "Trains a model and shows its perplexity until it is published. Ctrl-C ends the watching, "
      "not the job.",
      "  derin train --corpus timemachine --model timemachine\n"
      "  derin train --corpus books --model books --cell gru --optimizer adam --epochs 20 "
      "--validation-share 0.1\n"
      "  derin train --corpus verse=3 --corpus prose --model both --optimizer adam --epochs 20\n"
      "  derin train --corpus timemachine --model timemachine --detach --id tm-1\n"
      "  derin train --start-from tm-1/checkpoints/1200 --model slower --lr 0.5");
  auto options = std::make_shared<TrainOptions>();
  AddFlags(command, *options);
  // Not one that begins with a client: its mistakes are found where there is no server, too.
  context.Define(command, [&context, options]() -> absl::Status {
    if (const auto mistake = Mistake(*options); !mistake.empty()) return context.BadUsage(mistake);
    const auto client = context.Connect();
    if (!client.ok()) return client.status();
    return Train(context, **client, *options);
  });
}

}  // namespace derin::cli
