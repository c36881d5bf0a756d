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
  EXPECT_EQ(status.message(),
            "prompt: got 101 bytes, wanted at most the 100 of the server's --max-prompt-bytes");
}

TEST(ParseGenerateRequest, TakesWhatStopsATextAndItsTimes) {
  v1::GenerateRequest request = Request();
  request.set_prompt("x");
  request.set_echo(true);
  request.set_min_tokens(4);
  request.add_stop_strings("END");
  request.add_stop_tokens(7);
  request.set_include_stop(true);
  request.mutable_time_budget()->set_seconds(2);
  request.mutable_message_interval()->set_nanos(5'000'000);
  const auto parsed = ParseGenerateRequest(request, kMaxPromptBytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(parsed->echo);
  EXPECT_EQ(parsed->min_tokens, 4);
  EXPECT_THAT(parsed->stop_names, ElementsAre("END"));
  EXPECT_THAT(parsed->stop_tokens, ElementsAre(7));
  EXPECT_TRUE(parsed->include_stop);
  EXPECT_EQ(parsed->time_budget, absl::Seconds(2));
  EXPECT_EQ(parsed->message_interval, absl::Milliseconds(5));
}

TEST(ParseGenerateRequest, RefusesStopsPromptsAndTimesOutOfRange) {
  using R = v1::GenerateRequest;
  const std::pair<const char*, void (*)(R&)> cases[] = {
      {"stop_strings[1]",
       [](R& r) {
         r.add_stop_strings("a");
         r.add_stop_strings("");
       }},
      {"stop_strings[0]", [](R& r) { r.add_stop_strings(std::string(129, 'a')); }},
      {"stop_strings",
       [](R& r) {
         for (int i = 0; i < 17; ++i) r.add_stop_strings("a");
       }},
      {"stop_tokens",
       [](R& r) {
         for (int i = 0; i < 65; ++i) r.add_stop_tokens(i);
       }},
      {"min_tokens",
       [](R& r) {
         r.add_stop_tokens(1);
         r.set_min_tokens(-1);
       }},
      {"expected_position", [](R& r) { r.set_expected_position(-1); }},
      {"log_probabilities", [](R& r) { r.set_log_probabilities(-1); }},
      {"log_probabilities", [](R& r) { r.set_log_probabilities(21); }},
      {"time_budget", [](R& r) { r.mutable_time_budget(); }},
      {"time_budget", [](R& r) { r.mutable_time_budget()->set_seconds(-1); }},
      {"time_budget", [](R& r) { r.mutable_time_budget()->set_seconds(86'401); }},
      {"message_interval", [](R& r) { r.mutable_message_interval()->set_nanos(-1); }},
      {"message_interval", [](R& r) { r.mutable_message_interval()->set_seconds(11); }},
      {"prompt_bytes", [](R& r) { r.set_prompt_bytes(std::string(101, 'a')); }},
      {"prompt_tokens",
       [](R& r) {
         for (int i = 0; i < 101; ++i) r.mutable_prompt_tokens()->add_tokens(1);
       }},
  };
  for (const auto& [field, set] : cases) {
    R request = Request();
    set(request);
    EXPECT_EQ(FieldAtFault(request), field);
  }
}

TEST(ParseGenerateRequest, RefusesCombinationsThatMakeNoSenseNamingBothFields) {
  using R = v1::GenerateRequest;
  struct Combination {
    const char* field;
    const char* other;
    void (*set)(R&);
  };
  const Combination combinations[] = {
      {"echo", "prompt", [](R& r) { r.set_echo(true); }},
      {"expected_position", "session", [](R& r) { r.set_expected_position(3); }},
      {"open_session", "session",
       [](R& r) {
         r.set_session("sessions/a");
         r.set_open_session(true);
       }},
      {"include_stop", "stop_strings", [](R& r) { r.set_include_stop(true); }},
      {"min_tokens", "stop_tokens", [](R& r) { r.set_min_tokens(3); }},
      {"min_tokens", "max_tokens",
       [](R& r) {
         r.add_stop_tokens(1);
         r.set_max_tokens(5);
         r.set_min_tokens(6);
       }},
      {"message_interval", "per_token",
       [](R& r) {
         r.set_per_token(true);
         r.mutable_message_interval()->set_nanos(1);
       }},
  };
  for (const Combination& one : combinations) {
    R request = Request();
    one.set(request);
    const absl::Status status = ParseGenerateRequest(request, kMaxPromptBytes).status();
    EXPECT_EQ(ErrorField(status), one.field);
    EXPECT_THAT(std::string(status.message()), HasSubstr(one.other));
  }
}

class FitToVersionTest : public testing::Test {
 protected:
  // INVALID_ARGUMENT, or what fits into `parsed_`.
  absl::Status Fit(const v1::GenerateRequest& request, const LoadedVersion& version) {
    auto parsed = ParseGenerateRequest(request, kMaxPromptBytes);
    if (!parsed.ok()) return parsed.status();
    parsed_ = *std::move(parsed);
    return FitToVersion(request, version, parsed_, start_);
  }

  const LoadedVersion letters_{.tokenizer = Tokenizer::Characters(Vocabulary::FromText("aab ")),
                               .normalization = Normalization::kD2lLetters};
  const LoadedVersion bytes_{.tokenizer = Tokenizer::Bytes()};
  GenerationRequest parsed_;
  v1::GenerateStart start_;
};

TEST_F(FitToVersionTest, TakesAPromptAsBytesOrTokens) {
  v1::GenerateRequest request = Request();
  request.set_prompt_bytes("A\xff");
  ASSERT_TRUE(Fit(request, bytes_).ok());
  EXPECT_THAT(parsed_.prompt, ElementsAre('A' + 1, 0x100));
  EXPECT_EQ(ErrorField(Fit(request, letters_)), "prompt_bytes");
  request.mutable_prompt_tokens()->add_tokens(3);
  request.mutable_prompt_tokens()->add_tokens(0);
  ASSERT_TRUE(Fit(request, letters_).ok());
  EXPECT_THAT(parsed_.prompt, ElementsAre(3, 0));
  request.mutable_prompt_tokens()->add_tokens(4);
  EXPECT_EQ(ErrorField(Fit(request, letters_)), "prompt_tokens.tokens");
}

TEST_F(FitToVersionTest, NormalisesStopStrings) {
  v1::GenerateRequest request = Request();
  request.add_stop_strings("AB. ");
  ASSERT_TRUE(Fit(request, letters_).ok());
  EXPECT_THAT(parsed_.stop_strings, ElementsAre("ab "));
  EXPECT_THAT(parsed_.stop_names, ElementsAre("AB. "));
}

TEST_F(FitToVersionTest, RefusesStopTokensThatAreNeverDrawnOrLeaveNone) {
  v1::GenerateRequest request = Request();
  request.add_stop_tokens(9);
  EXPECT_EQ(ErrorField(Fit(request, letters_)), "stop_tokens");
  request.set_stop_tokens(0, 2);
  ASSERT_TRUE(Fit(request, letters_).ok());
  request.mutable_sampling()->add_banned_tokens(2);
  EXPECT_THAT(std::string(Fit(request, letters_).message()),
              testing::AllOf(HasSubstr("stop_tokens"), HasSubstr("banned_tokens")));
  request.mutable_sampling()->clear_banned_tokens();
  request.mutable_sampling()->add_allowed_tokens(1);
  EXPECT_THAT(std::string(Fit(request, letters_).message()),
              testing::AllOf(HasSubstr("stop_tokens"), HasSubstr("allowed_tokens")));
  request.mutable_sampling()->set_allowed_tokens(0, 2);
  EXPECT_TRUE(Fit(request, letters_).ok());
  request.set_min_tokens(1);
  EXPECT_THAT(std::string(Fit(request, letters_).message()),
              testing::AllOf(HasSubstr("stop_tokens"), HasSubstr("min_tokens")));
  request = Request();
  request.add_stop_tokens(0);
  EXPECT_THAT(std::string(Fit(request, letters_).message()),
              testing::AllOf(HasSubstr("stop_tokens"), HasSubstr("allow_unknown")));
}

TEST_F(FitToVersionTest, RefusesMoreAdjustmentsThanADrawMayHave) {
  // Each word twice, so that a text bans two tokens.
  constexpr int kWords = kMostAdjustments;
  std::vector<std::string> words;
  for (int i = 0; i < kWords; ++i) {
    const std::string word = {static_cast<char>('a' + i / 676),
                              static_cast<char>('a' + i / 26 % 26),
                              static_cast<char>('a' + i % 26)};
    words.push_back(word);
    words.push_back(" " + word);
  }
  const LoadedVersion version{.tokenizer = Tokenizer::Words(*WordVocabulary::FromWords(words))};
  v1::GenerateRequest request = Request();
  auto* sampling = request.mutable_sampling();
  for (int i = 0; i < 1024; ++i) sampling->add_banned_texts(words[2 * i]);
  for (int i = 0; i < 1024; ++i) sampling->add_banned_tokens(2049 + i);
  for (int i = 0; i < 1024; ++i) (*sampling->mutable_logit_bias())[3073 + i] = 1;
  ASSERT_TRUE(Fit(request, version).ok());
  LogitAdjustments adjustments(parsed_.rules, version.tokenizer.vocabulary_size());
  EXPECT_EQ(adjustments.Next({}, 0).size(), kMostAdjustments);

  request.add_stop_tokens(5000);
  EXPECT_TRUE(Fit(request, version).ok()) << "it may be drawn";
  request.set_min_tokens(1);
  EXPECT_EQ(ErrorField(Fit(request, version)), "sampling");
  request.clear_min_tokens();
  sampling->set_presence_penalty(1);
  sampling->set_penalty_window(7);
  const absl::Status status = Fit(request, version);
  EXPECT_EQ(ErrorField(status), "sampling");
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("1024 tokens with a bias, 3072 that are banned, a penalty_window of 7 and 0 "
                "stop_tokens with min_tokens, wanted at most 4096 together"));
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

TEST(ParseGenerateRequest, TakesARetryInASessionOrOfASeed) {
  v1::GenerateRequest request;
  request.set_session("sessions/a");
  request.set_request_id("r1");
  const auto first = ParseGenerateRequest(request, kMaxPromptBytes);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->key.request_id, "r1");
  EXPECT_FALSE(first->must_replay);
  request.set_resume_after_position(7);
  const auto again = ParseGenerateRequest(request, kMaxPromptBytes);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->key.digest, first->key.digest);
  EXPECT_TRUE(again->must_replay);
  EXPECT_EQ(again->resume_after, 7);
  request = Request();
  request.set_seed(3);
  request.set_resume_after_position(7);
  const auto seeded = ParseGenerateRequest(request, kMaxPromptBytes);
  ASSERT_TRUE(seeded.ok()) << seeded.status();
  EXPECT_FALSE(seeded->must_replay);
}

TEST(ParseGenerateRequest, RefusesARetryThatMakesNoSense) {
  const auto refused = [](const v1::GenerateRequest& request) {
    return std::string(ParseGenerateRequest(request, kMaxPromptBytes).status().message());
  };
  v1::GenerateRequest request;
  request.set_session("sessions/a");
  request.set_request_id(std::string(129, 'a'));
  EXPECT_THAT(refused(request), HasSubstr("request_id: got 129 bytes"));
  request.clear_request_id();
  request.set_resume_after_position(5);
  EXPECT_THAT(refused(request),
              testing::AllOf(HasSubstr("resume_after_position"), HasSubstr("request_id")));
  request.set_request_id("a");
  request.set_resume_after_position(-1);
  EXPECT_THAT(refused(request), HasSubstr("resume_after_position: got -1"));
  request = Request();
  request.set_request_id("a");
  EXPECT_THAT(refused(request), testing::AllOf(HasSubstr("request_id"), HasSubstr("model")));
  request.clear_request_id();
  request.set_resume_after_position(5);
  EXPECT_THAT(refused(request),
              testing::AllOf(HasSubstr("resume_after_position"), HasSubstr("seed")));
}

TEST(RequestDigest, IsThatOfTheTextWhereverItIsMadeAndWhicheverPartOfIt) {
  v1::GenerateRequest request;
  request.set_model("models/a");
  request.set_open_session(true);
  request.set_prompt("x");
  for (const int token : {5, 1, 9}) (*request.mutable_sampling()->mutable_logit_bias())[token] = 1;
  v1::GenerateRequest again;
  again.set_session("sessions/a");
  again.set_request_id("r");
  again.set_resume_after_position(7);
  again.set_expected_position(0);
  again.set_prompt("x");
  for (const int token : {9, 5, 1}) (*again.mutable_sampling()->mutable_logit_bias())[token] = 1;
  EXPECT_EQ(RequestDigest(request), RequestDigest(again));
  again.set_seed(0);
  EXPECT_NE(RequestDigest(request), RequestDigest(again));
}

TEST(ParseGenerateRequest, TakesContinuationsAndRefusesWhatMakesNoSenseWithThem) {
  const auto refused = [](const v1::GenerateRequest& request) {
    return std::string(ParseGenerateRequest(request, kMaxPromptBytes).status().message());
  };
  v1::GenerateRequest request;
  request.set_session("sessions/a");
  request.set_prompt("a");
  request.set_continuations(16);
  EXPECT_EQ(ParseGenerateRequest(request, kMaxPromptBytes)->continuations, 16);
  for (const int count : {0, 17, -1}) {
    request.set_continuations(count);
    EXPECT_THAT(refused(request), HasSubstr("continuations: got"));
  }
  request.set_continuations(2);
  request.set_echo(true);
  EXPECT_THAT(refused(request), testing::AllOf(HasSubstr("continuations"), HasSubstr("echo")));
  request.clear_echo();
  request.set_request_id("r");
  EXPECT_THAT(refused(request),
              testing::AllOf(HasSubstr("continuations"), HasSubstr("request_id")));
  request.clear_request_id();
  request.set_resume_after_position(1);
  EXPECT_THAT(refused(request),
              testing::AllOf(HasSubstr("continuations"), HasSubstr("resume_after_position")));
}

}  // namespace
}  // namespace derin::server
