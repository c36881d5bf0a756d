#pragma once

#include <CLI/CLI.hpp>

#include "client/cli/command_context.h"

// Each adds one command to `app`, with its flags, help and action. Both outlive the parsing and the
// action.
namespace derin::cli {

void AddStatusCommand(CLI::App& app, CommandContext& context);
void AddCorpusCommand(CLI::App& app, CommandContext& context);
void AddTrainCommand(CLI::App& app, CommandContext& context);
void AddJobsCommand(CLI::App& app, CommandContext& context);
void AddModelsCommand(CLI::App& app, CommandContext& context);
// Below `derin models`.
void AddModelAliasCommand(CLI::App& models, CommandContext& context);
void AddModelTransferCommands(CLI::App& models, CommandContext& context);  // export, import
void AddGenerateCommand(CLI::App& app, CommandContext& context);
void AddScoreCommand(CLI::App& app, CommandContext& context);
void AddSessionsCommand(CLI::App& app, CommandContext& context);
void AddUsageCommand(CLI::App& app, CommandContext& context);
void AddTokenCommand(CLI::App& app, CommandContext& context);

}  // namespace derin::cli
