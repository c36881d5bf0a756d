#include "derin/internal/channel_credentials.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/certificates.h"
#include "tests/client/fake_server.h"
#include "tests/temporary_folder.h"

namespace derin::client::internal {
namespace {

using ::derin::testing::Message;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ChannelCredentials : public ::testing::Test {
 protected:
  std::string Complaint(const ConnectOptions& options) {
    const absl::Status status = NewChannelCredentials(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return Message(status);
  }

  TemporaryFolder folder_;
  TestAuthority authority_{folder_.path(), "authority"};
  CertificateFiles caller_ = authority_.Issue("caller");
};

TEST_F(ChannelCredentials, FilesThatAreThereAreTaken) {
  EXPECT_TRUE(NewChannelCredentials({}).ok());
  EXPECT_TRUE(NewChannelCredentials({.tls_ca = authority_.file()}).ok());
  EXPECT_TRUE(NewChannelCredentials({.tls_ca = authority_.file(),
                                     .tls_certificate = caller_.certificate,
                                     .tls_key = caller_.key})
                  .ok());
}

TEST_F(ChannelCredentials, ACertificateAndItsKeyGoTogether) {
  EXPECT_THAT(Complaint({.tls_certificate = caller_.certificate}), HasSubstr("wants its key"));
  EXPECT_THAT(Complaint({.tls_key = caller_.key}), HasSubstr("wants its certificate"));
}

TEST_F(ChannelCredentials, AFileThatCannotBeReadIsNamedWithTheReason) {
  EXPECT_THAT(
      Complaint({.tls_ca = folder_.path() / "none"}),
      AllOf(HasSubstr("authority"), HasSubstr("none"), HasSubstr("No such file or directory")));
  EXPECT_THAT(Complaint({.tls_ca = folder_.path()}), HasSubstr("Is a directory"));
  WriteTestFile(folder_.path() / "text", "no PEM");
  EXPECT_THAT(
      Complaint({.tls_certificate = caller_.certificate, .tls_key = folder_.path() / "text"}),
      HasSubstr("no PEM file"));
}

TEST_F(ChannelCredentials, ATokenGoesOnlyWhereNobodyListensIn) {
  const std::string token = folder_.path() / "token";
  WriteTestFile(token, "derin_secret\n");
  for (const char* address : {"127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/run/derin"}) {
    EXPECT_TRUE(NewChannelCredentials({.address = address, .token_file = token}).ok()) << address;
  }
  for (const char* address : {"10.0.0.1:1", "127.0.0.1.example:1", "derin.example:1"}) {
    EXPECT_THAT(Complaint({.address = address, .token_file = token}),
                AllOf(HasSubstr("not sent"), HasSubstr(address)));
    EXPECT_TRUE(NewChannelCredentials(
                    {.address = address, .tls_ca = authority_.file(), .token_file = token})
                    .ok());
  }
}

TEST_F(ChannelCredentials, AFileThatIsNoTokenIsNamedAndNotRepeated) {
  const std::string token = folder_.path() / "token";
  EXPECT_THAT(Complaint({.token_file = token}), HasSubstr("No such file"));
  for (const char* text : {"", " \n", "secret one", "secret\nsecret"}) {
    WriteTestFile(token, text);
    EXPECT_THAT(Complaint({.token_file = token}),
                AllOf(HasSubstr("not one token"), Not(HasSubstr("secret"))));
  }
}

}  // namespace
}  // namespace derin::client::internal
