#include "server/security/callers.h"

#include <gmock/gmock.h>

#include <map>
#include <string>

#include "server/status/error.h"
#include "server/storage/sha256.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRead[] = "/derin.v1.CorpusService/GetCorpus";
constexpr char kTrain[] = "/derin.v1.TrainingService/CreateTrainingJob";

std::string Line(const std::string& name, const std::string& token, const std::string& rest) {
  return R"({"name":")" + name + R"(","token_sha256":")" + Sha256Hex(token) + "\"," + rest + "}\n";
}

class CallersTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) { WriteTestFile(file_, text); }
  void Load() {
    auto loaded = Callers::Load(file_, [this] { return now_; });
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    callers_ = *std::move(loaded);
  }
  absl::Status Ask(const char* path, std::optional<std::string_view> authorization) {
    return callers_->Authorize(path, authorization).status();
  }

  TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path() / "tokens";
  absl::Time now_ = absl::FromUnixSeconds(1000);
  std::unique_ptr<Callers> callers_;
};

TEST_F(CallersTest, ATokenSaysWhoCalls) {
  Write(Line("ada", "secret-a", R"("roles":["read"],"max_streams":3)") +
        Line("bob", "secret-b", R"("roles":["train"])"));
  Load();
  const auto ada = callers_->Authorize(kRead, "Bearer secret-a");
  ASSERT_TRUE(ada.ok()) << ada.status();
  EXPECT_EQ(ada->name, "ada");
  EXPECT_EQ(ada->limits.streams, 3);
  const auto bob = callers_->Authorize(kTrain, "bearer secret-b");
  ASSERT_TRUE(bob.ok()) << bob.status();
  EXPECT_EQ(bob->name, "bob");
}

TEST_F(CallersTest, WhoeverIsNotKnownIsUnauthenticatedWithTheReason) {
  Write(Line("ada", "secret-a", R"("roles":["admin"])"));
  Load();
  for (const auto& [authorization, reason] :
       std::map<std::string, std::string>{{"", "TOKEN_MISSING"},
                                          {"secret-a", "TOKEN_MISSING"},
                                          {"Basic secret-a", "TOKEN_MISSING"},
                                          {"Bearer ", "TOKEN_UNKNOWN"},
                                          {"Bearer secret-b", "TOKEN_UNKNOWN"},
                                          {"Bearer secret-a ", "TOKEN_UNKNOWN"}}) {
    const absl::Status status = Ask(kRead, authorization);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << authorization;
    EXPECT_EQ(ErrorReason(status), reason) << authorization;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret")));
  }
  EXPECT_EQ(ErrorReason(Ask(kRead, std::nullopt)), "TOKEN_MISSING");
}

TEST_F(CallersTest, ATokenEndsAtItsTime) {
  Write(Line("ada", "secret-a", R"("roles":["read"],"expires":"1970-01-01T00:16:41Z")"));
  Load();
  EXPECT_TRUE(Ask(kRead, "Bearer secret-a").ok());
  now_ += absl::Seconds(1);
  const absl::Status status = Ask(kRead, "Bearer secret-a");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ErrorReason(status), "TOKEN_EXPIRED");
}

TEST_F(CallersTest, ARoleThatIsMissingIsNamed) {
  Write(Line("ada", "secret-a", R"("roles":["read","generate"])"));
  Load();
  const absl::Status status = Ask(kTrain, "Bearer secret-a");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrorReason(status), "ROLE_MISSING");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("ada"), HasSubstr("role train")));
}

TEST_F(CallersTest, APageIsAskedForByItsRole) {
  Write(Line("ada", "secret-a", R"("roles":["read"])"));
  Load();
  EXPECT_EQ(callers_->AuthorizeRole(Role::kRead, "the page", "Bearer secret-a")->name, "ada");
  EXPECT_EQ(ErrorReason(callers_->AuthorizeRole(Role::kRead, "the page", std::nullopt).status()),
            "TOKEN_MISSING");
  const absl::Status status =
      callers_->AuthorizeRole(Role::kTrain, "the page", "Bearer secret-a").status();
  EXPECT_EQ(ErrorReason(status), "ROLE_MISSING");
  EXPECT_EQ(status.message(), "ada lacks the role train, which the page wants");
}

TEST_F(CallersTest, HealthNeedsNoTokenAndAMethodWithoutARuleIsNobodys) {
  Write(Line("ada", "secret-a", R"("roles":["admin"])"));
  Load();
  EXPECT_TRUE(Ask("/grpc.health.v1.Health/Check", std::nullopt).ok());
  EXPECT_EQ(Ask("/derin.v1.CorpusService/New", "Bearer secret-a").code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(Ask("/derin.v1.CorpusService/New", std::nullopt).code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(CallersTest, ANewFileTakesThePlaceOfTheOldOneUnlessItIsBad) {
  Write(Line("ada", "secret-a", R"("roles":["read"])"));
  Load();
  Write("nonsense");
  const absl::Status bad = callers_->Reload();
  EXPECT_THAT(std::string(bad.message()), AllOf(HasSubstr(file_.string()), HasSubstr("line 1")));
  EXPECT_TRUE(Ask(kRead, "Bearer secret-a").ok());
  std::filesystem::remove(file_);
  EXPECT_FALSE(callers_->Reload().ok());
  EXPECT_TRUE(Ask(kRead, "Bearer secret-a").ok());
  Write(Line("bob", "secret-b", R"("roles":["read"])") +
        Line("bob", "secret-c", R"("roles":["read"])"));
  EXPECT_TRUE(callers_->Reload().ok());
  EXPECT_EQ(callers_->size(), 2u);
  EXPECT_EQ(ErrorReason(Ask(kRead, "Bearer secret-a")), "TOKEN_UNKNOWN");
  EXPECT_TRUE(Ask(kRead, "Bearer secret-c").ok());
}

TEST_F(CallersTest, AFileThatIsNotThereIsNamed) {
  const absl::Status status = Callers::Load(file_).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr(file_.string()));
}

TEST(AuthorizationIn, ThereIsOneOrNone) {
  std::multimap<std::string, std::string> metadata{{"other", "x"}};
  EXPECT_EQ(AuthorizationIn(metadata), std::nullopt);
  metadata.emplace("authorization", "Bearer a");
  EXPECT_EQ(AuthorizationIn(metadata), "Bearer a");
  metadata.emplace("authorization", "Bearer b");
  EXPECT_EQ(AuthorizationIn(metadata), std::nullopt);
}

}  // namespace
}  // namespace derin::server
