#include "client/cli/command_line.h"

#include "absl/strings/str_split.h"
#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using CommandLine = CommandTest;

TEST_F(CommandLine, ShowsFirstStepsWhenNoCommandIsNamed) {
  const Result result = Run({});
  EXPECT_EQ(result.status, kSuccess);
  EXPECT_THAT(result.out, HasSubstr("First steps:"));
  EXPECT_THAT(result.out, HasSubstr("derin generate --model"));
  EXPECT_EQ(result.err, "");
}

TEST_F(CommandLine, SaysItsVersion) {
  const Result result = Run({"--version"});
  EXPECT_EQ(result.status, kSuccess);
  EXPECT_THAT(result.out, StartsWith("derin 0."));
}

TEST_F(CommandLine, WritesItsCompletionAndItsManualPage) {
  const Result completion = Run({"--completion", "bash"});
  EXPECT_EQ(completion.status, kSuccess);
  EXPECT_THAT(completion.out, HasSubstr("'derin jobs watch')"));
  EXPECT_THAT(completion.out, HasSubstr("complete -F _derin derin\n"));
  const Result page = Run({"--man-page"});
  EXPECT_EQ(page.status, kSuccess);
  EXPECT_THAT(page.out, HasSubstr(".SS \\fBderin corpus add\\fR"));
}

// Every command: its name from the top, examples, and no line that a terminal would wrap.
TEST_F(CommandLine, HelpsWithEachCommand) {
  const std::vector<std::vector<std::string>> commands = {{"status"},
                                                          {"corpus"},
                                                          {"corpus", "add"},
                                                          {"corpus", "list"},
                                                          {"corpus", "show"},
                                                          {"corpus", "delete"},
                                                          {"train"},
                                                          {"jobs"},
                                                          {"jobs", "list"},
                                                          {"jobs", "show"},
                                                          {"jobs", "watch"},
                                                          {"jobs", "cancel"},
                                                          {"models"},
                                                          {"models", "list"},
                                                          {"models", "show"},
                                                          {"generate"},
                                                          {"sessions"},
                                                          {"sessions", "open"},
                                                          {"sessions", "close"}};
  for (std::vector<std::string> command : commands) {
    std::string name = "derin";
    for (const std::string& word : command) name += " " + word;
    command.emplace_back("--help");
    const Result result = Run(command);
    EXPECT_EQ(result.status, kSuccess) << name;
    EXPECT_THAT(result.out, HasSubstr("Usage: " + name + " [FLAGS]")) << name;
    EXPECT_THAT(result.out, HasSubstr("Examples:\n  ")) << name;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 110u) << line;
  }
}

TEST_F(CommandLine, ProposesTheNearestCommandAndFlag) {
  EXPECT_EQ(Run({"genrate", "--model", "x"}).err,
            "derin: unknown command 'genrate', did you mean 'generate'?\nsee: derin --help\n");
  EXPECT_EQ(Run({"corpus", "lst"}).err,
            "derin: unknown command 'lst' of 'derin corpus', did you mean 'list'?\n"
            "see: derin corpus --help\n");
  EXPECT_EQ(Run({"generate", "--modle=x", "--prompt", "y"}).err,
            "derin: unknown flag '--modle' of 'derin generate', did you mean '--model'?\n"
            "see: derin generate --help\n");
  EXPECT_EQ(Run({"--jsn"}).err,
            "derin: unknown flag '--jsn', did you mean '--json'?\n"
            "see: derin --help\n");
}

TEST_F(CommandLine, AnswersBadUsageWithStatusTwoAndNothingOnStandardOutput) {
  const std::vector<std::vector<std::string>> command_lines = {
      {"unknown"},
      {"corpus"},
      {"corpus", "add", "name"},
      {"status", "extra"},
      {"status", "--server", "nowhere"},
      {"status", "--server", "http://127.0.0.1:50051"},
      {"--server", "nowhere", "status"},
      {"corpus", "list", "--server"},
      {"train", "--corpus", "a"},
      {"train", "--corpus", "a", "--model", "b", "--layers", "two"},
      {"train", "--corpus", "a", "--model", "b", "--cell", "rnn"},
      {"train", "--corpus", "a", "--model", "b", "--layers", "1", "--layers", "2"},
      {"generate", "--prompt", "a"},
      {"generate", "--model", "a", "--session", "b", "--prompt", "c"},
      {"sessions", "open"},
      {"jobs", "watch"},
  };
  for (const auto& words : command_lines) {
    const Result result = Run(words);
    EXPECT_EQ(result.status, kBadUsage) << words.back();
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, StartsWith("derin: "));
    EXPECT_THAT(result.err, HasSubstr("\nsee: derin "));
  }
}

TEST_F(CommandLine, SaysInItsOwnWordsWhatIsWrongWithAFlag) {
  const std::string see = "\nsee: derin train --help\n";
  EXPECT_EQ(Run({"train", "--corpus", "a", "--model", "b", "--epochs"}).err,
            "derin: --epochs wants a value: N" + see);
  EXPECT_EQ(Run({"train", "--corpus", "a", "--model", "b", "--optimizer"}).err,
            "derin: --optimizer wants a value: sgd|adam|adamw" + see);
  EXPECT_EQ(Run({"train", "--corpus", "a", "--model", "b", "--lr", "1", "--lr", "2"}).err,
            "derin: --lr is given 2 times, wanted once" + see);
  EXPECT_EQ(Run({"train", "--corpus", "a"}).err, "derin: --model is required" + see);
}

TEST_F(CommandLine, ProposesTheFlagThatWasCutShort) {
  EXPECT_EQ(Run({"generate", "--model", "m", "--temp", "1"}).err,
            "derin: unknown flag '--temp' of 'derin generate', did you mean '--temperature'?\n"
            "see: derin generate --help\n");
}

TEST_F(CommandLine, ASummaryNamesEveryCommandBelow) {
  for (const std::string group : {"corpus", "jobs", "models", "sessions"}) {
    const std::string help = Run({group, "--help"}).out;
    const std::string summary = help.substr(0, help.find("\n\n"));
    const std::string said = Run({group}).err;
    const std::string wants = "wants one of the commands ";
    const size_t begin = said.find(wants) + wants.size();
    const std::vector<std::string> commands =
        absl::StrSplit(said.substr(begin, said.find('\n') - begin), ", ");
    for (const std::string& command : commands) {
      EXPECT_THAT(summary, ContainsRegex("[ \n]" + command + "[,.]"));
    }
  }
}

TEST_F(CommandLine, AnswersStatusOneWhenTheServerIsNotThere) {
  server_.Stop();
  const Result result = Run({"status"});
  EXPECT_EQ(result.status, kRefused);
  EXPECT_THAT(result.err, HasSubstr("start it with: derind --listen " + server_.address()));
}

TEST_F(CommandLine, ShowsTheFieldAndTheRetryHintOfAnError) {
  answers().get_corpus = [](const auto&, auto&) {
    return testing::Refusal{.code = grpc::StatusCode::RESOURCE_EXHAUSTED,
                            .message = "too much",
                            .reason = "FULL",
                            .field = "name",
                            .retry_seconds = 2}
        .ToGrpc();
  };
  const Result result = Run({"corpus", "show", "a"});
  EXPECT_EQ(result.status, kRefused);
  EXPECT_EQ(result.err, "derin: too much (field name) (try again in 2.0s)\n");
}

TEST_F(CommandLine, NamesTheFlagThatATokenComesFrom) {
  answers().list_corpora = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "this server wants a token");
  };
  EXPECT_EQ(Run({"corpus", "list"}).err, "derin: this server wants a token (flag --token-file)\n");
}

TEST_F(CommandLine, TakesSharedFlagsBeforeAndAfterTheCommand) {
  answers().list_models = [](const auto&, auto&) { return grpc::Status::OK; };
  EXPECT_EQ(Run({"--json", "models", "list"}).out, "{\n  \"models\": []\n}\n");
  EXPECT_EQ(Run({"models", "list", "--json"}).out, "{\n  \"models\": []\n}\n");
}

// CLI11 would know "models" as a command here, too.
TEST_F(CommandLine, TakesNamesThatAreAlsoCommands) {
  std::string asked;
  answers().get_corpus = [&asked](const v1::GetCorpusRequest& request, auto&) {
    asked = request.name();
    return grpc::Status::OK;
  };
  for (const char* name : {"models", "corpus", "show", "list"}) {
    EXPECT_EQ(Run({"corpus", "show", name}).status, kSuccess);
    EXPECT_EQ(asked, std::string("corpora/") + name);
  }
}

TEST_F(CommandLine, NoticesThatStandardOutputTakesNoMore) {
  answers().list_models = [](const auto&, auto&) { return grpc::Status::OK; };
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  out.setstate(std::ios::badbit);
  Console console{.in = in, .out = out, .err = err, .interrupt = interrupt_};
  EXPECT_EQ(RunCommandLine({"models", "list", "--json"}, {.address = server_.address()}, console),
            kRefused);
  EXPECT_EQ(err.str(), "derin: standard output takes no more\n");
}

}  // namespace
}  // namespace derin::cli
