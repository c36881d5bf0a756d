// What a client may send and hold open, whoever it is.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "derin/v1/corpus.grpc.pb.h"
#include "derin/v1/server.grpc.pb.h"
#include "tests/end_to_end/server_test.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

class Bounds : public ServerTest {
 protected:
  static grpc::Status Ask(const std::shared_ptr<grpc::Channel>& channel,
                          const std::string& metadata = "") {
    TestContext context;
    if (!metadata.empty()) context.AddMetadata("x-test", metadata);
    v1::ServerInfo info;
    return v1::ServerService::NewStub(channel)->GetServerInfo(&context, {}, &info);
  }
  grpc::Status Ask() { return Ask(channel_); }
};

// gRPC may close the connection behind its answer, which only the sender of it notices.
TEST_F(Bounds, TooMuchMetadataIsRefusedAndOthersDoNotNotice) {
  StartServer();
  ASSERT_TRUE(Ask().ok());
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto sender =
      grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(), arguments);
  EXPECT_TRUE(Ask(sender, std::string(7'000, 'a')).ok());
  const grpc::Status status = Ask(sender, std::string(9'000, 'a'));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("metadata size exceeds limit"));
  EXPECT_TRUE(Ask().ok());
}

TEST_F(Bounds, AMessageThatIsTooLargeIsRefused) {
  StartServer();
  for (const char* method :
       {"/derin.v1.GenerationService/ImportSession", "/derin.v1.GenerationService/Generate",
        "/derin.v1.CorpusService/UploadCorpus", "/derin.v1.ModelService/ScoreText"}) {
    const RawReply reply = CallRaw(channel_, method, std::string((2 << 20) + 1, 'a'));
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << method;
    EXPECT_THAT(reply.status.error_message(), HasSubstr("larger than max")) << method;
  }
  EXPECT_TRUE(Ask().ok());
}

// The second call waits at its client, and ends there at its deadline.
TEST_F(Bounds, AConnectionHasAsManyCallsAsTheOptionSays) {
  options_.max_calls_per_connection = 1;
  StartServer();
  ASSERT_TRUE(Ask().ok());
  grpc::ClientContext open;
  const auto upload_stub = v1::CorpusService::NewStub(channel_);
  v1::Corpus corpus;
  const auto upload = upload_stub->UploadCorpus(&open, &corpus);
  TestContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  v1::ServerInfo info;
  EXPECT_EQ(v1::ServerService::NewStub(channel_)->GetServerInfo(&context, {}, &info).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  open.TryCancel();
  upload->Finish();
  EXPECT_TRUE(Ask().ok());
}

TEST_F(Bounds, ConnectionsThatSayNothingHoldUpNobody) {
  StartServer();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string where = server_->address();
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(where.substr(where.rfind(':') + 1))));
  std::vector<int> silent;
  for (int i = 0; i < 300; ++i) {
    const int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_GE(one, 0);
    silent.push_back(one);
    ASSERT_EQ(connect(one, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  EXPECT_TRUE(Ask().ok());
  for (const int one : silent) close(one);
  EXPECT_TRUE(Ask().ok());
}

}  // namespace
}  // namespace derin::server
