#include <gmock/gmock.h>

#include <string>

#include "derin/v1/server.grpc.pb.h"
#include "server_test.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kServices[] = {"derin.v1.CorpusService", "derin.v1.GenerationService",
                                     "derin.v1.ModelService", "derin.v1.ServerService",
                                     "derin.v1.TrainingService"};

class ServerInfo : public ServerTest {
 protected:
  v1::ServerInfo Get() {
    TestContext context;
    v1::ServerInfo info;
    const grpc::Status status =
        v1::ServerService::NewStub(channel_)->GetServerInfo(&context, {}, &info);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return info;
  }
};

TEST_F(ServerInfo, SaysWhatTheServerIs) {
  options_.device = "reference";
  options_.max_sessions = 17;
  options_.max_corpus_bytes = 12345;
  options_.max_model_bytes = 54321;
  StartServer();
  const v1::ServerInfo info = Get();
  EXPECT_EQ(info.version(), Version());
  EXPECT_EQ(info.server_id().size(), 16u);
  EXPECT_GT(info.start_time().seconds(), 1'700'000'000);
  EXPECT_EQ(info.device().backend(), "reference");
  EXPECT_NE(info.device().description(), "");
  EXPECT_THAT(info.device().engine_id(), StartsWith("reference/f32/"));
  EXPECT_GT(info.device().free_bytes(), 0);
  // Its f64 is no precision that a job may ask for.
  EXPECT_THAT(info.device().precisions(), ElementsAre(v1::PRECISION_F32));
  EXPECT_EQ(info.device().instructions(), "");
  EXPECT_EQ(info.device().threads(), 1);
  EXPECT_EQ(info.limits().sessions(), 17);
  EXPECT_EQ(info.limits().generate_streams(), options_.max_streams);
  EXPECT_EQ(info.limits().queued_training_jobs(), options_.max_queued_jobs);
  EXPECT_EQ(info.limits().running_training_jobs(), options_.max_running_jobs);
  EXPECT_EQ(info.limits().corpus_bytes(), 12345);
  EXPECT_EQ(info.limits().model_bytes(), 54321);
  EXPECT_EQ(info.limits().prompt_bytes(), options_.max_prompt_bytes);
  EXPECT_EQ(info.load().running_training_jobs(), 0);
  EXPECT_EQ(info.load().sessions(), 0);
}

TEST_F(ServerInfo, TheServersIdBelongsToItsData) {
  StartServer();
  const std::string id = Get().server_id();
  Restart();
  EXPECT_EQ(Get().server_id(), id);
  options_.data_directory = folder_.path() / "other";
  Restart();
  EXPECT_NE(Get().server_id(), id);
}

TEST_F(ServerInfo, EveryServiceIsHealthy) {
  StartServer();
  EXPECT_EQ(Health(channel_, ""), 1);
  for (const char* service : kServices) EXPECT_EQ(Health(channel_, service), 1) << service;
  EXPECT_EQ(Health(channel_, "derin.v1.Unheard"), 0);
}

TEST_F(ServerInfo, ReflectionListsEveryService) {
  StartServer();
  // ServerReflectionRequest with list_services, field 7.
  const RawReply reply =
      CallRaw(channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              std::string("\x3a\x00", 2));
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  for (const char* service : kServices) EXPECT_THAT(reply.message, HasSubstr(service));
}

TEST_F(ServerInfo, AUnixSocketServesTheSame) {
  const std::filesystem::path socket = folder_.path() / "socket";
  options_.listen = "unix:" + socket.string();
  StartServer();
  EXPECT_EQ(server_->address(), options_.listen);
  EXPECT_EQ(Get().version(), Version());
  const absl::Status second = Server::Start(options_).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Get().version(), Version());
  StopServer();
  EXPECT_FALSE(std::filesystem::exists(socket));
}

}  // namespace
}  // namespace derin::server
