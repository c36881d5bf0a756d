#include "server/security/tls.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/certificates.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Tls : public ::testing::Test {
 protected:
  std::string Complaint(const TlsFiles& files) {
    const absl::Status status = CheckTlsFiles(files, absl::Now());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  }

  TemporaryFolder folder_;
  TestAuthority authority_{folder_.path(), "authority"};
  CertificateFiles server_ = authority_.Issue("server");
};

TEST_F(Tls, FilesThatFitTogetherAreGood) {
  EXPECT_TRUE(CheckTlsFiles({}, absl::Now()).ok());
  EXPECT_TRUE(CheckTlsFiles({server_.certificate, server_.key, ""}, absl::Now()).ok());
  EXPECT_TRUE(
      CheckTlsFiles({server_.certificate, server_.key, authority_.file()}, absl::Now()).ok());
}

TEST_F(Tls, ACertificateAndItsKeyGoTogether) {
  EXPECT_THAT(Complaint({server_.certificate, "", ""}), HasSubstr("--tls-key"));
  EXPECT_THAT(Complaint({"", server_.key, ""}), HasSubstr("--tls-certificate"));
  EXPECT_THAT(Complaint({"", "", authority_.file()}), HasSubstr("--tls-certificate"));
}

TEST_F(Tls, AFileThatCannotBeReadIsNamedWithItsFlagAndTheReason) {
  EXPECT_THAT(
      Complaint({folder_.path() / "none", server_.key, ""}),
      AllOf(HasSubstr("--tls-certificate"), HasSubstr("none"), HasSubstr("there is no file")));
  EXPECT_THAT(Complaint({server_.certificate, folder_.path(), ""}),
              AllOf(HasSubstr("--tls-key"), HasSubstr("Is a directory")));
  EXPECT_THAT(Complaint({server_.certificate, server_.key, folder_.path() / "none"}),
              HasSubstr("--tls-client-ca"));
}

TEST_F(Tls, WhatIsNoPemIsNamed) {
  const auto empty = folder_.path() / "empty";
  WriteTestFile(empty, "");
  EXPECT_THAT(Complaint({empty, server_.key, ""}), HasSubstr("has no certificate"));
  EXPECT_THAT(Complaint({server_.certificate, empty, ""}), HasSubstr("has no private key"));
  EXPECT_THAT(Complaint({server_.certificate, server_.key, empty}),
              AllOf(HasSubstr("--tls-client-ca"), HasSubstr("has no certificate")));
  const auto cut = folder_.path() / "cut";
  const std::string whole = ReadTestFile(server_.certificate);
  WriteTestFile(cut, whole + whole.substr(0, whole.size() / 2));
  EXPECT_THAT(Complaint({cut, server_.key, ""}), HasSubstr("damaged"));
}

TEST_F(Tls, AKeyOfAnotherCertificateIsRefused) {
  const CertificateFiles other = authority_.Issue("other");
  EXPECT_THAT(Complaint({server_.certificate, other.key, ""}),
              AllOf(HasSubstr("other.key"), HasSubstr("not the key"), HasSubstr("server.crt")));
}

TEST_F(Tls, ACertificateThatIsNotValidNowIsRefused) {
  const CertificateFiles old = authority_.Issue("old", 3600);
  EXPECT_THAT(Complaint({old.certificate, old.key, ""}), HasSubstr("has expired"));
  const absl::Status early =
      CheckTlsFiles({server_.certificate, server_.key, ""}, absl::Now() - absl::Hours(48));
  EXPECT_THAT(std::string(early.message()), HasSubstr("not valid yet"));
}

}  // namespace
}  // namespace derin::server
