#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "derin/v1/corpus.grpc.pb.h"
#include "derin/v1/server.grpc.pb.h"
#include "server_test.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

// A server that is told to stop while an upload is under way.
class Drain : public ServerTest {
 protected:
  void SetUp() override {
    options_.metrics_listen = "127.0.0.1:0";
    StartServer();
    stub_ = v1::CorpusService::NewStub(channel_);
    writer_ = stub_->UploadCorpus(&context_, &corpus_);
    v1::UploadCorpusRequest message;
    message.mutable_header()->set_corpus_id("alice");
    ASSERT_TRUE(writer_->Write(message));
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    std::string metrics;
    while (metrics.find(R"(derin_grpc_in_flight{method="CorpusService/UploadCorpus"} 1)") ==
           std::string::npos) {
      ASSERT_LT(absl::Now(), deadline) << metrics;
      metrics = HttpGet(server_->metrics_address(), "/metrics");
    }
  }

  void TearDown() override {
    if (shutdown_.joinable()) shutdown_.join();
  }

  grpc::Status GetInfo() {
    TestContext context;
    v1::ServerInfo info;
    return v1::ServerService::NewStub(channel_)->GetServerInfo(&context, {}, &info);
  }

  // Returns when the server refuses new calls.
  void StartShutdown(absl::Duration grace) {
    shutdown_ = std::thread([this, grace] { server_->Shutdown(grace); });
    while (refused_.ok()) refused_ = GetInfo();
  }

  grpc::Status FinishUpload() {
    v1::UploadCorpusRequest message;
    message.set_chunk("text");
    writer_->Write(message);
    writer_->WritesDone();
    return writer_->Finish();
  }

  std::unique_ptr<v1::CorpusService::Stub> stub_;
  TestContext context_;
  v1::Corpus corpus_;
  std::unique_ptr<grpc::ClientWriter<v1::UploadCorpusRequest>> writer_;
  std::thread shutdown_;
  grpc::Status refused_;
};

TEST_F(Drain, NewCallsAreRefusedWhileOldOnesGoOn) {
  StartShutdown(absl::Hours(1));
  EXPECT_EQ(refused_.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(refused_), "SERVER_STOPPING");
  EXPECT_EQ(Health(channel_, ""), 2);
  EXPECT_EQ(Health(channel_, "derin.v1.CorpusService"), 2);
  EXPECT_THAT(HttpGet(server_->metrics_address(), "/readyz"), HasSubstr(" 503 "));
  EXPECT_THAT(HttpGet(server_->metrics_address(), "/healthz"), HasSubstr(" 200 "));

  const grpc::Status status = FinishUpload();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(corpus_.name(), "corpora/alice");
}

TEST_F(Drain, ASecondWishToStopEndsTheGrace) {
  StartShutdown(absl::Hours(1));
  server_->Hurry();
  shutdown_.join();
  EXPECT_FALSE(FinishUpload().ok());
}

TEST_F(Drain, WithoutGraceCallsUnderWayEndAndStoreNothing) {
  StartShutdown(absl::ZeroDuration());
  shutdown_.join();
  EXPECT_FALSE(FinishUpload().ok());
  Restart();
  TestContext context;
  v1::GetCorpusRequest request;
  request.set_name("corpora/alice");
  EXPECT_EQ(
      v1::CorpusService::NewStub(channel_)->GetCorpus(&context, request, &corpus_).error_code(),
      grpc::NOT_FOUND);
}

}  // namespace
}  // namespace derin::server
