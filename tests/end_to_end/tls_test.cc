// Encrypted connections, from the client library to a whole server.

#include <gmock/gmock.h>
#include <grpc/support/log.h>

#include <filesystem>
#include <string>

#include "derin/client/client.h"
#include "tests/certificates.h"
#include "tests/end_to_end/server_test.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class TlsServer : public ServerTest {
 protected:
  TlsServer() {
    Use(server_files_);
    // It reports each handshake that fails.
    gpr_set_log_function([](gpr_log_func_args*) {});
  }

  void Use(const CertificateFiles& files) {
    options_.tls_certificate = files.certificate;
    options_.tls_key = files.key;
  }
  client::ConnectOptions Trusting(const std::filesystem::path& authority) const {
    return {.address = server_->address(), .tls_ca = authority};
  }
  client::ConnectOptions Showing(const CertificateFiles& files) const {
    client::ConnectOptions options = Trusting(authority_.file());
    options.tls_certificate = files.certificate;
    options.tls_key = files.key;
    return options;
  }
  // OK when a call gets through.
  static absl::Status Ask(const client::ConnectOptions& options) {
    const auto client = client::Client::Connect(options);
    return client.ok() ? (*client)->GetServerInfo().status() : client.status();
  }
  static std::string Refused(const client::ConnectOptions& options) {
    const absl::Status status = Ask(options);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    return std::string(status.message());
  }
  std::string CannotStart() {
    const absl::Status status = Server::Start(options_).status();
    EXPECT_FALSE(status.ok());
    EXPECT_FALSE(std::filesystem::exists(options_.data_directory));
    return std::string(status.message());
  }

  TestAuthority authority_{folder_.path(), "authority"};
  TestAuthority strangers_{folder_.path(), "strangers"};
  CertificateFiles server_files_ = authority_.Issue("server");
};

TEST_F(TlsServer, ServesThoseWhoTrustItsAuthority) {
  StartServer();
  EXPECT_TRUE(Ask(Trusting(authority_.file())).ok());
}

TEST_F(TlsServer, ClientsRefuseAServerThatTheyDoNotTrust) {
  StartServer();
  EXPECT_THAT(Refused(Trusting(strangers_.file())),
              AllOf(HasSubstr("certificate"), HasSubstr("--tls-ca")));
}

TEST_F(TlsServer, ClientsRefuseAServerOfAnotherName) {
  options_.listen = "127.0.0.2:0";
  StartServer();
  EXPECT_THAT(Refused(Trusting(authority_.file())), HasSubstr("names other hosts"));
}

TEST_F(TlsServer, AClientWithoutTlsIsToldWhatMayBeMissing) {
  StartServer();
  EXPECT_THAT(Refused({.address = server_->address()}), HasSubstr("--tls-ca"));
}

TEST_F(TlsServer, AClientWithTlsIsToldThatTheServerHasNone) {
  Use({});
  StartServer();
  EXPECT_THAT(Refused(Trusting(authority_.file())), HasSubstr("does not speak TLS"));
}

TEST_F(TlsServer, AServerThatKnowsItsCallersLetsInOnlyThem) {
  options_.tls_client_ca = authority_.file();
  StartServer();
  EXPECT_TRUE(Ask(Showing(authority_.Issue("caller"))).ok());
  EXPECT_THAT(Refused(Trusting(authority_.file())), HasSubstr("--tls-certificate"));
  EXPECT_THAT(Refused(Showing(strangers_.Issue("stranger"))), HasSubstr("--tls-certificate"));
  EXPECT_THAT(Refused(Showing(authority_.Issue("late", /*lifetime=*/3600))),
              HasSubstr("--tls-certificate"));
}

TEST_F(TlsServer, FilesThatDoNotFitAreAClearErrorThatLeavesNothingBehind) {
  options_.tls_key = authority_.Issue("other").key;
  EXPECT_THAT(CannotStart(), AllOf(HasSubstr("--tls-key"), HasSubstr("not the key")));
  options_.tls_key.clear();
  EXPECT_THAT(CannotStart(), HasSubstr("--tls-key"));
  Use(authority_.Issue("old", /*lifetime=*/3600));
  EXPECT_THAT(CannotStart(), HasSubstr("has expired"));
}

TEST_F(TlsServer, OtherMachinesAreLetInOnlyWhereCallersAreKnown) {
  options_.listen = "0.0.0.0:0";
  EXPECT_THAT(CannotStart(), HasSubstr("--tls-client-ca"));
  options_.tls_client_ca = authority_.file();
  StartServer();
}

// New files take the place of the old ones under the same names.
TEST_F(TlsServer, AChangedCertificateIsServedWithoutARestart) {
  StartServer();
  ASSERT_TRUE(Ask(Trusting(authority_.file())).ok());
  EXPECT_FALSE(Ask(Trusting(strangers_.file())).ok());
  const CertificateFiles next = strangers_.Issue("next");
  std::filesystem::rename(next.key, options_.tls_key);
  std::filesystem::rename(next.certificate, options_.tls_certificate);
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!Ask(Trusting(strangers_.file())).ok() && absl::Now() < deadline) {
  }
  EXPECT_TRUE(Ask(Trusting(strangers_.file())).ok());
  EXPECT_FALSE(Ask(Trusting(authority_.file())).ok());
}

}  // namespace
}  // namespace derin::server
