#include "server/security/token_file.h"

#include <gmock/gmock.h>

#include <string>

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kDigest(64, 'a');

std::string Complaint(const std::string& text) {
  const auto parsed = ParseTokenFile(text);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(parsed.status().message());
}

std::string Line(const std::string& rest) {
  return R"({"name":"ada","token_sha256":")" + kDigest + R"(","roles":["read"])" + rest + "}";
}

TEST(TokenFile, ALineSaysAllOfACaller) {
  const auto parsed = ParseTokenFile(
      "# callers\n\n" +
      Line(R"(,"expires":"2027-01-31T00:00:00Z","max_streams":4,"max_sessions":0,"max_jobs":2,)"
           R"("max_tokens_per_minute":60000,"max_bytes_stored":7)") +
      "\r\n" + R"({"roles":["train","admin"],"token_sha256":")" + std::string(64, 'b') +
      R"(","name":"bob-2"})");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->size(), 2u);
  const TokenEntry& ada = (*parsed)[0];
  EXPECT_EQ(ada.caller.name, "ada");
  EXPECT_EQ(ada.sha256, kDigest);
  EXPECT_TRUE(ada.caller.roles.Has(Role::kRead));
  EXPECT_FALSE(ada.caller.roles.Has(Role::kTrain));
  EXPECT_EQ(ada.expires, absl::FromUnixSeconds(1801353600));
  EXPECT_EQ(ada.caller.limits.streams, 4);
  EXPECT_EQ(ada.caller.limits.sessions, 0);
  EXPECT_EQ(ada.caller.limits.jobs, 2);
  EXPECT_EQ(ada.caller.limits.tokens_per_minute, 60'000);
  EXPECT_EQ(ada.caller.limits.bytes_stored, 7);
  const TokenEntry& bob = (*parsed)[1];
  EXPECT_EQ(bob.caller.name, "bob-2");
  EXPECT_TRUE(bob.caller.roles.Has(Role::kAdmin));
  EXPECT_EQ(bob.expires, absl::InfiniteFuture());
  EXPECT_EQ(bob.caller.limits.streams, std::nullopt);
  EXPECT_EQ(bob.caller.limits.tokens_per_minute, std::nullopt);
  EXPECT_EQ(bob.caller.limits.bytes_stored, std::nullopt);
}

TEST(TokenFile, WhatIsWrongIsSaidWithItsLine) {
  EXPECT_THAT(Complaint("\nno json"), AllOf(HasSubstr("line 2"), HasSubstr("JSON object")));
  EXPECT_THAT(Complaint("[]"), HasSubstr("JSON object"));
  EXPECT_THAT(Complaint("{}"), HasSubstr("name is missing"));
  EXPECT_THAT(Complaint(R"({"name":"ada"})"), HasSubstr("token_sha256 is missing"));
  EXPECT_THAT(Complaint(R"({"name":"Ada"})"), HasSubstr("Ada"));
  EXPECT_THAT(Complaint(R"({"name":"local"})"), HasSubstr("local"));
  EXPECT_THAT(Complaint(R"({"name":7})"), HasSubstr("wanted a string"));
  EXPECT_THAT(Complaint(R"({"roles":["root"]})"),
              AllOf(HasSubstr("root"), HasSubstr("read, generate, train, admin")));
  EXPECT_THAT(Complaint(R"({"roles":[]})"), HasSubstr("at least one"));
  EXPECT_THAT(Complaint(R"({"roles":"read"})"), HasSubstr("roles"));
  EXPECT_THAT(Complaint(Line(R"(,"expires":"tomorrow")")), HasSubstr("tomorrow"));
  EXPECT_THAT(Complaint(Line(R"(,"max_streams":-1)")), HasSubstr("max_streams"));
  EXPECT_THAT(Complaint(Line(R"(,"max_jobs":1.5)")), HasSubstr("max_jobs"));
  EXPECT_THAT(Complaint(Line(R"(,"max_tokens_per_minute":"many")")),
              HasSubstr("max_tokens_per_minute"));
  EXPECT_THAT(Complaint(Line(R"(,"max_bytes_stored":-1)")), HasSubstr("max_bytes_stored"));
  EXPECT_THAT(Complaint(Line(R"(,"max_sesions":1)")),
              AllOf(HasSubstr("max_sesions"), HasSubstr("max_sessions")));
  EXPECT_THAT(Complaint(Line("") + "\n" + Line("")),
              AllOf(HasSubstr("line 2"), HasSubstr("line before")));
}

TEST(TokenFile, WhatMayBeATokenIsNotRepeated) {
  EXPECT_THAT(Complaint(R"({"token_sha256":"derin_secret"})"),
              AllOf(HasSubstr("64 lower-case"), Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace derin::server
