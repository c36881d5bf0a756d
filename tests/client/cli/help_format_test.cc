#include "client/cli/help_format.h"

#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>

namespace derin::cli {
namespace {

TEST(Wrapped, BreaksAtSpacesBeforeTheWidth) {
  EXPECT_EQ(Wrapped("aa bb cc", 5, 0), "aa bb\ncc");
  EXPECT_EQ(Wrapped("aa bb cc", 8, 0), "aa bb cc");
  EXPECT_EQ(Wrapped("", 8, 0), "");
}

TEST(Wrapped, CountsTheIndentOfEveryLine) {
  EXPECT_EQ(Wrapped("aa bb cc", 7, 2), "aa bb\n  cc");
  EXPECT_EQ(Wrapped("aa bb cc", 6, 2), "aa\n  bb\n  cc");
}

TEST(Wrapped, GivesALongWordItsOwnLine) {
  EXPECT_EQ(Wrapped("a abcdefghij b", 5, 0), "a\nabcdefghij\nb");
}

TEST(HelpFormat, NamesFlagsWithTheirValuesAndCommandsWithTheirPurpose) {
  CLI::App app("Does things.", "prog");
  app.formatter(std::make_shared<HelpFormat>());
  std::string value;
  app.add_option("--flag", value, "what it is")->required()->type_name("N");
  app.add_option("--a-flag-with-a-very-long-name", value, "what this is")->type_name("N");
  bool on = false;
  app.add_flag("--on", on, "turns it on");
  app.add_subcommand("go", "Goes.")->group("Commands");
  EXPECT_EQ(app.help(),
            "Does things.\n\n"
            "Usage: prog [FLAGS] [COMMAND]\n"
            "\nOptions:\n"
            "  -h,--help                   Print this help message and exit\n"
            "  --flag N                    what it is [required]\n"
            "  --a-flag-with-a-very-long-name N\n"
            "                              what this is\n"
            "  --on                        turns it on\n"
            "\nCommands:\n"
            "  go                          Goes.\n"
            "\n");
}

TEST(HelpFormat, HidesOptionsWithoutAGroup) {
  CLI::App app("", "prog");
  app.formatter(std::make_shared<HelpFormat>());
  bool on = false;
  app.add_flag("--on", on, "turns it on");
  app.add_flag("--hidden", on, "for those who make packages")->group("");
  EXPECT_EQ(app.help(),
            "\n\nUsage: prog [FLAGS]\n"
            "\nOptions:\n"
            "  -h,--help                   Print this help message and exit\n"
            "  --on                        turns it on\n"
            "\n");
}

}  // namespace
}  // namespace derin::cli
