#include "derin/client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "tests/client/fake_server.h"

namespace derin::client {
namespace {

using ::derin::testing::FakeServer;
using ::derin::testing::Message;
using ::derin::testing::Refusal;
using ::testing::HasSubstr;

std::unique_ptr<Client> ConnectTo(const FakeServer& server) {
  auto client = Client::Connect({.address = server.address()});
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

TEST(CheckAddress, TakesHostAndPortOrASocketsPath) {
  for (const char* address : {"127.0.0.1:50051", "localhost:1", "[::1]:65535", "unix:/run/derin"}) {
    EXPECT_TRUE(CheckAddress(address).ok()) << address;
  }
}

TEST(CheckAddress, ShowsWhatItGotAndWhatItWanted) {
  for (const char* address : {"", "localhost", ":50051", "host:", "host:0", "host:65536", "host:x",
                              "unix:", "http://127.0.0.1:50051", "host:50051/"}) {
    const absl::Status status = CheckAddress(address);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(Message(status), HasSubstr("wanted HOST:PORT"));
  }
}

TEST(Client, SaysHowToStartAServerThatDoesNotAnswer) {
  FakeServer server;
  server.Stop();
  const auto client = Client::Connect({.address = server.address()});
  ASSERT_EQ(client.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(client.status()),
              HasSubstr("nothing answers at " + server.address() + " (Connection refused)"));
  EXPECT_THAT(Message(client.status()), HasSubstr("derind --listen " + server.address()));
}

TEST(Client, SaysTheSameWhenTheServerGoesAwayLater) {
  FakeServer server;
  const auto client = ConnectTo(server);
  server.Stop();
  const auto info = client->GetServerInfo();
  ASSERT_EQ(info.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(info.status()), HasSubstr("derind --listen " + server.address()));
}

TEST(Client, ACallThatOnlyReadsIsMadeAgainWhenTheServerIsNotThere) {
  FakeServer server;
  int calls = 0;
  server.answers().list_models = [&calls](const auto&, v1::ListModelsResponse& response) {
    if (++calls == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
    response.add_models()->set_name("models/a");
    return grpc::Status::OK;
  };
  server.answers().delete_corpus = [&calls](const auto&, auto&) {
    ++calls;
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
  };
  const auto client = ConnectTo(server);
  const auto models = client->ListModels();
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_EQ(models->size(), 1u);
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(absl::IsUnavailable(client->DeleteCorpus("corpora/a")));
  EXPECT_EQ(calls, 3);
}

TEST(Client, GivesUpOnACallThatTakesTooLong) {
  FakeServer server;
  absl::Notification over;
  server.answers().get_server_info = [&over](const auto&, auto&) {
    over.WaitForNotification();
    return grpc::Status::OK;
  };
  auto client =
      Client::Connect({.address = server.address(), .call_timeout = absl::Milliseconds(20)});
  ASSERT_TRUE(client.ok());
  const auto info = (*client)->GetServerInfo();
  over.Notify();
  EXPECT_EQ(info.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(info.status()), HasSubstr(server.address() + " did not answer in time"));
}

// It computes what the session's last call did.
TEST(Client, GivesARewindTheTimeThatItTakes) {
  FakeServer server;
  server.answers().rewind_session = [](const v1::RewindSessionRequest& request, auto& session) {
    session.set_position(request.position());
    return grpc::Status::OK;
  };
  auto client = Client::Connect({.address = server.address(), .call_timeout = -absl::Seconds(1)});
  ASSERT_TRUE(client.ok());
  // Over before it begins.
  EXPECT_TRUE(absl::IsDeadlineExceeded((*client)->GetServerInfo().status()));
  const auto session = (*client)->RewindSession("sessions/s", 40);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->position, 40);
}

TEST(Client, ReadsTheServersFigures) {
  FakeServer server;
  server.answers().get_server_info = [](const auto&, v1::ServerInfo& info) {
    info.set_version("0.1.0");
    info.mutable_device()->set_engine_id("reference/f32/1");
    info.mutable_limits()->set_sessions(1024);
    return grpc::Status::OK;
  };
  const auto info = ConnectTo(server)->GetServerInfo();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->version, "0.1.0");
  EXPECT_EQ(info->device.engine_id, "reference/f32/1");
  EXPECT_EQ(info->limits.sessions, 1024);
}

TEST(Client, KeepsWhatAnErrorCarries) {
  FakeServer server;
  server.answers().get_model = [](const v1::GetModelRequest& request, auto&) {
    return Refusal{.code = grpc::StatusCode::RESOURCE_EXHAUSTED,
                   .message = "no room for " + request.name(),
                   .reason = "SESSIONS_FULL",
                   .field = "name",
                   .retry_seconds = 3}
        .ToGrpc();
  };
  const absl::Status status = ConnectTo(server)->GetModel("models/a").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(status), "no room for models/a");
  EXPECT_EQ(ErrorReason(status), "SESSIONS_FULL");
  EXPECT_EQ(ErrorField(status), "name");
  EXPECT_EQ(ErrorRetryDelay(status), absl::Seconds(3));
}

TEST(Client, FollowsThePagesOfAList) {
  FakeServer server;
  server.answers().list_models = [](const v1::ListModelsRequest& request,
                                    v1::ListModelsResponse& response) {
    if (request.page_token().empty()) {
      response.add_models()->set_name("models/a");
      response.set_next_page_token("2");
    } else {
      response.add_models()->set_name("models/b" + request.page_token());
    }
    return grpc::Status::OK;
  };
  const auto models = ConnectTo(server)->ListModels();
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->size(), 2);
  EXPECT_EQ((*models)[0].name, "models/a");
  EXPECT_EQ((*models)[1].name, "models/b2");
}

TEST(Client, SendsNothingThatIsNotUtf8) {
  FakeServer server;
  server.answers().get_model = [](const auto&, auto&) {
    ADD_FAILURE() << "the server was asked";
    return grpc::Status::OK;
  };
  const absl::Status status = ConnectTo(server)->GetModel("models/\xe4").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(status), "name");
}

}  // namespace
}  // namespace derin::client
