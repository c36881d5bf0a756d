#include "proto/command_line/command_list.h"

#include <gmock/gmock.h>

namespace derin {
namespace {

using ::testing::ElementsAre;

TEST(CommandList, NamesEachCommandBelowTheOneItBelongsTo) {
  CLI::App app("", "tool");
  CLI::App* box = app.add_subcommand("box");
  box->add_subcommand("open");
  box->add_subcommand("shut");
  app.add_subcommand("look");
  std::vector<std::string> paths;
  for (const ListedCommand& command : ListCommands(app)) paths.push_back(command.path);
  EXPECT_THAT(paths,
              ElementsAre("tool", "tool box", "tool box open", "tool box shut", "tool look"));
  EXPECT_THAT(CommandsBelow(*box).size(), 2u);
}

TEST(CommandList, ShowsWhatTheHelpShows) {
  CLI::App app("", "tool");
  std::string text;
  app.add_option("--shown", text);
  app.add_option("--hidden", text)->group("");
  bool flag = false;
  app.add_flag("--flag", flag);
  std::vector<std::string> names;
  for (const CLI::Option* option : ShownOptions(app)) {
    names.push_back(option->get_name());
    EXPECT_EQ(TakesValue(*option), option->get_name() == "--shown");
  }
  EXPECT_THAT(names, ElementsAre("--help", "--shown", "--flag"));
}

}  // namespace
}  // namespace derin
