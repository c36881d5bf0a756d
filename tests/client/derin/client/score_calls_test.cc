#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "derin/client/client.h"
#include "tests/client/fake_server.h"

namespace derin::client {
namespace {

using ::derin::testing::FakeServer;
using ::derin::testing::Refusal;
using ::testing::ElementsAre;

class ScoreCalls : public ::testing::Test {
 protected:
  ScoreCalls() : client_(*Client::Connect({.address = server_.address()})) {
    // Scores nothing; counts bytes as characters, which it reports as tokens, too.
    server_.answers().score_text =
        [this](grpc::ServerContext&,
               grpc::ServerReaderWriter<v1::ScoreTextResponse, v1::ScoreTextRequest>& stream) {
          v1::ScoreTextRequest request;
          v1::ScoreTextResponse response;
          int64_t characters = 0;
          while (stream.Read(&request)) {
            ++parts_;
            if (request.has_header()) {
              header_ = request.header();
              response.mutable_start()->set_model_version("models/a/versions/1");
            }
            text_ += request.text();
            characters += static_cast<int64_t>(request.text().size());
            if (text_.size() > stop_after_) {
              return Refusal{.code = grpc::StatusCode::INVALID_ARGUMENT,
                             .message = "text: got byte 255",
                             .reason = "",
                             .field = "text"}
                  .ToGrpc();
            }
            if (header_.has_log_probabilities()) {
              response.add_tokens(7);
              response.add_log_probabilities()->set_log_probability(-0.5f);
              stream.Write(response);
              response.Clear();
            }
            response.mutable_totals()->set_characters(characters);
            stream.Write(response);
            response.Clear();
          }
          response.mutable_totals()->set_characters(characters);
          response.mutable_totals()->set_perplexity(3.5);
          response.set_complete(true);
          stream.Write(response);
          return grpc::Status::OK;
        };
  }

  v1::ScoreTextHeader header_;
  std::string text_;
  int parts_ = 0;
  size_t stop_after_ = 1 << 30;
  // Destroyed first: a call that its client has given up may still run, and uses what is above.
  FakeServer server_;
  std::unique_ptr<Client> client_;
};

TEST_F(ScoreCalls, SendsTheWholeTextInPartsAndTellsTheTotals) {
  const std::string text(150'000, 'x');
  std::vector<int64_t> seen;
  ScoreStart start;
  ScoreCallbacks callbacks;
  callbacks.start = [&start](const ScoreStart& is) {
    start = is;
    return true;
  };
  callbacks.progress = [&seen](const ScoreTotals& so_far) {
    seen.push_back(so_far.characters);
    return true;
  };
  const auto totals = client_->ScoreText({.model = "models/a"}, TextSource(text), callbacks);
  ASSERT_TRUE(totals.ok()) << totals.status();
  EXPECT_EQ(text_, text);
  EXPECT_EQ(header_.model(), "models/a");
  EXPECT_FALSE(header_.has_log_probabilities());
  EXPECT_EQ(start.model_version, "models/a/versions/1");
  EXPECT_EQ(totals->perplexity, 3.5);
  EXPECT_THAT(seen, ElementsAre(65'536, 131'072, 150'000, 150'000));
}

TEST_F(ScoreCalls, GivesTokensWithTheirLogProbabilities) {
  std::vector<int32_t> tokens;
  ScoreCallbacks callbacks;
  callbacks.tokens = [&tokens](const std::vector<int32_t>& some,
                               const std::vector<DrawnLogProbability>& scored) {
    tokens.insert(tokens.end(), some.begin(), some.end());
    EXPECT_EQ(scored.size(), some.size());
    EXPECT_EQ(scored[0].log_probability, -0.5f);
    return true;
  };
  ScoreOptions options;
  options.session = "sessions/1";
  options.log_probabilities = 0;
  ASSERT_TRUE(client_->ScoreText(options, TextSource("abc"), callbacks).ok());
  EXPECT_EQ(header_.session(), "sessions/1");
  EXPECT_THAT(tokens, ElementsAre(7));
}

TEST_F(ScoreCalls, AnEmptyTextIsStillAsked) {
  EXPECT_TRUE(client_->ScoreText({.model = "models/a"}, TextSource("")).ok());
  EXPECT_EQ(parts_, 1);
}

TEST_F(ScoreCalls, ReturnsTheServersErrorInTheMiddleOfAText) {
  stop_after_ = 100'000;
  const auto totals =
      client_->ScoreText({.model = "models/a"}, TextSource(std::string(500'000, 'x')));
  EXPECT_EQ(totals.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(totals.status()), "text");
  EXPECT_EQ(parts_, 2);
}

TEST_F(ScoreCalls, ReturnsTheSourcesErrorAndStopsWhenACallbackWantsNoMore) {
  const ByteSource broken = [](absl::Span<char>) -> absl::StatusOr<size_t> {
    return absl::DataLossError("the disk is gone");
  };
  EXPECT_EQ(client_->ScoreText({.model = "models/a"}, broken).status().code(),
            absl::StatusCode::kDataLoss);
  ScoreCallbacks callbacks;
  callbacks.progress = [](const ScoreTotals&) { return false; };
  const auto totals =
      client_->ScoreText({.model = "models/a"}, TextSource(std::string(500'000, 'x')), callbacks);
  EXPECT_EQ(totals.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(ScoreCalls, WantsExactlyOneOfModelAndSession) {
  EXPECT_EQ(client_->ScoreText({}, TextSource("a")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace derin::client
