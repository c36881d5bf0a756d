#include <string>

#include <nlohmann/json.hpp>

#include "server/security/token_file.h"
#include "server/storage/sha256.h"
#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using TokenCommand = CommandTest;

TEST_F(TokenCommand, TheServerReadsTheLineAndKnowsTheToken) {
  const Result result = Run({"token",    "new",
                             "ada",      "--role",
                             "read",     "--role",
                             "generate", "--days",
                             "2",        "--max-streams",
                             "4",        "--max-sessions",
                             "5",        "--max-jobs",
                             "0",        "--max-tokens-per-minute",
                             "60000",    "--max-bytes-stored",
                             "7",        "--json"});
  ASSERT_EQ(result.status, kSuccess) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  const std::string token = json["token"];
  EXPECT_EQ(token.size(), 6u + 43u);
  const auto parsed = server::ParseTokenFile(json["line"].get<std::string>());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->size(), 1u);
  const server::TokenEntry& entry = parsed->front();
  EXPECT_EQ(entry.sha256, server::Sha256Hex(token));
  EXPECT_EQ(entry.caller.name, "ada");
  EXPECT_TRUE(entry.caller.roles.Has(server::Role::kRead));
  EXPECT_TRUE(entry.caller.roles.Has(server::Role::kGenerate));
  EXPECT_FALSE(entry.caller.roles.Has(server::Role::kTrain));
  EXPECT_EQ(entry.expires, absl::FromUnixSeconds(1000) + absl::Hours(48));
  EXPECT_EQ(entry.caller.limits.streams, 4);
  EXPECT_EQ(entry.caller.limits.sessions, 5);
  EXPECT_EQ(entry.caller.limits.jobs, 0);
  EXPECT_EQ(entry.caller.limits.tokens_per_minute, 60'000);
  EXPECT_EQ(entry.caller.limits.bytes_stored, 7);
}

TEST_F(TokenCommand, PeopleSeeTheTokenAndTheLineOnce) {
  const Result result = Run({"token", "new", "ada", "--role", "admin"});
  EXPECT_THAT(result.out, HasSubstr("\nderin_"));
  EXPECT_THAT(result.out, HasSubstr("{\"name\":\"ada\",\"token_sha256\":\""));
  EXPECT_THAT(result.out, Not(HasSubstr("expires")));
  EXPECT_NE(result.out, Run({"token", "new", "ada", "--role", "admin"}).out);
}

TEST_F(TokenCommand, WhatMakesNoSenseIsBadUsage) {
  EXPECT_EQ(Run({"token", "new", "ada"}).status, kBadUsage);
  const Result named = Run({"token", "new", "Ada", "--role", "read"});
  EXPECT_EQ(named.status, kBadUsage);
  EXPECT_THAT(named.err, StartsWith("derin: NAME: got 'Ada', wanted [a-z]"));
  EXPECT_EQ(Run({"token", "new", "local", "--role", "read"}).status, kBadUsage);
  EXPECT_EQ(Run({"token", "new", "ada", "--role", "root"}).status, kBadUsage);
  EXPECT_EQ(Run({"token", "new", "ada", "--role", "read", "--max-jobs", "-1"}).status, kBadUsage);
  for (const char* days : {"soon", "-1", "0", "36501", "99999999999"}) {
    EXPECT_EQ(Run({"token", "new", "ada", "--role", "read", "--days", days}).status, kBadUsage);
  }
}

}  // namespace
}  // namespace derin::cli
