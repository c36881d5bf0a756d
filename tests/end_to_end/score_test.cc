#include <algorithm>

#include "derin/v1/model.grpc.pb.h"
#include "tests/end_to_end/client_test_server.h"

namespace derin::server {
namespace {

using client::ErrorField;
using client::ErrorReason;
using testing::HasSubstr;

class ScoreTest : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    TrainModel();
  }

  struct Scored {
    std::vector<int32_t> tokens;
    std::vector<float> log_probabilities;
    client::ScoreStart start;
    absl::StatusOr<client::ScoreTotals> totals;
  };
  Scored Score(client::ScoreOptions options, const client::ByteSource& source) {
    options.log_probabilities = 2;
    Scored scored;
    client::ScoreCallbacks callbacks;
    callbacks.start = [&](const client::ScoreStart& start) {
      scored.start = start;
      return true;
    };
    callbacks.tokens = [&](const std::vector<int32_t>& tokens,
                           const std::vector<client::DrawnLogProbability>& all) {
      scored.tokens.insert(scored.tokens.end(), tokens.begin(), tokens.end());
      for (const auto& one : all) {
        EXPECT_EQ(one.most_probable.size(), 2u);
        scored.log_probabilities.push_back(one.log_probability);
      }
      return true;
    };
    scored.totals = client_->ScoreText(options, source, callbacks);
    return scored;
  }
  // The text of a call with ln p of each token that it drew.
  Scored Draw(client::GenerateOptions options, std::string& text) {
    options.log_probabilities = 0;
    Scored drawn;
    client::GenerateCallbacks callbacks;
    callbacks.text = [&](std::string_view piece, const std::vector<int32_t>& tokens) {
      text += piece;
      drawn.tokens.insert(drawn.tokens.end(), tokens.begin(), tokens.end());
      return true;
    };
    callbacks.log_probabilities = [&](const std::vector<client::DrawnLogProbability>& all) {
      for (const auto& one : all) drawn.log_probabilities.push_back(one.log_probability);
      return true;
    };
    EXPECT_TRUE(client_->Generate(options, callbacks).ok());
    return drawn;
  }
};

TEST_F(ScoreTest, OfATextThatItDrewIsWhatItSaidWhenItDrewIt) {
  std::string text;
  const Scored drawn = Draw({.model = "models/sea", .max_tokens = 500, .seed = 3}, text);
  const Scored scored = Score({.model = "models/sea"}, client::TextSource(text));
  ASSERT_TRUE(scored.totals.ok()) << scored.totals.status();
  EXPECT_EQ(scored.tokens, drawn.tokens);
  EXPECT_EQ(scored.log_probabilities, drawn.log_probabilities);
  EXPECT_EQ(scored.start.model_version, "models/sea/versions/1");
  EXPECT_EQ(scored.totals->tokens, 500);
  EXPECT_EQ(scored.totals->characters, 500);
  double sum = 0;
  for (const float one : drawn.log_probabilities) sum += one;
  EXPECT_DOUBLE_EQ(scored.totals->log_probability, sum);
}

TEST_F(ScoreTest, InASessionGoesOnAfterItAndLeavesItAsItIs) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  ASSERT_TRUE(Generate({.session = session->name, .prompt = "the ", .max_tokens = 10}).end.ok());
  const auto fork = client_->ForkSession(session->name, {.same_stream = true});
  std::string text;
  const Scored drawn = Draw({.session = fork->name, .max_tokens = 60}, text);
  const Scored scored = Score({.session = session->name}, client::TextSource(text));
  ASSERT_TRUE(scored.totals.ok()) << scored.totals.status();
  EXPECT_EQ(scored.log_probabilities, drawn.log_probabilities);
  EXPECT_EQ(scored.start.position, 13);
  EXPECT_EQ(client_->GetSession(session->name)->position, 13);
  EXPECT_EQ(Generate({.session = session->name, .max_tokens = 60}).text, text);
  EXPECT_EQ(client_->ListSessions()->size(), 2u);
}

TEST_F(ScoreTest, DoesNotDependOnWhereTheTextIsCutNorOnWhatIsReported) {
  const std::string text = Text() + "the sea is not \u00e9ven.";
  const Scored whole = Score({.model = "models/sea"}, client::TextSource(text));
  ASSERT_TRUE(whole.totals.ok()) << whole.totals.status();
  size_t sent = 0;
  const Scored cut =
      Score({.model = "models/sea"}, [&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        // The last ones byte by byte: some inside the character of two bytes.
        const size_t left = text.size() - sent;
        const size_t count =
            left > 40 ? std::min<size_t>(left - 40, 977) : std::min<size_t>(left, 1);
        std::copy_n(&text[sent], count, buffer.begin());
        sent += count;
        return count;
      });
  ASSERT_TRUE(cut.totals.ok()) << cut.totals.status();
  EXPECT_EQ(cut.log_probabilities, whole.log_probabilities);
  EXPECT_EQ(whole.totals->unknown_count, 3) << "o, v and the one of two bytes";
  const auto totals = client_->ScoreText({.model = "models/sea"}, client::TextSource(text));
  ASSERT_TRUE(totals.ok()) << totals.status();
  EXPECT_EQ(totals->log_probability, whole.totals->log_probability);
  EXPECT_GT(totals->perplexity, 1);
  EXPECT_LT(totals->perplexity, 17) << "as if each letter of the vocabulary were as probable";
}

TEST_F(ScoreTest, RefusesWhatMakesNoSense) {
  const auto refused = [this](const client::ScoreOptions& options, const std::string& text) {
    return client_->ScoreText(options, client::TextSource(text)).status();
  };
  EXPECT_EQ(ErrorReason(refused({.model = "models/none"}, "a")), "MODEL_NOT_FOUND");
  EXPECT_EQ(ErrorReason(refused({.session = "sessions/none"}, "a")), "SESSION_NOT_FOUND");
  EXPECT_EQ(ErrorField(refused({.model = "models/sea"}, "")), "text");
  const absl::Status not_utf8 = refused({.model = "models/sea"}, "the sea \xff");
  EXPECT_EQ(ErrorField(not_utf8), "text");
  EXPECT_THAT(std::string(not_utf8.message()), HasSubstr("8"));
  EXPECT_EQ(ErrorField(refused({.model = "models/sea"}, "the sea \xc3")), "text");
  EXPECT_EQ(ErrorField(refused({.model = "models/sea", .log_probabilities = 21}, "a")),
            "header.log_probabilities");
}

TEST_F(ScoreTest, RefusesASessionThatIsBusy) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  absl::Status busy;
  client::GenerateCallbacks callbacks;
  callbacks.text = [&](std::string_view, const std::vector<int32_t>&) {
    busy = client_->ScoreText({.session = session->name}, client::TextSource("a")).status();
    return false;
  };
  const auto end =
      client_->Generate({.session = session->name, .max_tokens = 1'000'000}, callbacks);
  EXPECT_FALSE(end.ok());
  EXPECT_EQ(ErrorReason(busy), "SESSION_BUSY");
}

TEST_F(ScoreTest, AClientThatLeavesTakesItsStateAlong) {
  client::ScoreCallbacks callbacks;
  callbacks.progress = [](const client::ScoreTotals&) { return false; };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client_->ScoreText({.model = "models/sea"}, client::TextSource(Text()), callbacks)
                  .status()
                  .code(),
              absl::StatusCode::kCancelled);
  }
  EXPECT_TRUE(client_->ScoreText({.model = "models/sea"}, client::TextSource(Text())).ok());
}

TEST_F(ScoreTest, AMessageIsAsLongAsAPromptMayBe) {
  options_.max_prompt_bytes = 5;
  Restart();
  v1::ScoreTextRequest header, text;
  header.mutable_header()->set_model("models/sea");
  text.set_text("a ship");
  TestContext context;
  const auto stream = v1::ModelService::NewStub(NewChannel())->ScoreText(&context);
  stream->Write(header);
  stream->Write(text);
  stream->WritesDone();
  v1::ScoreTextResponse response;
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(stream->Finish().error_message(),
            "text: got 6 bytes in one message, wanted at most the 5 of the server's "
            "--max-prompt-bytes");
}

TEST_F(ScoreTest, WantsAHeaderInTheFirstMessageOnly) {
  const auto stub = v1::ModelService::NewStub(NewChannel());
  const auto field = [&stub](const std::vector<v1::ScoreTextRequest>& requests) {
    TestContext context;
    const auto stream = stub->ScoreText(&context);
    for (const auto& request : requests) stream->Write(request);
    stream->WritesDone();
    v1::ScoreTextResponse response;
    while (stream->Read(&response)) {
    }
    return FieldOf(stream->Finish());
  };
  v1::ScoreTextRequest text, header;
  text.set_text("a");
  header.mutable_header()->set_model("models/sea");
  EXPECT_EQ(field({}), "header");
  EXPECT_EQ(field({text}), "header");
  EXPECT_EQ(field({header, header}), "header");
  EXPECT_EQ(field({header, text}), "");
  header.mutable_header()->clear_model();
  EXPECT_EQ(field({header}), "header.model");
}

}  // namespace
}  // namespace derin::server
