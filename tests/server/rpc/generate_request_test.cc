#include "server/rpc/generate_request.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kMaxPromptBytes = 100;

v1::GenerateRequest Request() {
  v1::GenerateRequest request;
  request.set_model("models/m");
  return request;
}

std::string FieldAtFault(const v1::GenerateRequest& request) {
  return ErrorField(ParseGenerateRequest(request, kMaxPromptBytes).status());
}

TEST(ParseGenerateRequest, UnsetFieldsAreTheDocumentedDefaults) {
  const auto parsed = ParseGenerateRequest(Request(), kMaxPromptBytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->max_tokens, 200);
  EXPECT_EQ(parsed->sampling.temperature, 1);
  EXPECT_EQ(parsed->sampling.top_k, 0);
  EXPECT_EQ(parsed->sampling.top_p, 1);
  EXPECT_FALSE(parsed->sampling.allow_unknown);
  EXPECT_EQ(parsed->seed, std::nullopt);
  EXPECT_FALSE(parsed->per_token);
}

TEST(ParseGenerateRequest, TakesWhatIsSet) {
  v1::GenerateRequest request = Request();
  request.set_max_tokens(7);
  request.set_seed(0);
  request.set_per_token(true);
  request.mutable_sampling()->set_temperature(0.25);
  request.mutable_sampling()->set_top_k(5);
  request.mutable_sampling()->set_top_p(0.5);
  request.mutable_sampling()->set_allow_unknown(true);
  const auto parsed = ParseGenerateRequest(request, kMaxPromptBytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->max_tokens, 7);
  EXPECT_EQ(parsed->seed, 0u);
  EXPECT_TRUE(parsed->per_token);
  EXPECT_EQ(parsed->sampling.temperature, 0.25f);
  EXPECT_EQ(parsed->sampling.top_k, 5);
  EXPECT_EQ(parsed->sampling.top_p, 0.5f);
  EXPECT_TRUE(parsed->sampling.allow_unknown);
}

TEST(ParseGenerateRequest, WantsASessionOrAModel) {
  EXPECT_EQ(FieldAtFault(v1::GenerateRequest()), "session");
}

TEST(ParseGenerateRequest, RefusesWhatIsOutOfRange) {
  for (const int bad : {0, -1, 1'000'001}) {
    v1::GenerateRequest request = Request();
    request.set_max_tokens(bad);
    EXPECT_EQ(FieldAtFault(request), "max_tokens") << bad;
  }
}

TEST(ParseGenerateRequest, RefusesAPromptThatIsTooLongSayingBothLengths) {
  v1::GenerateRequest request = Request();
  request.set_prompt(std::string(101, 'a'));
  const absl::Status status = ParseGenerateRequest(request, kMaxPromptBytes).status();
  EXPECT_EQ(ErrorField(status), "prompt");
  EXPECT_THAT(std::string(status.message()), testing::AllOf(HasSubstr("101"), HasSubstr("100")));
}

TEST(FitToVersion, NormalisesAndReportsWhatTheVocabularyLacks) {
  const LoadedVersion version{.tokenizer = Tokenizer::Characters(Vocabulary::FromText("aab ")),
                              .normalization = Normalization::kD2lLetters};
  v1::GenerateRequest request = Request();
  request.set_prompt("AB-xa ");
  GenerationRequest parsed;
  v1::GenerateStart start;
  ASSERT_TRUE(FitToVersion(request, version, parsed, start).ok());
  // By falling count, ties by code point: a 1, space 2, b 3. The space at the edge stays.
  EXPECT_THAT(parsed.prompt, ElementsAre(1, 3, 2, 0, 1, 2));
  EXPECT_EQ(start.unknown_count(), 1);
  EXPECT_THAT(start.unknown_characters(), ElementsAre("x"));
}

TEST(FitToVersion, RefusesTokensThatTheVocabularyLacks) {
  const LoadedVersion version{.tokenizer = Tokenizer::Characters(Vocabulary::FromText("ab"))};
  v1::GenerateRequest request = Request();
  request.mutable_sampling()->add_banned_tokens(3);
  GenerationRequest parsed = *ParseGenerateRequest(request, kMaxPromptBytes);
  v1::GenerateStart start;
  EXPECT_EQ(ErrorField(FitToVersion(request, version, parsed, start)), "sampling.banned_tokens");
}

}  // namespace
}  // namespace derin::server
