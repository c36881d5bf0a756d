#include "tests/client/cli/command_test.h"
#include "tests/temporary_folder.h"

namespace derin::cli {
namespace {

using ::testing::HasSubstr;

class ScoreCommand : public CommandTest {
 protected:
  ScoreCommand() {
    answers().score_text =
        [this](grpc::ServerContext&,
               grpc::ServerReaderWriter<v1::ScoreTextResponse, v1::ScoreTextRequest>& stream) {
          v1::ScoreTextRequest request;
          v1::ScoreTextResponse response;
          while (stream.Read(&request)) {
            if (request.has_header()) {
              header_ = request.header();
              response.mutable_start()->set_model_version("models/a/versions/3");
            }
            text_ += request.text();
            if (header_.has_log_probabilities()) {
              response.add_tokens(4);
              response.add_log_probabilities()->set_log_probability(-0.25f);
            }
            response.mutable_totals()->set_characters(1234);
            stream.Write(response);
            response.Clear();
          }
          response.mutable_totals()->set_tokens(1234);
          response.mutable_totals()->set_characters(1234);
          response.mutable_totals()->set_unknown_count(2);
          response.mutable_totals()->set_perplexity(3.25);
          response.mutable_totals()->set_bits_per_character(1.7);
          response.set_complete(true);
          stream.Write(response);
          return grpc::Status::OK;
        };
  }

  v1::ScoreTextHeader header_;
  std::string text_;
};

TEST_F(ScoreCommand, TellsThePerplexityOfAFile) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "other.txt";
  WriteTestFile(path, "some text");
  const Result result = Run({"score", "--model", "a", path});
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(text_, "some text");
  EXPECT_EQ(header_.model(), "models/a");
  EXPECT_THAT(result.out, HasSubstr("models/a/versions/3"));
  EXPECT_THAT(result.out, HasSubstr("3.2500"));
  EXPECT_THAT(result.out, HasSubstr("1,234"));
  EXPECT_EQ(result.err, "note: 2 tokens that the model's vocabulary lacks are scored as <unk>\n");
}

TEST_F(ScoreCommand, ReadsStandardInputInASessionsContext) {
  const Result result = Run({"score", "--session", "s1", "-", "--json"}, "piped");
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(text_, "piped");
  EXPECT_EQ(header_.session(), "sessions/s1");
  EXPECT_THAT(result.out, HasSubstr("\"perplexity\": 3.25"));
  EXPECT_THAT(result.out, HasSubstr("\"model_version\": \"models/a/versions/3\""));
}

TEST_F(ScoreCommand, WritesALineForEachMessageWhenLogProbabilitiesAreAskedFor) {
  const Result result =
      Run({"score", "--model", "a", "-", "--log-probabilities", "0", "--json"}, "x");
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_THAT(result.out, HasSubstr("{\"tokens\":[4],\"log_probabilities\":[{"));
  EXPECT_THAT(result.out, HasSubstr("{\"totals\":{\"tokens\":1234"));
}

TEST_F(ScoreCommand, RefusesWhatMakesNoSenseBeforeItConnects) {
  EXPECT_EQ(Run({"score", "-"}).status, kBadUsage);
  EXPECT_EQ(Run({"score", "--model", "a", "--session", "s1", "-"}).status, kBadUsage);
  EXPECT_EQ(Run({"score", "--model", "a", "-", "--log-probabilities", "1"}).status, kBadUsage);
  EXPECT_EQ(Run({"score", "--model", "a", "/nowhere.txt"}).status, kRefused);
  EXPECT_EQ(text_, "");
}

}  // namespace
}  // namespace derin::cli
