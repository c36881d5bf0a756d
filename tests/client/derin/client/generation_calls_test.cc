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

TEST_F(GenerationCalls, ATextThatEndsWithItsServerGoesOnWithTheNext) {
  std::vector<v1::GenerateRequest> asked;
  server_.answers().generate = [&asked](grpc::ServerContext&, const v1::GenerateRequest& request,
                                        Writer& writer) {
    asked.push_back(request);
    v1::GenerateResponse response;
    response.mutable_start()->set_model_version("models/a/versions/4");
    response.mutable_start()->set_seed(77);
    response.set_text(asked.size() == 1 ? "ab" : "cd");
    response.set_position(asked.size() == 1 ? 2 : 4);
    response.mutable_end()->set_position(response.position());
    response.mutable_end()->set_finish_reason(asked.size() == 1 ? v1::FINISH_REASON_SERVER_STOPPING
                                                                : v1::FINISH_REASON_LENGTH);
    writer.Write(response);
    return grpc::Status::OK;
  };
  std::string text;
  std::vector<std::string> breaks;
  const auto end = client_->Generate(
      {.model = "models/a", .reconnect_wait = absl::Milliseconds(1)},
      {.text =
           [&](std::string_view piece, const std::vector<int32_t>&) {
             text += piece;
             return true;
           },
       .reconnecting = [&](const absl::Status& status) { breaks.emplace_back(status.message()); }});
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->finish_reason, FinishReason::kLength);
  EXPECT_EQ(text, "abcd");
  EXPECT_EQ(breaks, std::vector<std::string>{"the server stops"});
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[1].model(), "models/a/versions/4");
  EXPECT_EQ(asked[1].seed(), 77u);
  EXPECT_EQ(asked[1].resume_after_position(), 2);
}

TEST_F(GenerationCalls, AServerThatAlwaysStopsIsNotAskedForEver) {
  int asked = 0;
  server_.answers().generate = [&asked](grpc::ServerContext&, const v1::GenerateRequest&,
                                        Writer& writer) {
    v1::GenerateResponse response;
    response.mutable_start()->set_model_version("models/a/versions/4");
    response.mutable_end()->set_position(++asked);
    response.mutable_end()->set_finish_reason(v1::FINISH_REASON_SERVER_STOPPING);
    writer.Write(response);
    return grpc::Status::OK;
  };
  const auto end = client_->Generate(
      {.model = "models/a", .reconnect_tries = 3, .reconnect_wait = absl::Milliseconds(1)}, {});
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->finish_reason, FinishReason::kServerStopping);
  EXPECT_EQ(asked, 4);
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
  EXPECT_EQ(client_->OpenSession("models/a", {.seed = 0})->seed, 0u);
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

// Answers with a text of ten tokens, "0123456789", of which each connection brings three more.
class BrokenText : public GenerationCalls {
 protected:
  void SetUp() override {
    server_.answers().generate = [this](grpc::ServerContext&, const v1::GenerateRequest& request,
                                        Writer& writer) {
      asked_.push_back(request);
      int64_t position = request.has_resume_after_position() ? request.resume_after_position() : 0;
      v1::GenerateResponse response;
      if (!request.has_model() || request.open_session()) {
        response.mutable_start()->set_session("sessions/1");
      }
      response.mutable_start()->set_model_version("models/a/versions/4");
      response.mutable_start()->set_seed(77);
      response.mutable_start()->set_position(5);
      for (int sent = 0; sent < 3 && position < 10; ++sent) {
        response.set_text(std::to_string(position));
        response.add_tokens(static_cast<int>(position));
        response.set_position(++position);
        writer.Write(response);
        response.Clear();
      }
      if (position < 10) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
      response.mutable_end()->set_generated_tokens(10);
      writer.Write(response);
      return grpc::Status::OK;
    };
  }

  std::string Text(GenerateOptions options) {
    options.reconnect_wait = absl::Milliseconds(1);
    std::string text;
    GenerateCallbacks callbacks;
    callbacks.start = [this](const GenerateStart&) { return ++starts_ > 0; };
    callbacks.text = [&text](std::string_view piece, const std::vector<int32_t>&) {
      text += piece;
      return true;
    };
    callbacks.reconnecting = [this](const absl::Status&) { ++reconnections_; };
    status_ = client_->Generate(options, callbacks).status();
    return text;
  }

  std::vector<v1::GenerateRequest> asked_;
  int starts_ = 0, reconnections_ = 0;
  absl::Status status_;
};

TEST_F(BrokenText, InASessionIsAskedForAgainByItsRequestId) {
  EXPECT_EQ(Text({.session = "sessions/1", .prompt = "a"}), "0123456789");
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(starts_, 1);
  EXPECT_EQ(reconnections_, 3);
  ASSERT_EQ(asked_.size(), 4u);
  EXPECT_EQ(asked_[0].request_id().size(), 32u);
  EXPECT_EQ(asked_[3].request_id(), asked_[0].request_id());
  EXPECT_FALSE(asked_[0].has_resume_after_position());
  EXPECT_EQ(asked_[3].resume_after_position(), 9);
  EXPECT_EQ(asked_[3].prompt(), "a");
  EXPECT_FALSE(asked_[0].has_expected_position());
  EXPECT_EQ(asked_[1].expected_position(), 5) << "a server that died knows no call, only where";
}

TEST_F(BrokenText, InASessionThatItOpenedIsAskedForInThatSession) {
  EXPECT_EQ(Text({.model = "models/a", .open_session = true, .request_id = "mine"}), "0123456789");
  EXPECT_EQ(asked_[0].model(), "models/a");
  EXPECT_EQ(asked_[1].session(), "sessions/1");
  EXPECT_FALSE(asked_[1].open_session());
  EXPECT_EQ(asked_[1].request_id(), "mine");
}

TEST_F(BrokenText, WithoutASessionIsDrawnAgainFromTheSameVersionAndSeed) {
  EXPECT_EQ(Text({.model = "models/a"}), "0123456789");
  EXPECT_EQ(asked_[0].request_id(), "");
  EXPECT_EQ(asked_[1].model(), "models/a/versions/4");
  EXPECT_EQ(asked_[1].seed(), 77u);
  EXPECT_FALSE(asked_[1].has_expected_position());
}

TEST_F(BrokenText, IsAskedForOnlySoOften) {
  EXPECT_EQ(Text({.model = "models/a", .reconnect_tries = 0}), "012");
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
  asked_.clear();
  server_.answers().generate = [this](grpc::ServerContext&, const v1::GenerateRequest& request,
                                      Writer& writer) {
    asked_.push_back(request);
    v1::GenerateResponse response;
    response.mutable_start();
    if (asked_.size() == 1) writer.Write(response);
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
  };
  Text({.model = "models/a", .reconnect_tries = 2});
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(asked_.size(), 3u) << "the first, and two tries in a row that bring nothing";
}

TEST_F(GenerationCalls, OpensASessionThatIsKeptAsTheCallerSays) {
  v1::OpenSessionRequest asked;
  server_.answers().open_session = [&asked](const v1::OpenSessionRequest& request,
                                            v1::Session& session) {
    asked = request;
    session.set_tier(v1::SESSION_TIER_DISK);
    session.set_durability(request.durability());
    session.mutable_expire_time()->set_seconds(90);
    return grpc::Status::OK;
  };
  ASSERT_TRUE(client_->OpenSession("models/a").ok());
  EXPECT_EQ(asked.ShortDebugString(), "model: \"models/a\"");
  const auto session = client_->OpenSession(
      "models/a", {.durability = Durability::kPower, .time_to_live = absl::Milliseconds(1500)});
  EXPECT_EQ(asked.durability(), v1::DURABILITY_POWER);
  EXPECT_EQ(asked.time_to_live().seconds(), 1);
  EXPECT_EQ(asked.time_to_live().nanos(), 500'000'000);
  EXPECT_EQ(session->durability, Durability::kPower);
  EXPECT_EQ(session->tier, SessionTier::kDisk);
  EXPECT_EQ(session->expire_time, absl::FromUnixSeconds(90));
}

TEST_F(GenerationCalls, MovesASessionFromServerToServer) {
  v1::ImportSessionRequest asked;
  server_.answers().export_session = [](const v1::ExportSessionRequest& request,
                                        v1::ExportSessionResponse& response) {
    response.set_image(request.name() + std::string("\0\xff", 2));
    return grpc::Status::OK;
  };
  server_.answers().import_session = [&asked](const v1::ImportSessionRequest& request,
                                              v1::Session& session) {
    asked = request;
    session.set_name("sessions/2");
    return grpc::Status::OK;
  };
  const auto image = client_->ExportSession("sessions/1");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(*image, std::string("sessions/1\0\xff", 12));
  EXPECT_EQ(client_->ImportSession(*image)->name, "sessions/2");
  EXPECT_EQ(asked.image(), *image);
  EXPECT_EQ(asked.model(), "");
  EXPECT_FALSE(asked.has_seed());
  ASSERT_TRUE(client_->ImportSession(*image, "models/b", {.seed = 3}).ok());
  EXPECT_EQ(asked.model(), "models/b");
  EXPECT_EQ(asked.seed(), 3u);
}

TEST_F(GenerationCalls, RewindsASessionAndSaysWhatItRemembers) {
  server_.answers().rewind_session = [](const v1::RewindSessionRequest& request,
                                        v1::Session& session) {
    session.set_name(request.name());
    session.set_position(request.position());
    v1::PositionRange& range = *session.add_remembered();
    range.set_first(4);
    range.set_last(9);
    return grpc::Status::OK;
  };
  const auto session = client_->RewindSession("sessions/1", 6);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->position, 6);
  ASSERT_EQ(session->remembered.size(), 1u);
  EXPECT_EQ(session->remembered[0].first, 4);
  EXPECT_EQ(session->remembered[0].last, 9);
}

TEST_F(GenerationCalls, TellsSeveralTextsApart) {
  v1::GenerateRequest asked;
  bool broken = false;
  server_.answers().generate = [&](grpc::ServerContext&, const v1::GenerateRequest& request,
                                   Writer& writer) {
    asked = request;
    v1::GenerateResponse response;
    response.mutable_start()->set_session("sessions/parent");
    response.set_text("held");
    writer.Write(response);
    for (const int number : {1, 0}) {
      response.Clear();
      response.set_continuation(number);
      response.mutable_start()->set_session("sessions/" + std::to_string(number));
      response.set_text(std::string(1, static_cast<char>('a' + number)));
      response.add_tokens(number);
      writer.Write(response);
    }
    for (const int number : {0, 1}) {
      response.Clear();
      response.set_continuation(number);
      response.mutable_end()->set_generated_tokens(1);
      if (number == 0 || !broken) writer.Write(response);
    }
    return grpc::Status::OK;
  };
  std::vector<std::string> seen;
  ContinuationCallbacks callbacks;
  callbacks.prompt = [&seen](const GenerateStart& start, std::string_view held) {
    seen.push_back(start.session + " " + std::string(held));
    return true;
  };
  callbacks.start = [&seen](int number, const GenerateStart& start) {
    seen.push_back(std::to_string(number) + " in " + start.session);
    return true;
  };
  callbacks.text = [&seen](int number, std::string_view text, const std::vector<int32_t>& tokens,
                           const std::vector<DrawnLogProbability>&) {
    EXPECT_THAT(tokens, ElementsAre(number));
    seen.push_back(std::to_string(number) + ":" + std::string(text));
    return true;
  };
  callbacks.end = [&seen](int number, const GenerateEnd&) {
    seen.push_back(std::to_string(number) + ".");
    return true;
  };
  const GenerateOptions options{.session = "sessions/parent", .prompt = "x"};
  const absl::Status status = client_->GenerateContinuations(options, 2, callbacks);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(asked.continuations(), 2);
  EXPECT_EQ(asked.request_id(), "");
  EXPECT_THAT(seen, ElementsAre("sessions/parent held", "1 in sessions/1", "1:b", "0 in sessions/0",
                                "0:a", "0.", "1."));
  broken = true;
  EXPECT_EQ(client_->GenerateContinuations(options, 2, {}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(client_->GenerateContinuations({}, 2, {}).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace derin::client
