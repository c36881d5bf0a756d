#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

using Writer = grpc::ServerWriter<v1::GenerateResponse>;

class GenerateCommand : public CommandTest {
 protected:
  GenerateCommand() {
    answers().generate = [this](grpc::ServerContext&, const v1::GenerateRequest& request,
                                Writer& writer) {
      asked_ = request;
      v1::GenerateResponse response;
      response.mutable_start()->set_session(session_.empty() ? request.session() : session_);
      response.mutable_start()->set_unknown_count(unknown_);
      response.mutable_start()->set_engine_id("cpu/f32/1");
      response.mutable_start()->set_engine_changed(engine_changed_);
      if (unknown_ > 0) response.mutable_start()->add_unknown_characters("é");
      response.set_text("he");
      response.add_tokens(1);
      writer.Write(response);
      response.Clear();
      response.set_text("llo");
      response.mutable_end()->set_finish_reason(finish_reason_);
      response.mutable_end()->set_generated_tokens(5);
      response.mutable_end()->set_position(17);
      response.mutable_end()->set_tokens_per_second(1234);
      response.mutable_end()->mutable_first_token_time()->set_nanos(12'000'000);
      writer.Write(response);
      return grpc::Status::OK;
    };
  }

  v1::GenerateRequest asked_;
  std::string session_;  // that a reply names, unless the request does
  v1::FinishReason finish_reason_ = v1::FINISH_REASON_LENGTH;
  int unknown_ = 0;
  bool engine_changed_ = false;
};

TEST_F(GenerateCommand, WritesExactlyTheTextWhenItIsNoTerminal) {
  const Result result = Run({"generate", "--model", "m", "--prompt", "x"});
  EXPECT_EQ(result.status, kSuccess);
  EXPECT_EQ(result.out, "hello");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(asked_.model(), "models/m");
}

TEST_F(GenerateCommand, EndsTheLineAndShowsFiguresOnATerminal) {
  terminal_ = true;
  const Result result = Run({"generate", "--session", "s1"});
  EXPECT_EQ(result.out, "hello\n");
  EXPECT_EQ(result.err, "5 tokens, 1.2k tokens/s, first after 12ms, sessions/s1 at 17\n");
}

TEST_F(GenerateCommand, ShowsFiguresElsewhereWhenAskedTo) {
  const Result result = Run({"generate", "--model", "m", "--prompt", "x", "--verbose"});
  EXPECT_EQ(result.out, "hello");
  EXPECT_EQ(result.err, "5 tokens, 1.2k tokens/s, first after 12ms\n");
}

TEST_F(GenerateCommand, TakesAnySpellingOfASessionAndAVersion) {
  Run({"generate", "--session", "sessions/s1", "--prompt", "x"});
  EXPECT_EQ(asked_.session(), "sessions/s1");
  Run({"generate", "--model", "m/versions/3", "--prompt", "x"});
  EXPECT_EQ(asked_.model(), "models/m/versions/3");
}

TEST_F(GenerateCommand, SendsEveryFlagToItsField) {
  const Result result =
      Run({"generate", "--model", "m", "--prompt", "-x", "--max-tokens", "9", "--temperature", "0",
           "--top-k", "5", "--top-p", "0.5", "--seed", "7", "--allow-unknown", "--per-token"});
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(asked_.ShortDebugString(),
            "model: \"models/m\" prompt: \"-x\" max_tokens: 9 sampling { temperature: 0 top_k: 5 "
            "top_p: 0.5 allow_unknown: true } seed: 7 per_token: true");
}

TEST_F(GenerateCommand, SendsEveryFlagOfSamplingToItsField) {
  const Result result = Run({"generate", "--model",
                             "m",        "--min-p",
                             "0.1",      "--typical-p",
                             "0.9",      "--repetition-penalty",
                             "1.5",      "--presence-penalty",
                             "-1",       "--frequency-penalty",
                             "2",        "--penalty-window",
                             "64",       "--logit-bias",
                             "3=-2.5",   "--ban-token",
                             "4",        "--ban-token",
                             "5"});
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(asked_.sampling().ShortDebugString(),
            "min_p: 0.1 typical_p: 0.9 repetition_penalty: 1.5 presence_penalty: -1 "
            "frequency_penalty: 2 penalty_window: 64 logit_bias { key: 3 value: -2.5 } "
            "banned_tokens: 4 banned_tokens: 5");
  Run({"generate", "--model", "m", "--allow-token", "7", "--allow-token=8", "--prompt", "x"});
  EXPECT_EQ(asked_.sampling().ShortDebugString(), "allowed_tokens: 7 allowed_tokens: 8");
  Run({"generate", "--model", "m", "--allow-text", "the", "--allow-text= a", "--prompt", "x"});
  EXPECT_EQ(asked_.sampling().ShortDebugString(), "allowed_texts: \"the\" allowed_texts: \" a\"");
  Run({"generate", "--model", "m", "--ban-text", "the", "--prompt", "x"});
  EXPECT_EQ(asked_.sampling().ShortDebugString(), "banned_texts: \"the\"");
  EXPECT_EQ(asked_.prompt(), "x");
}

TEST_F(GenerateCommand, SendsWhatStopsATextAndWhenMessagesGo) {
  const Result result =
      Run({"generate", "--model", "m", "--prompt", "x", "--echo", "--min-tokens", "3", "--stop",
           "END", "--stop", "[a]", "--stop-token", "4", "--include-stop", "--time-budget", "1.5",
           "--message-interval", "0.05"});
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(
      asked_.ShortDebugString(),
      "model: \"models/m\" prompt: \"x\" sampling { } echo: true min_tokens: 3 stop_strings: "
      "\"END\" stop_strings: \"[a]\" stop_tokens: 4 include_stop: true time_budget { seconds: "
      "1 nanos: 500000000 } message_interval { nanos: 50000000 }");
}

TEST_F(GenerateCommand, TakesAPromptAsBytesOrTokens) {
  Run({"generate", "--model", "m", "--prompt-hex", "00ffC3"});
  EXPECT_EQ(asked_.prompt_bytes(), std::string("\0\xff\xc3", 3));
  Run({"generate", "--model", "m", "--prompt-token", "5", "--prompt-token", "6"});
  EXPECT_EQ(asked_.prompt_tokens().tokens_size(), 2);
  EXPECT_EQ(Run({"generate", "--model", "m", "--prompt-hex", "0"}).status, kBadUsage);
  EXPECT_EQ(Run({"generate", "--model", "m", "--prompt-hex", "0g"}).status, kBadUsage);
  EXPECT_EQ(Run({"generate", "--model", "m", "--prompt", "a", "--prompt-token", "5"}).status,
            kBadUsage);
}

TEST_F(GenerateCommand, WritesLogProbabilitiesWithTheirTokens) {
  answers().generate = [this](grpc::ServerContext&, const v1::GenerateRequest& request,
                              Writer& writer) {
    asked_ = request;
    v1::GenerateResponse response;
    response.set_text("a");
    response.add_tokens(1);
    auto& drawn = *response.add_log_probabilities();
    drawn.set_log_probability(-0.5);
    drawn.add_most_probable()->set_token(2);
    writer.Write(response);
    response.Clear();
    response.mutable_end();
    writer.Write(response);
    return grpc::Status::OK;
  };
  const Result result = Run({"generate", "--model", "m", "--log-probabilities", "1", "--json"});
  EXPECT_EQ(asked_.log_probabilities(), 1);
  EXPECT_THAT(result.out,
              HasSubstr(R"({"text":"a","tokens":[1],"log_probabilities":[{"log_probability":-0.5,)"
                        R"("most_probable":[{"token":2,"log_probability":0.0}]}]})"));
  EXPECT_EQ(Run({"generate", "--model", "m", "--log-probabilities", "1"}).status, kBadUsage);
}

TEST_F(GenerateCommand, SendsThePositionThatItExpects) {
  Run({"generate", "--session", "s1", "--expected-position", "0"});
  EXPECT_TRUE(asked_.has_expected_position());
  EXPECT_EQ(asked_.expected_position(), 0);
}

TEST_F(GenerateCommand, NamesTheSessionThatItOpens) {
  session_ = "sessions/s7";
  const Result result = Run({"generate", "--model", "m", "--prompt", "x", "--open-session"});
  EXPECT_TRUE(asked_.open_session());
  EXPECT_EQ(result.out, "hello");
  EXPECT_EQ(result.err, "note: opened sessions/s7\n");
}

TEST_F(GenerateCommand, NotesThatTheTimeIsSpent) {
  finish_reason_ = v1::FINISH_REASON_TIME;
  EXPECT_EQ(Run({"generate", "--model", "m", "--prompt", "x"}).err,
            "note: the time budget is spent; the text ends here\n");
}

TEST_F(GenerateCommand, TokensThatAreNoNumbersAreBadUsage) {
  for (const auto& [flag, text] : {std::pair("--ban-token", "e"),
                                   {"--allow-token", "1.5"},
                                   {"--logit-bias", "3"},
                                   {"--logit-bias", "a=1"}}) {
    const Result result = Run({"generate", "--model", "m", flag, text});
    EXPECT_EQ(result.status, kBadUsage) << flag;
    EXPECT_THAT(result.err, HasSubstr(std::string("got '") + text + "', wanted ")) << flag;
  }
}

TEST_F(GenerateCommand, TakesPromptsThatAParserCouldMistake) {
  for (const std::string prompt : {"", "[a,b]", "--model", "%%", "a=b", "{}"}) {
    EXPECT_EQ(Run({"generate", "--model", "m", "--prompt", prompt}).status, kSuccess) << prompt;
    EXPECT_EQ(asked_.prompt(), prompt);
    EXPECT_EQ(Run({"generate", "--prompt=" + prompt, "--model", "m"}).status, kSuccess) << prompt;
    EXPECT_EQ(asked_.prompt(), prompt);
  }
}

TEST_F(GenerateCommand, NotesWhatBecameUnknown) {
  unknown_ = 3;
  const Result result = Run({"generate", "--model", "m", "--prompt", "é"});
  EXPECT_EQ(result.out, "hello");
  EXPECT_EQ(result.err,
            "note: 3 tokens of the prompt became <unk>, since the model's vocabulary lacks: "
            "'é'\n");
}

TEST_F(GenerateCommand, NotesThatAnotherEngineComputesTheText) {
  engine_changed_ = true;
  const Result result = Run({"generate", "--model", "m", "--prompt", "x"});
  EXPECT_EQ(result.out, "hello");
  EXPECT_EQ(result.err,
            "note: the server's device lacks the precision that the model was trained in; the text "
            "comes from engine cpu/f32/1\n");
}

TEST_F(GenerateCommand, NotesWhyATextEndedEarly) {
  finish_reason_ = v1::FINISH_REASON_SESSION_CLOSED;
  EXPECT_EQ(Run({"generate", "--model", "m", "--prompt", "x"}).err,
            "note: the session was closed; the text ends here\n");
}

TEST_F(GenerateCommand, WritesOneJsonDocumentALine) {
  const Result result = Run({"generate", "--model", "m", "--prompt", "x", "--json"});
  std::istringstream lines(result.out);
  std::string line;
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr("{\"start\":{"));
  std::getline(lines, line);
  EXPECT_EQ(line, R"({"text":"he","tokens":[1]})");
  std::getline(lines, line);
  EXPECT_EQ(line, R"({"text":"llo","tokens":[]})");
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr("\"finish_reason\":\"length\""));
}

TEST_F(GenerateCommand, NamesTheFlagBehindAFieldThatIsRefused) {
  for (const auto& [field, flag] : {std::pair("max_tokens", "--max-tokens"),
                                    {"sampling.temperature", "--temperature"},
                                    {"sampling.top_k", "--top-k"},
                                    {"sampling.top_p", "--top-p"},
                                    {"prompt", "--prompt"}}) {
    answers().generate = [field = std::string(field)](grpc::ServerContext&, const auto&, Writer&) {
      return testing::Refusal{.code = grpc::StatusCode::INVALID_ARGUMENT,
                              .message = field + ": got 0, wanted more",
                              .reason = "INVALID_FIELD",
                              .field = field}
          .ToGrpc();
    };
    const Result result = Run({"generate", "--model", "m"});
    EXPECT_EQ(result.status, kRefused);
    EXPECT_THAT(result.err, EndsWith("wanted more (flag " + std::string(flag) + ")\n"));
  }
}

TEST_F(GenerateCommand, ProposesTheNearestModel) {
  answers().generate = [](grpc::ServerContext&, const auto&, Writer&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "models/tm does not exist");
  };
  answers().list_models = [](const auto&, v1::ListModelsResponse& response) {
    response.add_models()->set_name("models/tmx");
    return grpc::Status::OK;
  };
  const Result result = Run({"generate", "--model", "tm", "--prompt", "x"});
  EXPECT_EQ(result.status, kRefused);
  EXPECT_THAT(result.err, EndsWith("does not exist, did you mean 'tmx'?\n"));
}

TEST_F(GenerateCommand, StopsAtAnInterrupt) {
  answers().generate = [this](grpc::ServerContext&, const auto&, Writer& writer) {
    v1::GenerateResponse response;
    response.set_text("x");
    writer.Write(response);
    interrupt_.Cancel();
    while (writer.Write(response)) {
    }
    return grpc::Status::CANCELLED;
  };
  const Result result = Run({"generate", "--model", "m", "--prompt", "x"});
  EXPECT_EQ(result.status, kInterrupted);
  EXPECT_EQ(result.err, "derin: interrupted\n");
}

TEST_F(GenerateCommand, WritesEachOfSeveralTextsWhenItEnds) {
  answers().generate = [this](grpc::ServerContext&, const v1::GenerateRequest& request,
                              Writer& writer) {
    asked_ = request;
    v1::GenerateResponse response;
    response.mutable_start()->set_session("sessions/s1");
    response.set_text("held ");
    writer.Write(response);
    for (int i = 0; i < 4; ++i) {
      const int number = i % 2;
      response.Clear();
      response.set_continuation(number);
      if (i < 2) response.mutable_start()->set_session(number == 0 ? "sessions/a" : "sessions/b");
      response.set_text(number == 0 ? "x" : "y");
      response.add_tokens(number);
      if (i >= 2) response.mutable_end()->set_generated_tokens(2);
      writer.Write(response);
    }
    return grpc::Status::OK;
  };
  const Result result = Run({"generate", "--session", "s1", "--continuations", "2"});
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(asked_.continuations(), 2);
  EXPECT_EQ(result.out, "--- 1: sessions/a\nheld xx\n--- 2: sessions/b\nheld yy\n");
  const Result json = Run({"generate", "--session", "s1", "--continuations", "2", "--json"});
  EXPECT_THAT(json.out, HasSubstr("{\"continuation\":1,\"text\":\"y\",\"tokens\":[1]}"));
  EXPECT_THAT(json.out, HasSubstr("{\"continuation\":0,\"end\":{"));
}

TEST_F(GenerateCommand, SendsTheRequestIdThatItIsGiven) {
  Run({"generate", "--session", "s1", "--request-id", "once"});
  EXPECT_EQ(asked_.request_id(), "once");
}

}  // namespace
}  // namespace derin::cli
