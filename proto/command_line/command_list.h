#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace derin {

// A command and its name with those of the commands above it: `derin corpus add`.
struct ListedCommand {
  std::string path;
  const CLI::App* app;
};

// `app` itself, then all commands below it, each before those below it, in the order of its help.
std::vector<ListedCommand> ListCommands(const CLI::App& app);

// The commands directly below `app`.
std::vector<const CLI::App*> CommandsBelow(const CLI::App& app);

// What the help of `app` lists, in its order: options without a group are hidden.
std::vector<const CLI::Option*> ShownOptions(const CLI::App& app);

bool TakesValue(const CLI::Option& option);

}  // namespace derin
