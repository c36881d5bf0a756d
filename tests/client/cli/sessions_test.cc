#include "tests/client/cli/command_test.h"

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

}  // namespace
}  // namespace derin::cli
