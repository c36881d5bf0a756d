#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/enum_names.h"
#include "client/cli/formatting.h"
#include "client/cli/job_text.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/resource_name.h"
#include "client/cli/table.h"
#include "derin/client/error.h"

namespace derin::cli {
namespace {

constexpr char kCollection[] = "models";

// "models/a/versions/3" -> "3", "models/a/aliases/stable" -> "stable".
std::string LastPart(const std::string& name) { return name.substr(name.rfind('/') + 1); }

// Unknown of an imported version.
std::optional<double> TrainingPerplexity(const client::ModelVersion& version) {
  if (version.training_perplexity == 0) return std::nullopt;
  return version.training_perplexity;
}

void Print(const client::ModelVersion& version, const std::string& title, Console& console) {
  std::string perplexity;
  if (version.training_perplexity != 0) {
    perplexity = Perplexity(version.training_perplexity) + " (training)";
  }
  if (version.validation_perplexity.has_value()) {
    absl::StrAppend(&perplexity, ", ", Perplexity(version.validation_perplexity), " (validation)");
  }
  PrintFields({{title, version.name},
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

// "stable -> 3".
std::string AliasText(const client::ModelAlias& alias) {
  return absl::StrCat(LastPart(alias.name), " -> ", LastPart(alias.model_version));
}

void Print(const client::Model& model, Console& console) {
  std::vector<std::string> aliases;
  for (const client::ModelAlias& alias : model.aliases) aliases.push_back(AliasText(alias));
  PrintFields({{"name", model.name},
               {"created", LocalTime(model.create_time, console.time_zone)},
               {"versions", absl::StrCat(model.version_count)},
               {"aliases", absl::StrJoin(aliases, ", ")}},
              console.out);
  if (!model.latest_version.has_value()) {
    console.err << "no version yet: none of its training jobs has published one\n";
    return;
  }
  console.out << '\n';
  Print(*model.latest_version, "latest", console);
}

void DefineList(CLI::App& models, CommandContext& context) {
  CLI::App& command = AddCommand(
      models, "list",
      "Lists the models, each with its latest version, once a training job has published one, and "
      "its aliases.",
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
                 {"PUBLISHED"},
                 {"ALIASES"}});
    for (const client::Model& model : *found) {
      const std::string id = ResourceId(kCollection, model.name);
      std::vector<std::string> names;
      for (const client::ModelAlias& alias : model.aliases) names.push_back(LastPart(alias.name));
      const std::string aliases = names.empty() ? "-" : absl::StrJoin(names, ", ");
      if (const auto& latest = model.latest_version; latest.has_value()) {
        table.AddRow({id, absl::StrCat(model.version_count), NetworkText(latest->config),
                      WholeNumber(latest->parameter_count), Perplexity(TrainingPerplexity(*latest)),
                      Perplexity(latest->validation_perplexity),
                      LocalTime(latest->create_time, console.time_zone), aliases});
      } else {
        table.AddRow({id, "0", "-", "-", "-", "-", "-", aliases});
      }
    }
    table.Print(console.out);
    return absl::OkStatus();
  });
}

void DefineShow(CLI::App& models, CommandContext& context) {
  CLI::App& command = AddCommand(
      models, "show", "Says what is known of one model and its latest version, or of one version.",
      "  derin models show timemachine\n"
      "  derin models show timemachine/versions/3\n"
      "  derin models show timemachine/aliases/stable");
  auto name = std::make_shared<std::string>();
  command.add_option("NAME", *name, "of the model, the version or the alias")
      ->required()
      ->type_name("");
  context.DefineWithClient(command, [&context, name](client::Client& client) -> absl::Status {
    const std::string full_name = ResourceName(kCollection, *name);
    Console& console = context.console();
    if (ResourceId(kCollection, full_name).find('/') != std::string::npos) {
      const auto version = client.GetModelVersion(full_name);
      if (!version.ok()) return WithNearestModel(version.status(), *name, client);
      if (context.json()) {
        PrintDocument(ToJson(*version), console.out);
      } else {
        Print(*version, "name", console);
      }
      return absl::OkStatus();
    }
    const auto model = client.GetModel(full_name);
    if (!model.ok()) return WithNearestModel(model.status(), *name, client);
    if (context.json()) {
      PrintDocument(ToJson(*model), console.out);
    } else {
      Print(*model, console);
    }
    return absl::OkStatus();
  });
}

void DefineVersions(CLI::App& models, CommandContext& context) {
  CLI::App& command = AddCommand(models, "versions", "Lists the versions of a model, newest first.",
                                 "  derin models versions timemachine");
  auto name = std::make_shared<std::string>();
  command.add_option("NAME", *name, "of the model")->required()->type_name("");
  context.DefineWithClient(command, [&context, name](client::Client& client) -> absl::Status {
    Console& console = context.console();
    const std::string full_name = ResourceName(kCollection, *name);
    const auto model = client.GetModel(full_name);
    if (!model.ok()) return WithNearestModel(model.status(), *name, client);
    const auto versions = client.ListModelVersions(full_name);
    if (!versions.ok()) return versions.status();
    if (context.json()) {
      PrintDocument(ListToJson("model_versions", *versions), console.out);
      return absl::OkStatus();
    }
    if (versions->empty()) {
      console.err << "no version yet: none of its training jobs has published one\n";
      return absl::OkStatus();
    }
    Table table({{"VERSION", Table::Align::kRight},
                 {"ALIASES"},
                 {"NETWORK"},
                 {"PERPLEXITY", Table::Align::kRight},
                 {"VALIDATION", Table::Align::kRight},
                 {"PUBLISHED"},
                 {"TRAINED BY"}});
    for (const client::ModelVersion& version : *versions) {
      std::vector<std::string> aliases;
      for (const client::ModelAlias& alias : model->aliases) {
        if (alias.model_version == version.name) aliases.push_back(LastPart(alias.name));
      }
      table.AddRow({LastPart(version.name), aliases.empty() ? "-" : absl::StrJoin(aliases, ", "),
                    NetworkText(version.config), Perplexity(TrainingPerplexity(version)),
                    Perplexity(version.validation_perplexity),
                    LocalTime(version.create_time, console.time_zone),
                    version.training_job.empty() ? "-" : LastPart(version.training_job)});
    }
    table.Print(console.out);
    return absl::OkStatus();
  });
}

void DefineDelete(CLI::App& models, CommandContext& context) {
  CLI::App& command =
      AddCommand(models, "delete",
                 "Deletes one version, or a model with all its versions. Refused while an alias "
                 "points at it, sessions go on from it, or a job that is not over needs it.",
                 "  derin models delete timemachine/versions/1\n"
                 "  derin models delete timemachine --force");
  auto name = std::make_shared<std::string>();
  auto force = std::make_shared<bool>(false);
  command.add_option("NAME", *name, "of the model, or NAME/versions/N")->required()->type_name("");
  command.add_flag("--force", *force,
                   "also when it is in use: its aliases go, its sessions end; jobs go on");
  context.DefineWithClient(command, [&context, name, force](client::Client& client) {
    const std::string full_name = ResourceName(kCollection, *name);
    const bool is_version = ResourceId(kCollection, full_name).find('/') != std::string::npos;
    const absl::Status status = is_version ? client.DeleteModelVersion(full_name, *force)
                                           : client.DeleteModel(full_name, *force);
    if (!status.ok()) {
      return client::ErrorReason(status) == "MODEL_IN_USE"
                 ? WithSuffix(status, " (--force)")
                 : WithNearestModel(status, *name, client);
    }
    context.PrintDone("deleted", full_name);
    return absl::OkStatus();
  });
}

}  // namespace

void AddModelsCommand(CLI::App& app, CommandContext& context) {
  CLI::App& models =
      AddCommand(app, "models",
                 "What training has made: list, show, versions, alias, export, import, "
                 "delete.",
                 "  derin models list\n"
                 "  derin models show timemachine\n"
                 "  derin models alias set timemachine stable 3");
  models.require_subcommand(0, 1);
  DefineList(models, context);
  DefineShow(models, context);
  DefineVersions(models, context);
  AddModelAliasCommand(models, context);
  AddModelTransferCommands(models, context);
  DefineDelete(models, context);
}

}  // namespace derin::cli
