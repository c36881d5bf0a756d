#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/enum_names.h"
#include "client/cli/formatting.h"
#include "client/cli/job_text.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/resource_name.h"
#include "client/cli/table.h"

namespace derin::cli {
namespace {

constexpr char kCollection[] = "models";

void Print(const client::Model& model, Console& console) {
  PrintFields({{"name", model.name},
               {"created", LocalTime(model.create_time, console.time_zone)},
               {"versions", absl::StrCat(model.version_count)}},
              console.out);
  if (!model.latest_version.has_value()) {
    console.err << "no version yet: none of its training jobs has published one\n";
    return;
  }
  const client::ModelVersion& version = *model.latest_version;
  std::string perplexity = Perplexity(version.training_perplexity) + " (training)";
  if (version.validation_perplexity.has_value()) {
    absl::StrAppend(&perplexity, ", ", Perplexity(version.validation_perplexity), " (validation)");
  }
  console.out << '\n';
  PrintFields({{"latest", version.name},
               {"published", LocalTime(version.create_time, console.time_zone)},
               {"network", NetworkText(version.config)},
               {"precision", std::string(Name(version.config.precision))},
               {"tokens", std::string(Name(version.config.tokenization))},
               {"vocabulary", WholeNumber(version.vocabulary_size) + " tokens, <unk> included"},
               {"normalization", std::string(Name(version.normalization))},
               {"parameters", WholeNumber(version.parameter_count)},
               {"perplexity", perplexity},
               {"trained by", version.training_job},
               {"checkpoint", version.training_checkpoint},
               {"file", Bytes(version.size_bytes)},
               {"sha256", version.sha256}},
              console.out);
}

void DefineList(CLI::App& models, CommandContext& context) {
  CLI::App& command = AddCommand(
      models, "list",
      "Lists the models, each with its latest version, once a training job has published one.",
      "  derin models list");
  context.DefineWithClient(command, [&context](client::Client& client) -> absl::Status {
    Console& console = context.console();
    const auto found = client.ListModels();
    if (!found.ok()) return found.status();
    if (context.json()) {
      PrintDocument(ListToJson(kCollection, *found), console.out);
      return absl::OkStatus();
    }
    if (found->empty()) {
      console.err << "no models yet; train one: "
                  << context.Suggest("train --corpus NAME --model NAME") << '\n';
      return absl::OkStatus();
    }
    Table table({{"NAME"},
                 {"VERSIONS", Table::Align::kRight},
                 {"NETWORK"},
                 {"PARAMETERS", Table::Align::kRight},
                 {"PERPLEXITY", Table::Align::kRight},
                 {"VALIDATION", Table::Align::kRight},
                 {"PUBLISHED"}});
    for (const client::Model& model : *found) {
      const std::string id = ResourceId(kCollection, model.name);
      if (const auto& latest = model.latest_version; latest.has_value()) {
        table.AddRow({id, absl::StrCat(model.version_count), NetworkText(latest->config),
                      WholeNumber(latest->parameter_count), Perplexity(latest->training_perplexity),
                      Perplexity(latest->validation_perplexity),
                      LocalTime(latest->create_time, console.time_zone)});
      } else {
        table.AddRow({id, "0", "-", "-", "-", "-", "-"});
      }
    }
    table.Print(console.out);
    return absl::OkStatus();
  });
}

void DefineShow(CLI::App& models, CommandContext& context) {
  CLI::App& command =
      AddCommand(models, "show", "Says what is known of one model and its latest version.",
                 "  derin models show timemachine");
  auto name = std::make_shared<std::string>();
  command.add_option("NAME", *name, "of the model")->required()->type_name("");
  context.DefineWithClient(command, [&context, name](client::Client& client) -> absl::Status {
    const auto model = client.GetModel(ResourceName(kCollection, *name));
    if (!model.ok()) return WithNearestModel(model.status(), *name, client);
    if (context.json()) {
      PrintDocument(ToJson(*model), context.console().out);
    } else {
      Print(*model, context.console());
    }
    return absl::OkStatus();
  });
}

}  // namespace

void AddModelsCommand(CLI::App& app, CommandContext& context) {
  CLI::App& models = AddCommand(app, "models", "What training has made: list, show.",
                                "  derin models list\n"
                                "  derin models show timemachine");
  models.require_subcommand(0, 1);
  DefineList(models, context);
  DefineShow(models, context);
}

}  // namespace derin::cli
