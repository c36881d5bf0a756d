#include "server/config_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <sstream>

namespace derin::server {
namespace {

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
}

TEST(ConfigFile, ReadsWholeNumbersAsTomlHasThem) {
  EXPECT_EQ(ValueIn("1_000_000"), "1000000");
  EXPECT_EQ(ValueIn("+5"), "5");
  EXPECT_EQ(ValueIn("-5"), "-5");
}

TEST(ConfigFile, NamesTheLineThatIsWrong) {
  EXPECT_EQ(WhyNot("a = 1\nb\n"), "line 2: wanted KEY = VALUE");
  EXPECT_EQ(WhyNot("= 1"), "line 1: wanted KEY = VALUE");
  EXPECT_EQ(WhyNot("a.b = 1"), "line 1: wanted KEY = VALUE");
  EXPECT_EQ(WhyNot("a ="), "line 1: there is no value");
  EXPECT_EQ(WhyNot("a = # 1"), "line 1: there is no value");
  EXPECT_EQ(WhyNot("grace = 10s"), "line 1: a text wants quotes: \"10s\"");
  EXPECT_EQ(WhyNot("a = -"), "line 1: a text wants quotes: \"-\"");
  EXPECT_EQ(WhyNot("a = 1 2"), "line 1: there is more than one value");
  EXPECT_EQ(WhyNot("a = \"b"), "line 1: the \" at the end is missing");
  EXPECT_EQ(WhyNot("a = \"b\\"), "line 1: the \" at the end is missing");
  EXPECT_EQ(WhyNot("a = 'b"), "line 1: the ' at the end is missing");
  EXPECT_EQ(WhyNot("a = \"\\d\""), "line 1: unknown escape \\d; a text in ' has none");
  EXPECT_EQ(WhyNot("[server]"), "line 1: options stand in no table");
  EXPECT_EQ(WhyNot("a = [1]"), "line 1: no option takes an array or a table");
  EXPECT_EQ(WhyNot("a = '''"), "line 1: no option takes a text of several lines");
  EXPECT_EQ(WhyNot("a = 1\na = 2"), "line 2: 'a' is there a second time");
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
