#include "proto/command_line/command_list.h"

namespace derin {
namespace {

void List(const std::string& path, const CLI::App& app, std::vector<ListedCommand>& commands) {
  commands.push_back({path, &app});
  for (const CLI::App* below : CommandsBelow(app)) {
    List(path + " " + below->get_name(), *below, commands);
  }
}

}  // namespace

std::vector<ListedCommand> ListCommands(const CLI::App& app) {
  std::vector<ListedCommand> commands;
  List(app.get_name(), app, commands);
  return commands;
}

std::vector<const CLI::App*> CommandsBelow(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<const CLI::Option*> ShownOptions(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

bool TakesValue(const CLI::Option& option) { return option.get_expected_max() != 0; }

}  // namespace derin
