#include "tests/client/cli/command_test.h"
#include "tests/temporary_folder.h"

namespace derin::cli {
namespace {

using ::testing::HasSubstr;

class SessionsCommand : public CommandTest {
 protected:
  SessionsCommand() {
    answers().open_session = [this](const v1::OpenSessionRequest& request, v1::Session& session) {
      asked_ = request;
      session.set_name("sessions/s1");
      session.set_model_version("models/m/versions/1");
      session.set_seed(9);
      return grpc::Status::OK;
    };
  }

  v1::OpenSessionRequest asked_;
};

TEST_F(SessionsCommand, OpenWritesOnlyTheNameForScripts) {
  const Result result = Run({"sessions", "open", "--model", "m"});
  EXPECT_EQ(result.out, "sessions/s1\n");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(asked_.model(), "models/m");
  EXPECT_FALSE(asked_.has_seed());
}

TEST_F(SessionsCommand, OpenSaysMoreToPeople) {
  terminal_ = true;
  const Result result = Run({"sessions", "open", "--model", "m", "--seed", "9"});
  EXPECT_EQ(asked_.seed(), 9u);
  EXPECT_THAT(result.err, HasSubstr("models/m/versions/1, seed 9; next: derin generate --session "
                                    "sessions/s1 --prompt"));
}

TEST_F(SessionsCommand, OpenSaysHowItIsKept) {
  Run({"sessions", "open", "--model", "m"});
  EXPECT_EQ(asked_.durability(), v1::DURABILITY_PROCESS);
  EXPECT_FALSE(asked_.has_time_to_live());
  Run({"sessions", "open", "--model", "m", "--durability", "power", "--ttl", "90"});
  EXPECT_EQ(asked_.durability(), v1::DURABILITY_POWER);
  EXPECT_EQ(asked_.time_to_live().seconds(), 90);
  EXPECT_EQ(Run({"sessions", "open", "--model", "m", "--durability", "ever"}).status, kBadUsage);
}

class SessionFiles : public SessionsCommand {
 protected:
  SessionFiles() {
    answers().export_session = [](const v1::ExportSessionRequest& request,
                                  v1::ExportSessionResponse& response) {
      response.set_image("state of " + request.name());
      return grpc::Status::OK;
    };
    answers().import_session = [this](const v1::ImportSessionRequest& request,
                                      v1::Session& session) {
      imported_ = request;
      session.set_name("sessions/s2");
      session.set_model_version("models/m/versions/1");
      return grpc::Status::OK;
    };
  }

  const TemporaryFolder folder_;
  v1::ImportSessionRequest imported_;
};

TEST_F(SessionFiles, AreWrittenAndReadBack) {
  const std::string file = folder_.path() / "talk.session";
  const Result written = Run({"sessions", "export", "s1", "--out", file});
  EXPECT_EQ(written.status, kSuccess) << written.err;
  EXPECT_EQ(written.out, "");
  EXPECT_THAT(written.err, HasSubstr("wrote 20 B"));
  EXPECT_EQ(ReadTestFile(file), "state of sessions/s1");
  EXPECT_EQ(Run({"sessions", "import", file}).out, "sessions/s2\n");
  EXPECT_EQ(imported_.image(), "state of sessions/s1");
  EXPECT_EQ(imported_.model(), "");
  Run({"sessions", "import", file, "--model", "b", "--seed", "4", "--durability", "none"});
  EXPECT_EQ(imported_.model(), "models/b");
  EXPECT_EQ(imported_.seed(), 4u);
  EXPECT_EQ(imported_.durability(), v1::DURABILITY_NONE);
}

TEST_F(SessionFiles, GoThroughAPipeButNotToATerminal) {
  EXPECT_EQ(Run({"sessions", "export", "s1"}).out, "state of sessions/s1");
  const Result json = Run({"sessions", "export", "s1", "--json"});
  EXPECT_EQ(json.status, kBadUsage);
  EXPECT_EQ(json.out, "");
  EXPECT_THAT(json.err, HasSubstr("a state is no JSON: wanted --out FILE with --json"));
  terminal_ = true;
  const Result refused = Run({"sessions", "export", "s1"});
  EXPECT_EQ(refused.status, kBadUsage);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.err, HasSubstr("--out FILE"));
}

TEST_F(SessionFiles, ThatAreNotThereSaySo) {
  const Result missing = Run({"sessions", "import", folder_.path() / "none"});
  EXPECT_EQ(missing.status, kRefused);
  EXPECT_THAT(missing.err, HasSubstr("cannot read"));
  const Result nowhere = Run({"sessions", "export", "s1", "--out", folder_.path() / "none/file"});
  EXPECT_EQ(nowhere.status, kRefused);
  EXPECT_THAT(nowhere.err, HasSubstr("cannot write"));
}

TEST_F(SessionsCommand, ListShowsWhereEachIs) {
  answers().list_sessions = [](const v1::ListSessionsRequest&, v1::ListSessionsResponse& response) {
    v1::Session& busy = *response.add_sessions();
    busy.set_name("sessions/s1");
    busy.set_model_version("models/m/versions/1");
    busy.set_position(1234);
    busy.set_tier(v1::SESSION_TIER_HOST);
    return grpc::Status::OK;
  };
  const Result result = Run({"sessions", "list"});
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_THAT(result.out, HasSubstr("sessions/s1"));
  EXPECT_THAT(result.out, HasSubstr("generating now"));
  EXPECT_THAT(result.out, HasSubstr("memory"));
  EXPECT_THAT(Run({"sessions", "list", "--json"}).out, HasSubstr("\"position\": 1234"));
}

TEST_F(SessionsCommand, ListOfNoneSaysHowToOpenOne) {
  answers().list_sessions = [](const auto&, auto&) { return grpc::Status::OK; };
  const Result result = Run({"sessions", "list"});
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("sessions open --model NAME"));
}

TEST_F(SessionsCommand, ShowTellsAllOfOne) {
  answers().get_session = [](const v1::GetSessionRequest& request, v1::Session& session) {
    session.set_name(request.name());
    session.set_seed(9);
    session.set_stream(77);
    session.mutable_idle_since()->set_seconds(1);
    session.mutable_expire_time()->set_seconds(3661);
    session.set_durability(v1::DURABILITY_POWER);
    return grpc::Status::OK;
  };
  const Result result = Run({"sessions", "show", "s1"});
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_THAT(result.out, HasSubstr("sessions/s1"));
  EXPECT_THAT(result.out, HasSubstr("77"));
  EXPECT_THAT(result.out, HasSubstr("power"));
  EXPECT_THAT(result.out, HasSubstr("1970-01-01 01:01:01"));
  EXPECT_THAT(Run({"sessions", "show", "s1", "--json"}).out, HasSubstr("\"stream\": 77"));
}

TEST_F(SessionsCommand, ForkWritesOnlyTheNameForScripts) {
  v1::ForkSessionRequest asked;
  answers().fork_session = [&asked](const v1::ForkSessionRequest& request, v1::Session& session) {
    asked = request;
    session.set_name("sessions/s2");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"sessions", "fork", "s1"}).out, "sessions/s2\n");
  EXPECT_EQ(asked.ShortDebugString(), "name: \"sessions/s1\"");
  Run({"sessions", "fork", "s1", "--seed", "0", "--same-stream"});
  EXPECT_EQ(asked.ShortDebugString(), "name: \"sessions/s1\" seed: 0 same_stream: true");
}

TEST_F(SessionsCommand, CloseTakesTheNameAsItWasWritten) {
  std::string closed;
  answers().close_session = [&closed](const v1::CloseSessionRequest& request, auto&) {
    closed = request.name();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"sessions", "close", "sessions/s1"}).out, "closed sessions/s1\n");
  EXPECT_EQ(closed, "sessions/s1");
  EXPECT_EQ(Run({"sessions", "close", "s1", "--json"}).out,
            "{\n  \"closed\": \"sessions/s1\"\n}\n");
  EXPECT_EQ(closed, "sessions/s1");
}

TEST_F(SessionsCommand, RewindGoesToAPositionThatShowCallsRemembered) {
  v1::RewindSessionRequest asked;
  answers().rewind_session = [&asked](const v1::RewindSessionRequest& request,
                                      v1::Session& session) {
    asked = request;
    session.set_name(request.name());
    session.set_position(request.position());
    v1::PositionRange& range = *session.add_remembered();
    range.set_first(4);
    range.set_last(9);
    return grpc::Status::OK;
  };
  answers().get_session = [](const v1::GetSessionRequest&, v1::Session& session) {
    for (const int first : {4, 20}) {
      v1::PositionRange& range = *session.add_remembered();
      range.set_first(first);
      range.set_last(first == 4 ? 9 : 20);
    }
    return grpc::Status::OK;
  };
  EXPECT_THAT(Run({"sessions", "show", "s1"}).out, HasSubstr("4 to 9, 20"));
  EXPECT_EQ(Run({"sessions", "rewind", "s1", "--position", "6"}).out, "sessions/s1 is at 6\n");
  EXPECT_EQ(asked.ShortDebugString(), "name: \"sessions/s1\" position: 6");
  EXPECT_THAT(Run({"sessions", "rewind", "s1", "--position", "6", "--json"}).out,
              HasSubstr("\"first\": 4"));
  EXPECT_EQ(Run({"sessions", "rewind", "s1"}).status, kBadUsage);
  EXPECT_THAT(Run({"sessions", "rewind", "--help"}).out, HasSubstr("remembered [required]"));
}

}  // namespace
}  // namespace derin::cli
