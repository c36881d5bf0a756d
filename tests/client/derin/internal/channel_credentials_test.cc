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

}  // namespace
}  // namespace derin::client::internal
