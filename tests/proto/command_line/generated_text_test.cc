#include "proto/command_line/generated_text.h"

#include <gmock/gmock.h>

#include "proto/command_line/bash_completion.h"
#include "proto/command_line/man_page.h"

namespace derin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class GeneratedText : public ::testing::Test {
 protected:
  GeneratedText() {
    AddGeneratedText(app_, "1.2", "other");
    app_.add_option("--needed", text_)->required();
  }
  // What the parsing ends with, to be written.
  std::string Written(std::vector<std::string> words) {
    try {
      app_.parse(words);
    } catch (const CLI::CallForVersion& text) {
      return text.what();
    }
    return "nothing";
  }

  CLI::App app_{"", "tool"};
  std::string text_;
};

TEST_F(GeneratedText, IsWrittenAlsoWhereARequiredFlagIsMissing) {
  EXPECT_EQ(Written({"bash", "--completion"}), BashCompletion(app_));
  EXPECT_EQ(Written({"--man-page"}), ManPage(app_, "1.2", "other"));
}

TEST_F(GeneratedText, KnowsNoOtherShell) {
  EXPECT_THROW(app_.parse(std::vector<std::string>{"zsh", "--completion"}), CLI::ValidationError);
}

TEST_F(GeneratedText, TheHelpHasTheCompletionAndNotTheManualPage) {
  EXPECT_THAT(app_.help(), HasSubstr("--completion"));
  EXPECT_THAT(app_.help(), Not(HasSubstr("--man-page")));
}

}  // namespace
}  // namespace derin
