#include "proto/command_line/bash_completion.h"

#include <gmock/gmock.h>
#include <stdio.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tests/temporary_folder.h"

namespace derin {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Asks bash itself, in a folder with the file `alpha` and the folder `books`.
class BashCompletionTest : public ::testing::Test {
 protected:
  BashCompletionTest() {
    app_.add_option("--server", text_)->type_name("HOST:PORT");
    CLI::App* corpus = app_.add_subcommand("corpus");
    CLI::App* add = corpus->add_subcommand("add");
    add->add_option("NAME", text_);
    add->add_option("FILE", texts_);
    CLI::App* train = app_.add_subcommand("train");
    train->add_option("--cell", text_)->type_name("lstm|gru|vanilla");
    train->add_option("--corpus", text_)->type_name("NAME");
    train->add_option("--data-dir", text_)->type_name("DIR");
    train->add_option("--key", text_)->type_name("FILE");
    train->add_flag("--detach");
    train->add_option("--hidden", text_)->group("");
    WriteTestFile(folder_.path() / "alpha", "");
    std::filesystem::create_directory(folder_.path() / "books");
    WriteTestFile(folder_.path() / "script", BashCompletion(app_));
  }

  // What is proposed for the last of `words`, which are cut as bash cuts them.
  std::vector<std::string> Complete(const std::vector<std::string>& words) {
    std::string command =
        "cd " + folder_.path().string() + " && bash -c 'source ./script; COMP_WORDS=(tool";
    for (const std::string& word : words) command += " \"" + word + "\"";
    command += "); COMP_CWORD=" + std::to_string(words.size()) +
               "; _tool; printf \"%s\\n\" \"${COMPREPLY[@]}\"' 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    std::string printed;
    for (int byte = fgetc(pipe); byte != EOF; byte = fgetc(pipe))
      printed += static_cast<char>(byte);
    EXPECT_EQ(pclose(pipe), 0) << printed;
    std::vector<std::string> lines;
    std::istringstream stream(printed);
    for (std::string line; std::getline(stream, line);) {
      if (!line.empty()) lines.push_back(line);
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }

  TemporaryFolder folder_;
  CLI::App app_{"", "tool"};
  std::string text_;
  std::vector<std::string> texts_;
};

TEST_F(BashCompletionTest, ProposesCommandsAndWhatIsBelowThem) {
  EXPECT_THAT(Complete({""}), ElementsAre("corpus", "train"));
  EXPECT_THAT(Complete({"tr"}), ElementsAre("train"));
  EXPECT_THAT(Complete({"corpus", ""}), ElementsAre("add"));
  EXPECT_THAT(Complete({"nothing"}), IsEmpty());
}

TEST_F(BashCompletionTest, ProposesTheFlagsOfTheCommandButNoHiddenOne) {
  EXPECT_THAT(Complete({"--"}), ElementsAre("--help", "--server"));
  EXPECT_THAT(Complete({"train", "--"}),
              ElementsAre("--cell", "--corpus", "--data-dir", "--detach", "--help", "--key"));
  EXPECT_THAT(Complete({"train", "--de"}), ElementsAre("--detach"));
}

TEST_F(BashCompletionTest, ProposesTheWordsThatAFlagTakes) {
  EXPECT_THAT(Complete({"train", "--cell", ""}), ElementsAre("gru", "lstm", "vanilla"));
  EXPECT_THAT(Complete({"train", "--cell", "g"}), ElementsAre("gru"));
  EXPECT_THAT(Complete({"train", "--cell", "="}), ElementsAre("gru", "lstm", "vanilla"));
  EXPECT_THAT(Complete({"train", "--cell", "=", "v"}), ElementsAre("vanilla"));
  EXPECT_THAT(Complete({"train", "--corpus", ""}), IsEmpty());
}

TEST_F(BashCompletionTest, ProposesFilesAndFolders) {
  EXPECT_THAT(Complete({"train", "--key", ""}), ElementsAre("alpha", "books", "script"));
  EXPECT_THAT(Complete({"train", "--data-dir", ""}), ElementsAre("books"));
  EXPECT_THAT(Complete({"corpus", "add", "sea", "al"}), ElementsAre("alpha"));
}

TEST_F(BashCompletionTest, DoesNotTakeAFlagsValueForACommand) {
  EXPECT_THAT(Complete({"--server", "train", ""}), ElementsAre("corpus", "train"));
  EXPECT_THAT(Complete({"--server", "=", "train", ""}), ElementsAre("corpus", "train"));
  EXPECT_THAT(Complete({"train", "--detach", "--ce"}), ElementsAre("--cell"));
}

}  // namespace
}  // namespace derin
