// The page for people at the port for operators, of a whole server.

#include <gmock/gmock.h>

#include <string>

#include "absl/strings/escaping.h"
#include "server/storage/sha256.h"
#include "tests/certificates.h"
#include "tests/end_to_end/client_test_server.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class StatusPage : public ClientTest {
 protected:
  void SetUp() override { options_.metrics_listen = "127.0.0.1:0"; }
  std::string Page(const std::string& headers = "") {
    return HttpGet(server_->metrics_address(), "/", headers);
  }
  void KnowAda() {
    options_.tokens = folder_.path() / "tokens";
    WriteTestFile(options_.tokens, R"({"name":"ada","token_sha256":")" + Sha256Hex("secret") +
                                       "\",\"roles\":[\"read\"]}\n");
  }
};

TEST_F(StatusPage, ShowsJobsModelsAndSessions) {
  StartServer();
  Connect();
  TrainModel();
  client::TrainingSpec endless = SmallSpec();
  endless.epochs = 100'000;
  endless.validation_share = 0.1;
  const auto job = client_->CreateTrainingJob(endless, {.id = "endless"});
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_TRUE(client_->CreateTrainingJob(SmallSpec(), {.id = "later"}).ok());
  ASSERT_TRUE(client_->OpenSession("models/sea").ok());
  // Until there is a curve: its steps, and not time, bring it.
  std::string page;
  do {
    page = Page();
    ASSERT_THAT(page, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("default-src 'none'")));
  } while (page.find("<svg class=\"chart\" viewBox=\"0 0 700") == std::string::npos);
  EXPECT_THAT(
      page, AllOf(HasSubstr("<h3>endless</h3><span class=\"pill good\">running</span>"),
                  HasSubstr("<h3>later</h3><span class=\"pill warn\">queued</span>"),
                  HasSubstr("succeeded"), HasSubstr("Sessions</div><div class=\"figure\">1</div>"),
                  HasSubstr("<tr><td>sea</td><td class=\"number\">1</td>"),
                  ContainsRegex(" of 100,000</dd>"), HasSubstr("reference/f32/")));
}

TEST_F(StatusPage, WantsATokenWhereTokensAre) {
  KnowAda();
  StartServer();
  EXPECT_THAT(Page(),
              AllOf(StartsWith("HTTP/1.1 401 "), HasSubstr("\r\nWWW-Authenticate: Basic ")));
  EXPECT_THAT(Page("Authorization: Bearer guess\r\n"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Page("Authorization: Bearer secret\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Page("Authorization: Basic " + absl::Base64Escape("x:secret") + "\r\n"),
              StartsWith("HTTP/1.1 200 "));
  for (const char* path : {"/metrics", "/healthz", "/readyz"}) {
    EXPECT_THAT(HttpGet(server_->metrics_address(), path), StartsWith("HTTP/1.1 200 ")) << path;
  }
}

TEST_F(StatusPage, DoesNotCrossANetworkWhereTokensAre) {
  KnowAda();
  TestAuthority authority(folder_.path(), "authority");
  const CertificateFiles files = authority.Issue("server");
  options_.tls_certificate = files.certificate;
  options_.tls_key = files.key;
  options_.metrics_listen = "0.0.0.0:0";
  options_.allow_insecure_remote = true;
  StartServer();
  EXPECT_THAT(Page("Authorization: Bearer secret\r\n"),
              AllOf(StartsWith("HTTP/1.1 403 "), Not(HasSubstr("WWW-Authenticate"))));
  EXPECT_THAT(HttpGet(server_->metrics_address(), "/metrics"), StartsWith("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace derin::server
