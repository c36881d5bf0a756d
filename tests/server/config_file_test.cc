#include "server/config_file.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <sstream>

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::StartsWith;

std::vector<CLI::ConfigItem> Read(const std::string& text) {
  std::istringstream input(text);
  return ConfigFile().from_config(input);
}

// The value of the only line.
std::string ValueIn(const std::string& value) {
  const auto items = Read("key = " + value + "\n");
  return items.size() == 1 && items[0].inputs.size() == 1 ? items[0].inputs[0] : "?";
}

std::string WhyNot(const std::string& text) {
  try {
    Read(text);
  } catch (const CLI::ConfigError& error) {
    return error.what();
  }
  return "nothing";
}

TEST(ConfigFile, ReadsTextsNumbersAndTruths) {
  const auto items = Read(
      "# how it runs\n"
      "\n"
      "listen = \"127.0.0.1:1\"  # here\n"
      "  max-streams=7\r\n"
      "allow_insecure\t=\ttrue");
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0].name, "listen");
  EXPECT_EQ(items[0].inputs, std::vector<std::string>{"127.0.0.1:1"});
  EXPECT_EQ(items[1].name, "max-streams");
  EXPECT_EQ(items[1].inputs, std::vector<std::string>{"7"});
  EXPECT_EQ(items[2].name, "allow_insecure");
  EXPECT_EQ(items[2].inputs, std::vector<std::string>{"true"});
}

TEST(ConfigFile, KeepsWhatStandsInQuotes) {
  EXPECT_EQ(ValueIn(R"("a # b, c = [d] 'e'")"), "a # b, c = [d] 'e'");
  EXPECT_EQ(ValueIn(R"('a\n"b"')"), R"(a\n"b")");
  EXPECT_EQ(ValueIn(R"("a\t\"b\"\\")"), "a\t\"b\"\\");
  EXPECT_EQ(ValueIn(R"("")"), "");
  EXPECT_EQ(ValueIn("''"), "");
  EXPECT_EQ(ValueIn("'\'\'a\n# b'\'\'"), "a\n# b");
  EXPECT_EQ(ValueIn("\"\\u00e9 # \xc3\xa9\""), "\xc3\xa9 # \xc3\xa9");
}

TEST(ConfigFile, ReadsWholeNumbersAsTomlHasThem) {
  EXPECT_EQ(ValueIn("1_000_000"), "1000000");
  EXPECT_EQ(ValueIn("+5"), "5");
  EXPECT_EQ(ValueIn("-5"), "-5");
  EXPECT_EQ(ValueIn("0x10"), "16");
}

TEST(ConfigFile, NamesTheLineAndTheColumnThatAreWrong) {
  EXPECT_EQ(WhyNot("a = 1\nb\n"), "line 2, column 2: key-value pair: expected '=', saw '\\n'");
  EXPECT_THAT(WhyNot("= 1"), StartsWith("line 1, column 1: root table: expected keys"));
  EXPECT_EQ(WhyNot("a ="), "line 1, column 4: key-value pair: encountered end-of-file");
  EXPECT_EQ(WhyNot("a = 1 2"),
            "line 1, column 7: key-value pair: expected a comment or whitespace, saw '2'");
  EXPECT_EQ(WhyNot("a = \"b"), "line 1, column 7: string: encountered end-of-file");
  EXPECT_EQ(WhyNot("a = \"\\d\""), "line 1, column 7: string: unknown escape sequence '\\d'");
  EXPECT_EQ(WhyNot("a = 1\na = 2"),
            "line 2, column 5: key-value pair: cannot redefine existing integer 'a'");
  EXPECT_EQ(WhyNot("a = \"\xff\""), "line 1, column 5: Encountered invalid utf-8 sequence");
}

TEST(ConfigFile, SaysThatTextsWantQuotes) {
  EXPECT_EQ(WhyNot("grace = 10s"),
            "line 1, column 11: decimal integer: expected digit, saw 's' "
            "(a text wants quotes)");
  for (const std::string value : {"debug", "127.0.0.1:50051", "/srv/derin", "64MiB", "yes"}) {
    EXPECT_THAT(WhyNot("a = " + value),
                AllOf(StartsWith("line 1, column "), EndsWith(" (a text wants quotes)")));
  }
}

TEST(ConfigFile, RefusesWhatNoOptionIs) {
  EXPECT_EQ(WhyNot("\n[server]\nlisten = \"a\""), "line 2, column 1: options stand in no table");
  EXPECT_EQ(WhyNot("a.b = 1"), "line 1, column 1: options stand in no table");
  EXPECT_EQ(WhyNot("a = {b = 1}"), "line 1, column 5: options stand in no table");
  EXPECT_EQ(WhyNot("a = [1]"), "line 1, column 5: no option takes an array");
  for (const std::string value : {"1.5", "2026-11-26", "12:00:00", "inf"}) {
    EXPECT_EQ(WhyNot("a = " + value),
              "line 1, column 5: wanted a text in quotes, a whole number, true or false");
  }
}

TEST(ConfigFile, KeepsTheOrderOfTheFile) {
  const auto items = Read("b = 1\na = 2\n\"c\" = 3\n");
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0].name, "b");
  EXPECT_EQ(items[1].name, "a");
  EXPECT_EQ(items[2].name, "c");
}

// A program with one option of each kind.
class Program {
 public:
  explicit Program(const std::string& path) {
    app_.add_option("--number", number_, "How many")->capture_default_str();
    app_.add_option("--text", text_, "What")->capture_default_str();
    app_.add_flag("--truth", truth_, "Whether");
    app_.add_option("positional", ignored_);
    app_.set_config("--config", path)->configurable(false);
    app_.config_formatter(std::make_shared<ConfigFile>());
  }
  std::string Written(std::vector<std::string> words, bool defaults = true, bool describe = false) {
    std::reverse(words.begin(), words.end());
    app_.parse(words);
    return app_.config_to_str(defaults, describe);
  }

 private:
  CLI::App app_;
  int number_ = 3;
  std::string text_ = "x";
  std::string ignored_;
  bool truth_ = false;
};

TEST(ConfigFile, WritesDefaultsAndWhatOverrulesThem) {
  EXPECT_EQ(Program("").Written({}), "number = 3\ntext = \"x\"\ntruth = false\n");
  EXPECT_EQ(Program("").Written({"--number", "4", "--text", "a \\ \"b\"", "--truth"}),
            "number = 4\ntext = \"a \\\\ \\\"b\\\"\"\ntruth = true\n");
  EXPECT_EQ(Program("").Written({"--text", "a\n\xc3\xa9\x01"}, /*defaults=*/false),
            "text = \"a\\n\xc3\xa9\\u0001\"\n");
  EXPECT_EQ(Program("").Written({"--number", "4"}, /*defaults=*/false), "number = 4\n");
}

TEST(ConfigFile, WritesTheHelpAboveEachOption) {
  EXPECT_EQ(Program("").Written({"--number", "4"}, /*defaults=*/false, /*describe=*/true),
            "# How many\nnumber = 4\n\n");
}

TEST(ConfigFile, WritesNumbersThatTomlTakes) {
  for (const std::string text : {"007", "12345678901234567890", "-1"}) {
    EXPECT_EQ(Program("").Written({"--text", text}, /*defaults=*/false),
              "text = \"" + text + "\"\n");
  }
  EXPECT_EQ(Program("").Written({"--text", "0"}, /*defaults=*/false), "text = 0\n");
}

}  // namespace
}  // namespace derin::server
