#include "server/options_check.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "server/listen_address.h"
#include "tests/certificates.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kToken[] =
    R"({"name":"ada","roles":["read"],"token_sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})";

class OptionsCheck : public ::testing::Test {
 protected:
  OptionsCheck() { options().data_directory = folder_.path() / "a" / "data"; }

  ServerOptions& options() { return line_.server; }
  // With an address that others reach, TLS and one token.
  void LetOthersIn() {
    const CertificateFiles files = TestAuthority(folder_.path(), "authority").Issue("server");
    options().tls_certificate = files.certificate;
    options().tls_key = files.key;
    options().tokens = folder_.path() / "tokens";
    WriteTestFile(options().tokens, kToken);
    options().listen = "0.0.0.0:50051";
  }

  TemporaryFolder folder_;
  CommandLine line_;
};

TEST_F(OptionsCheck, FindsNothingWrongWithTheDefaultsAndMakesNothing) {
  EXPECT_THAT(FaultsOf(line_), IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(OptionsCheck, SaysAllThatIsWrong) {
  options().listen = "nowhere";
  options().metrics_listen = "0.0.0.0:9464";
  options().tls_certificate = "/c";
  options().tokens = folder_.path() / "none";
  options().device = "abacus";
  EXPECT_THAT(FaultsOf(line_),
              ElementsAre(HasSubstr("--listen: got address \"nowhere\""),
                          HasSubstr("--metrics-listen: refusing to listen on 0.0.0.0:9464"),
                          HasSubstr("--tls-key"), HasSubstr("the file of tokens cannot be read"),
                          HasSubstr("--device abacus: got device 'abacus'")));
}

TEST_F(OptionsCheck, FollowsTheRuleOfWhoMayCome) {
  options().listen = "0.0.0.0:50051";
  EXPECT_THAT(FaultsOf(line_), ElementsAre(HasSubstr("without TLS anybody there could")));
  EXPECT_EQ(CheckAddresses(options()).status().code(), absl::StatusCode::kFailedPrecondition);
  options().allow_insecure_remote = true;
  EXPECT_THAT(FaultsOf(line_), IsEmpty());
  options().allow_insecure_remote = false;
  LetOthersIn();
  EXPECT_THAT(FaultsOf(line_), IsEmpty());
  EXPECT_EQ(CheckAddresses(options())->grpc.ToString(), "0.0.0.0:50051");
}

TEST_F(OptionsCheck, ReadsTheTokens) {
  LetOthersIn();
  WriteTestFile(options().tokens, "{}\n");
  EXPECT_THAT(FaultsOf(line_), ElementsAre(HasSubstr("name is missing")));
}

TEST_F(OptionsCheck, ReadsTheCertificates) {
  LetOthersIn();
  WriteTestFile(options().tls_certificate, "no certificate");
  EXPECT_THAT(FaultsOf(line_), ElementsAre(HasSubstr("--tls-certificate")));
}

TEST_F(OptionsCheck, WantsAnAddressOfThisMachineAndNoFreePort) {
  options().listen = "192.0.2.1:50051";  // documentation's, nobody's
  options().allow_insecure_remote = true;
  EXPECT_THAT(FaultsOf(line_), ElementsAre(HasSubstr("--listen: cannot listen on 192.0.2.1")));
  options().listen = "unix:" + (folder_.path() / "socket").string();
  EXPECT_THAT(FaultsOf(line_), IsEmpty());
}

// As a server that starts does, on machines with a GPU and without.
TEST_F(OptionsCheck, WantsTheGpuThatIsAskedFor) {
  options().device = "cuda:999";
  EXPECT_THAT(FaultsOf(line_), ElementsAre(HasSubstr("--device cuda:999: ")));
}

TEST_F(OptionsCheck, WantsToWriteTheDataAndThePortFile) {
  WriteTestFile(folder_.path() / "file", "");
  options().data_directory = folder_.path() / "file" / "data";
  line_.port_file = folder_.path() / "file" / "port";
  EXPECT_THAT(FaultsOf(line_), ElementsAre(HasSubstr("cannot write in the data directory"),
                                           HasSubstr("cannot write the port file")));
}

TEST_F(OptionsCheck, TellsPeopleWhatWouldRun) {
  EXPECT_EQ(SummaryOf(line_),
            "calls    127.0.0.1:50051, without TLS, for everybody who reaches it\n"
            "metrics  127.0.0.1:9464\n"
            "data     " +
                options().data_directory.string() +
                " (new)\n"
                "device   auto\n");
  LetOthersIn();
  options().metrics_listen = "";
  options().data_directory = folder_.path();
  EXPECT_THAT(SummaryOf(line_),
              HasSubstr("calls    0.0.0.0:50051, TLS, for whoever has one of 1 token\n"
                        "metrics  none\n"
                        "data     " +
                        folder_.path().string() + "\n"));
  WriteTestFile(options().tokens, "\n");
  EXPECT_THAT(SummaryOf(line_), HasSubstr(", TLS, for nobody, as the file of tokens has none\n"));
  WriteTestFile(options().tokens, kToken);
  options().tls_client_ca = folder_.path() / "authority.crt";
  EXPECT_THAT(SummaryOf(line_),
              HasSubstr(", TLS, for whoever has a certificate and whoever has one of 1 token\n"));
}

}  // namespace
}  // namespace derin::server
