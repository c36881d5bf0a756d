#include "proto/command_line/man_page.h"

#include <gmock/gmock.h>

namespace derin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ManPageTest : public ::testing::Test {
 protected:
  ManPageTest() { app_.set_help_flag(); }
  std::string Page() const { return ManPage(app_, "1.2", "other"); }

  CLI::App app_{"Tool does things.", "tool"};
  std::string text_ = "x";
  bool flag_ = false;
};

TEST_F(ManPageTest, SaysWhatAProgramWithoutCommandsTakes) {
  app_.add_option("--size", text_, "How large")->type_name("N")->capture_default_str();
  app_.add_option("--hidden", text_, "Not shown")->group("");
  app_.add_flag("-v,--verbose", flag_, "Say more");
  app_.add_option("FILE", text_, "What to read");
  app_.footer("Signals: none.");
  EXPECT_EQ(Page(),
            ".TH TOOL 1 \"\" \"tool 1.2\" \"User Commands\"\n"
            ".nh\n"
            ".ad l\n"
            ".SH NAME\n"
            "tool \\- Tool does things\n"
            ".SH SYNOPSIS\n"
            "\\fBtool\\fR [\\fIFLAGS\\fR] \\fIFILE\\fR\n"
            ".SH OPTIONS\n"
            ".TP\n"
            "\\fB\\-\\-size\\fR \\fIN\\fR\n"
            "How large; default: x\n"
            ".TP\n"
            "\\fB\\-v\\fR, \\fB\\-\\-verbose\\fR\n"
            "Say more\n"
            ".TP\n"
            "\\fIFILE\\fR\n"
            "What to read\n"
            ".SH NOTES\n"
            "Signals: none.\n"
            ".SH SEE ALSO\n"
            ".BR other (1)\n");
}

TEST_F(ManPageTest, HasEachCommandWithItsFlagsAndExamplesAndSharedFlagsOnce) {
  app_.add_option("--where", text_, "Which server")->group("Every command");
  app_.add_flag("--version", flag_, "Which this is");
  CLI::App* box = app_.add_subcommand("box", "Boxes.");
  CLI::App* open = box->add_subcommand("open", "Opens one.");
  open->set_help_flag();
  open->add_option("--where", text_, "Which server")->group("Every command");
  open->add_option("--with", text_, "What opens it");
  open->footer("Examples:\n  tool box open --with a\\b\n  .\n\nThat is all.");
  const std::string page = Page();
  EXPECT_THAT(page, HasSubstr(".SH FLAGS OF EVERY COMMAND\n.TP\n\\fB\\-\\-where\\fR"));
  EXPECT_THAT(page, HasSubstr(".SH OTHER FLAGS\n.TP\n\\fB\\-\\-version\\fR\n"));
  EXPECT_THAT(page,
              HasSubstr(".SH COMMANDS\n.SS \\fBtool box open\\fR [\\fIFLAGS\\fR]\nOpens one.\n"
                        ".TP\n\\fB\\-\\-with\\fR"));
  EXPECT_EQ(page.find("--where", page.find(".SH COMMANDS")), std::string::npos);
  EXPECT_THAT(page, HasSubstr(".PP\nExamples:\n.PP\n.EX\n  tool box open \\-\\-with a\\eb\n  .\n"
                              ".EE\n.PP\nThat is all.\n"));
  EXPECT_THAT(page, Not(HasSubstr("Boxes.")));
}

TEST_F(ManPageTest, TakesNoTextForAnInstruction) {
  app_.add_flag("--flag", flag_, ".so /etc/passwd");
  EXPECT_THAT(Page(), HasSubstr("\n\\&.so /etc/passwd\n"));
  app_.add_flag("--other", flag_, "'quoted");
  EXPECT_THAT(Page(), HasSubstr("\n\\&'quoted\n"));
}

}  // namespace
}  // namespace derin
