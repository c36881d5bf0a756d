#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "derin/client/client.h"
#include "tests/client/fake_server.h"

namespace derin::client {
namespace {

using ::derin::testing::FakeServer;
using ::derin::testing::Refusal;
using ::testing::ElementsAre;

using Writer = grpc::ServerWriter<v1::GenerateResponse>;

class GenerationCalls : public ::testing::Test {
 protected:
  GenerationCalls() : client_(*Client::Connect({.address = server_.address()})) {}

  // Streams one character after the other until the client is gone.
  void AnswerEndlessly() {
    server_.answers().generate = [](grpc::ServerContext&, const v1::GenerateRequest&,
                                    Writer& writer) {
      v1::GenerateResponse response;
      response.mutable_start()->set_model_version("models/a/versions/1");
      while (writer.Write(response)) {
        response.clear_start();
        response.set_text("x");
      }
      return grpc::Status::CANCELLED;
    };
  }

  FakeServer server_;
  std::unique_ptr<Client> client_;
};

TEST_F(GenerationCalls, DeliversStartTextAndEndInOrder) {
  v1::GenerateRequest asked;
  server_.answers().generate = [&asked](grpc::ServerContext&, const v1::GenerateRequest& request,
                                        Writer& writer) {
    asked = request;
    v1::GenerateResponse first;
    first.mutable_start()->set_session(request.session());
    first.mutable_start()->set_unknown_count(2);
    first.set_text("a");
    first.add_tokens(3);
    writer.Write(first);
    v1::GenerateResponse last;
    last.set_text("bc");
    last.add_tokens(4);
    last.add_tokens(5);
    last.mutable_end()->set_finish_reason(v1::FINISH_REASON_LENGTH);
    last.mutable_end()->set_generated_tokens(3);
    writer.Write(last);
    return grpc::Status::OK;
  };
  std::vector<std::string> seen;
  GenerateCallbacks callbacks;
  callbacks.start = [&seen](const GenerateStart& start) {
    seen.push_back(start.session + " lacks " + std::to_string(start.unknown_count));
    return true;
  };
  callbacks.text = [&seen](std::string_view text, const std::vector<int32_t>& tokens) {
    seen.push_back(std::string(text) + ":" + std::to_string(tokens.size()));
    return true;
  };
  GenerateOptions options;
  options.session = "sessions/1";
  options.prompt = "the time";
  options.max_tokens = 3;
  options.sampling.top_k = 5;
  const auto end = client_->Generate(options, callbacks);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->finish_reason, FinishReason::kLength);
  EXPECT_EQ(end->generated_tokens, 3);
  EXPECT_THAT(seen, ElementsAre("sessions/1 lacks 2", "a:1", "bc:2"));
  EXPECT_EQ(asked.session(), "sessions/1");
  EXPECT_EQ(asked.sampling().top_k(), 5);
  EXPECT_FALSE(asked.sampling().has_temperature());
}

TEST_F(GenerationCalls, StopsWhenACallbackWantsNoMore) {
  AnswerEndlessly();
  int pieces = 0;
  GenerateCallbacks callbacks;
  callbacks.text = [&pieces](std::string_view, const std::vector<int32_t>&) {
    return ++pieces < 5;
  };
  const auto end = client_->Generate({.model = "models/a"}, callbacks);
  EXPECT_EQ(end.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(pieces, 5);
}

TEST_F(GenerationCalls, CanBeCancelledFromAnotherThread) {
  AnswerEndlessly();
  Cancellation cancellation;
  std::thread other;
  GenerateCallbacks callbacks;
  callbacks.start = [&](const GenerateStart&) {
    other = std::thread([&cancellation] { cancellation.Cancel(); });
    return true;
  };
  const auto end = client_->Generate({.model = "models/a"}, callbacks, &cancellation);
  other.join();
  EXPECT_EQ(end.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(GenerationCalls, WantsExactlyOneOfModelAndSession) {
  EXPECT_EQ(client_->Generate({}, {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client_->Generate({.model = "models/a", .session = "sessions/1"}, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(GenerationCalls, RefusesAPromptThatIsNotUtf8) {
  const auto end = client_->Generate({.model = "models/a", .prompt = "abc\xff"}, {});
  EXPECT_EQ(end.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(end.status()), "prompt");
  const auto stop = client_->Generate({.model = "models/a", .stop_strings = {"a", "b\xff"}}, {});
  EXPECT_EQ(ErrorField(stop.status()), "stop_strings[1]");
}

TEST_F(GenerationCalls, WantsOnePromptAtMost) {
  const auto end =
      client_->Generate({.model = "models/a", .prompt = "a", .prompt_tokens = {1}}, {});
  EXPECT_EQ(end.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(GenerationCalls, SaysSoWhenTheTextEndsWithoutTheLastMessage) {
  server_.answers().generate = [](grpc::ServerContext&, const v1::GenerateRequest&,
                                  Writer& writer) {
    v1::GenerateResponse response;
    response.set_text("a");
    writer.Write(response);
    return grpc::Status::OK;
  };
  const auto end = client_->Generate({.model = "models/a"}, {});
  EXPECT_EQ(end.status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(GenerationCalls, ReturnsTheServersErrorInTheMiddleOfAText) {
  server_.answers().generate = [](grpc::ServerContext&, const v1::GenerateRequest&,
                                  Writer& writer) {
    v1::GenerateResponse response;
    response.set_text("a");
    writer.Write(response);
    return Refusal{.code = grpc::StatusCode::ABORTED, .message = "busy", .reason = "SESSION_BUSY"}
        .ToGrpc();
  };
  const auto end = client_->Generate({.model = "models/a"}, {});
  EXPECT_EQ(ErrorReason(end.status()), "SESSION_BUSY");
}

TEST_F(GenerationCalls, OpensASessionWithItsSeedAndClosesIt) {
  std::string closed;
  server_.answers().open_session = [](const v1::OpenSessionRequest& request, v1::Session& session) {
    session.set_name("sessions/1");
    session.set_model_version(request.model() + "/versions/1");
    session.set_seed(request.has_seed() ? request.seed() : 99);
    return grpc::Status::OK;
  };
  server_.answers().close_session = [&closed](const v1::CloseSessionRequest& request, auto&) {
    closed = request.name();
    return grpc::Status::OK;
  };
  EXPECT_EQ(client_->OpenSession("models/a")->seed, 99u);
  EXPECT_EQ(client_->OpenSession("models/a", 0)->seed, 0u);
  EXPECT_TRUE(client_->CloseSession("sessions/1").ok());
  EXPECT_EQ(closed, "sessions/1");
}

TEST_F(GenerationCalls, ListsAllPagesOfSessionsAndForksOne) {
  server_.answers().list_sessions = [](const v1::ListSessionsRequest& request,
                                       v1::ListSessionsResponse& response) {
    response.add_sessions()->set_name(request.page_token().empty() ? "sessions/1" : "sessions/2");
    if (request.page_token().empty()) response.set_next_page_token("more");
    return grpc::Status::OK;
  };
  server_.answers().get_session = [](const v1::GetSessionRequest& request, v1::Session& session) {
    session.set_name(request.name());
    session.set_position(7);
    return grpc::Status::OK;
  };
  server_.answers().fork_session = [](const v1::ForkSessionRequest& request, v1::Session& session) {
    session.set_name(request.name() + (request.same_stream() ? "-same" : "-other"));
    session.set_seed(request.has_seed() ? request.seed() : 99);
    return grpc::Status::OK;
  };
  const auto sessions = client_->ListSessions();
  ASSERT_TRUE(sessions.ok()) << sessions.status();
  ASSERT_EQ(sessions->size(), 2u);
  EXPECT_EQ((*sessions)[1].name, "sessions/2");
  EXPECT_EQ(client_->GetSession("sessions/1")->position, 7);
  EXPECT_EQ(client_->ForkSession("sessions/1")->name, "sessions/1-other");
  const auto same = client_->ForkSession("sessions/1", {.seed = 0, .same_stream = true});
  EXPECT_EQ(same->name, "sessions/1-same");
  EXPECT_EQ(same->seed, 0u);
}

}  // namespace
}  // namespace derin::client
