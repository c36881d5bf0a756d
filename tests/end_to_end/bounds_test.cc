// What a client may send and hold open, whoever it is.

#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "derin/v1/corpus.grpc.pb.h"
#include "derin/v1/server.grpc.pb.h"
#include "tests/end_to_end/raw_connection.h"
#include "tests/end_to_end/server_test.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using std::string_view_literals::operator""sv;

constexpr int kLongMs = 60'000;
// What begins a connection of HTTP/2, with settings that change nothing, and a frame that asks
// whether the other side is there.
constexpr std::string_view kHello =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"sv;
constexpr std::string_view kPing = "\x00\x00\x08\x06\x00\x00\x00\x00\x00inquired"sv;

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

TEST_F(Bounds, MetadataIsAsLargeAsTheOptionSays) {
  options_.max_metadata_bytes = 20 << 10;
  StartServer();
  EXPECT_TRUE(Ask(channel_, std::string(19'000, 'a')).ok());
  EXPECT_EQ(Ask(channel_, std::string(21'000, 'a')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
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

TEST_F(Bounds, AMessageIsAsLargeAsTheOptionSays) {
  options_.max_message_bytes = 4 << 20;
  StartServer();
  const auto refusal = [this](size_t bytes) {
    return CallRaw(channel_, "/derin.v1.GenerationService/Generate", std::string(bytes, 'a'))
        .status;
  };
  EXPECT_THAT(refusal((4 << 20) + 1).error_message(), HasSubstr("larger than max"));
  // Not for its size.
  EXPECT_EQ(refusal(4 << 20).error_code(), grpc::StatusCode::UNIMPLEMENTED);
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
  std::vector<RawConnection> silent;
  for (int i = 0; i < 300; ++i) silent.emplace_back(server_->address());
  EXPECT_TRUE(Ask().ok());
  silent.clear();
  EXPECT_TRUE(Ask().ok());
}

TEST_F(Bounds, AConnectionThatAsksTooOftenWhetherTheServerIsThereIsClosed) {
  StartServer();
  RawConnection connection(server_->address());
  connection.Send(kHello);
  for (int i = 0; i < 20; ++i) connection.Send(kPing);
  EXPECT_TRUE(connection.ClosedWithin(kLongMs));
  EXPECT_THAT(connection.said(), HasSubstr("too_many_pings"));
  EXPECT_TRUE(Ask().ok());
}

TEST_F(Bounds, AConnectionMayAskAsOftenAsTheOptionSays) {
  options_.min_ping_interval = absl::ZeroDuration();
  options_.keepalive_time = absl::Milliseconds(100);
  options_.keepalive_timeout = absl::Milliseconds(100);
  StartServer();
  RawConnection connection(server_->address());
  connection.Send(kHello);
  for (int i = 0; i < 20; ++i) connection.Send(kPing);
  // Closed in the end, as it does not answer what the server asks.
  EXPECT_TRUE(connection.ClosedWithin(kLongMs));
  EXPECT_THAT(connection.said(), HasSubstr("\x06\x01"));
  EXPECT_THAT(connection.said(), Not(HasSubstr("too_many_pings")));
}

TEST_F(Bounds, AClientThatDoesNotAnswerIsGoneAfterTheKeepalive) {
  options_.keepalive_time = absl::Milliseconds(100);
  options_.keepalive_timeout = absl::Milliseconds(100);
  StartServer();
  RawConnection connection(server_->address());
  connection.Send(kHello);
  EXPECT_TRUE(connection.ClosedWithin(kLongMs));
  EXPECT_TRUE(Ask().ok());
}

TEST_F(Bounds, HttpConnectionsThatSayNothingHoldUpNoProbe) {
  options_.metrics_listen = "127.0.0.1:0";
  StartServer();
  std::vector<RawConnection> silent;
  for (int i = 0; i < 10; ++i) {
    silent.emplace_back(server_->metrics_address());
    silent.back().Send("GET /hea");
  }
  EXPECT_THAT(HttpGet(server_->metrics_address(), "/healthz"), HasSubstr(" 200 "));
  EXPECT_FALSE(silent.back().ClosedWithin(0));
}

// As many bytes as the endpoint reads, or it would reset the connection behind its answer.
TEST_F(Bounds, AnHttpRequestWithTooLargeAHeaderIsRefused) {
  options_.metrics_listen = "127.0.0.1:0";
  StartServer();
  std::string request = "GET /healthz HTTP/1.1\r\nX-Test: ";
  request.resize(16 << 10, 'a');
  RawConnection connection(server_->metrics_address());
  connection.Send(request);
  EXPECT_TRUE(connection.ClosedWithin(kLongMs));
  EXPECT_THAT(connection.said(), StartsWith("HTTP/1.0 400 "));
  const std::string header = "X-Test: " + std::string(15 << 10, 'a') + "\r\n";
  EXPECT_THAT(HttpGet(server_->metrics_address(), "/healthz", header), HasSubstr(" 200 "));
}

}  // namespace
}  // namespace derin::server
