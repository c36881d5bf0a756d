#include "server/status_page/page_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "server/storage/sha256.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class PageAccessTest : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_.path() / "tokens")
        << R"({"name":"ada","token_sha256":")" << Sha256Hex("secret:ada")
        << "\",\"roles\":[\"read\"]}\n"
        << R"({"name":"bob","token_sha256":")" << Sha256Hex("secret-bob")
        << "\",\"roles\":[\"generate\"]}\n";
    auto loaded = Callers::Load(folder_.path() / "tokens");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    callers_ = *std::move(loaded);
    access_ = {.callers = callers_.get(), .callers_are_known = true, .remote = false};
  }
  int Ask(std::optional<std::string_view> authorization) {
    return RefusePage(access_, authorization).value_or(HttpReply{.status = 200}).status;
  }
  static std::string Basic(const std::string& credentials) {
    return "Basic " + absl::Base64Escape(credentials);
  }

  TemporaryFolder folder_;
  std::unique_ptr<Callers> callers_;
  PageAccess access_;
};

TEST_F(PageAccessTest, ATokenOfTheRoleReadComesInEitherForm) {
  EXPECT_EQ(Ask("Bearer secret:ada"), 200);
  EXPECT_EQ(Ask(Basic("anybody:secret:ada")), 200);
  EXPECT_EQ(Ask(Basic(":secret:ada")), 200);
}

TEST_F(PageAccessTest, AnythingElseIsAskedForAToken) {
  const std::string no_password = Basic("secret");
  for (const std::optional<std::string_view> authorization :
       {std::optional<std::string_view>(), std::optional<std::string_view>(""),
        std::optional<std::string_view>("Bearer guess"), std::optional<std::string_view>("Basic"),
        std::optional<std::string_view>("Basic !!!"),
        std::optional<std::string_view>("Digest secret:ada"),
        std::optional<std::string_view>(no_password)}) {
    const auto refusal = RefusePage(access_, authorization);
    ASSERT_TRUE(refusal.has_value());
    EXPECT_EQ(refusal->status, 401);
    EXPECT_THAT(refusal->headers, Contains(StartsWith("WWW-Authenticate: Bearer")));
    EXPECT_THAT(refusal->headers, Contains(StartsWith("WWW-Authenticate: Basic realm=")));
    EXPECT_THAT(refusal->body, Not(HasSubstr("guess")));
  }
}

TEST_F(PageAccessTest, AnotherRoleIsNotEnough) {
  const auto refusal = RefusePage(access_, "Bearer secret-bob");
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->status, 403);
  EXPECT_THAT(refusal->body, HasSubstr("bob lacks the role read, which the status page wants"));
}

TEST_F(PageAccessTest, NoTokenCrossesANetworkInTheClear) {
  access_.remote = true;
  for (const char* authorization : {"Bearer secret:ada", "Bearer guess"}) {
    const auto refusal = RefusePage(access_, authorization);
    ASSERT_TRUE(refusal.has_value());
    EXPECT_EQ(refusal->status, 403);
    EXPECT_THAT(refusal->body, HasSubstr("--metrics-listen"));
    EXPECT_TRUE(refusal->headers.empty());
  }
}

TEST_F(PageAccessTest, WhereCallersShowCertificatesThePageStaysOnThisMachine) {
  access_.callers = nullptr;
  EXPECT_EQ(Ask(std::nullopt), 200);
  access_.remote = true;
  EXPECT_EQ(Ask(std::nullopt), 403);
}

TEST_F(PageAccessTest, WithoutTokensWhoeverReachesThePortSeesIt) {
  access_ = {.callers = nullptr, .callers_are_known = false, .remote = true};
  EXPECT_EQ(Ask(std::nullopt), 200);
}

}  // namespace
}  // namespace derin::server
