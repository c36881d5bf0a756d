#include "client/cli/command_context.h"

#include <gtest/gtest.h>

#include <sstream>

#include "absl/strings/cord.h"
#include "tests/client/fake_server.h"

namespace derin::cli {
namespace {

using testing::Message;

class CommandContextTest : public ::testing::Test {
 protected:
  // Defines one command and parses `words` (from the front).
  void Parse(std::vector<std::string> words) {
    CLI::App& command = AddCommand(app_, "go", "Goes.", "  derin go");
    context_.Define(command, [this] {
      went_ = true;
      return absl::OkStatus();
    });
    std::reverse(words.begin(), words.end());
    app_.parse(std::move(words));
  }

  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
  client::Cancellation interrupt_;
  Console console_{.in = in_, .out = out_, .err = err_, .interrupt = interrupt_};
  CommandContext context_{console_, client::ConnectOptions()};
  CLI::App app_;
  bool went_ = false;
};

TEST_F(CommandContextTest, RunsTheActionOfTheCommandThatWasNamed) {
  EXPECT_FALSE(context_.action());
  Parse({"go", "--json", "--server", "other:1"});
  EXPECT_FALSE(went_);
  ASSERT_TRUE(context_.action()().ok());
  EXPECT_TRUE(went_);
  EXPECT_TRUE(context_.json());
  EXPECT_EQ(context_.server(), "other:1");
}

TEST_F(CommandContextTest, SaysOfWhatEndedThatItWasInterrupted) {
  for (const absl::Status& status : {absl::OkStatus(), absl::UnavailableError("gone")}) {
    EXPECT_EQ(context_.OrInterrupted(status), status);
  }
  interrupt_.Cancel();
  for (const absl::Status& status : {absl::OkStatus(), absl::UnavailableError("gone")}) {
    EXPECT_EQ(context_.OrInterrupted(status), absl::CancelledError("interrupted"));
  }
}

TEST_F(CommandContextTest, SuggestsTheServerOnlyWhenItIsNotTheDefault) {
  EXPECT_EQ(context_.Suggest("jobs list"), "derin jobs list");
  Parse({"go", "--server", "other:1"});
  EXPECT_EQ(context_.Suggest("jobs list"), "derin jobs list --server other:1");
}

TEST_F(CommandContextTest, SuggestsTheFilesOfTheConnectionToo) {
  Parse({"go", "--tls-ca", "ca.crt", "--tls-certificate", "me.crt", "--tls-key", "me.key",
         "--token-file", "me.token"});
  EXPECT_EQ(context_.Suggest("jobs list"),
            "derin jobs list --tls-ca ca.crt --tls-certificate me.crt --tls-key me.key "
            "--token-file me.token");
}

TEST_F(CommandContextTest, TakesABadAddressAsBadUsage) {
  Parse({"go", "--server", "nowhere"});
  EXPECT_EQ(context_.Connect().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(context_.bad_usage());
}

TEST_F(CommandContextTest, PrintsWhatWasDone) {
  context_.PrintDone("closed", "sessions/a");
  EXPECT_EQ(out_.str(), "closed sessions/a\n");
  Parse({"go", "--json"});
  out_.str("");
  context_.PrintDone("closed", "sessions/a");
  EXPECT_EQ(out_.str(), "{\n  \"closed\": \"sessions/a\"\n}\n");
}

TEST_F(CommandContextTest, HintsOnlyToPeople) {
  context_.Hint("try this");
  EXPECT_EQ(err_.str(), "");
  console_.err_is_terminal = true;
  context_.Hint("try this");
  EXPECT_EQ(err_.str(), "try this\n");
}

TEST(WithSuffix, KeepsCodeAndPayloads) {
  absl::Status status = absl::NotFoundError("gone");
  status.SetPayload("url", absl::Cord("payload"));
  const absl::Status longer = WithSuffix(status, " (flag --id)");
  EXPECT_EQ(longer.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Message(longer), "gone (flag --id)");
  EXPECT_EQ(longer.GetPayload("url"), absl::Cord("payload"));
  EXPECT_TRUE(WithSuffix(absl::OkStatus(), "x").ok());
}

}  // namespace
}  // namespace derin::cli
