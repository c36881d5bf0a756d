#include <algorithm>
#include <cmath>
#include <set>

#include "tests/end_to_end/client_test_server.h"

namespace derin::server {
namespace {

using client::ErrorField;
using client::FinishReason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// With a model of the words of a text, whose sentence is 11 tokens, all different.
class WordsTest : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    const auto corpus = client_->UploadCorpus({.corpus_id = "sea"}, client::TextSource(Text()));
    ASSERT_TRUE(corpus.ok()) << corpus.status();
    client::TrainingSpec spec = WordsSpec();
    ASSERT_EQ(Train(spec).state, client::JobState::kSucceeded);
  }
  static std::string Text() {
    std::string text;
    for (int i = 0; i < 300; ++i) text += "The sea's calm, and the lamp is lit.\n";
    return text + "Mute.\n";
  }
  static client::TrainingSpec WordsSpec() {
    client::TrainingSpec spec = SmallSpec();
    spec.config.tokenization = client::Tokenization::kWords;
    spec.config.embedding = 24;
    spec.config.tied_head = true;
    spec.words = client::WordSettings{.max_vocabulary = 5000, .min_count = 2};
    return spec;
  }
  static client::GenerateOptions MostProbable(const std::string& prompt, int32_t tokens) {
    client::GenerateOptions options{.model = "models/sea", .prompt = prompt, .max_tokens = tokens};
    options.sampling.temperature = 0;
    return options;
  }
};

TEST_F(WordsTest, ATrainedModelWritesWholeWordsThatReadAsItsText) {
  const auto job = client_->ListTrainingJobs()->front();
  EXPECT_EQ(job.spec.words->max_vocabulary, 12);
  EXPECT_EQ(job.spec.words->min_count, 2);
  EXPECT_EQ(job.spec.max_tokens, 300 * 11 + 3);
  EXPECT_EQ(job.progress->tokens % (8 * 20), 0);
  const auto version = client_->GetModelVersion("models/sea/versions/1");
  EXPECT_EQ(version->config.tokenization, client::Tokenization::kWords);
  EXPECT_EQ(version->vocabulary_size, 12);

  const Generated generated = Generate(MostProbable("The sea's", 9 + 11));
  ASSERT_TRUE(generated.end.ok()) << generated.end.status();
  EXPECT_EQ(generated.text, " calm, and the lamp is lit.\nThe sea's calm, and the lamp is lit.\n");
  EXPECT_EQ(generated.tokens.size(), 20u);
  EXPECT_EQ(generated.end->prompt_tokens, 2);
}

TEST_F(WordsTest, WhatIsDrawnIsWordsOfTheTextAndNeverUnknownUnlessAllowed) {
  client::GenerateOptions options{
      .model = "models/sea", .max_tokens = 400, .seed = 3, .per_token = true};
  options.sampling.temperature = 20;  // all words alike
  std::set<std::string> words;
  const auto end = client_->Generate(
      options, {.text = [&](std::string_view text, const std::vector<int32_t>& tokens) {
        EXPECT_EQ(tokens.size(), 1u);
        words.emplace(text);
        return true;
      }});
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(words, (std::set<std::string>{"The", " sea's", " calm", ",", " and", " the", " lamp",
                                          " is", " lit", ".", "\n"}));
  options.per_token = false;
  options.sampling.allow_unknown = true;
  EXPECT_THAT(Generate(options).text, HasSubstr("\xEF\xBF\xBD"));
}

TEST_F(WordsTest, WordsOfThePromptThatTheVocabularyLacksAreReported) {
  client::GenerateOptions options = MostProbable("lamp rages Mute.", 1);
  options.echo = true;
  const Generated generated = Generate(options);
  ASSERT_TRUE(generated.end.ok()) << generated.end.status();
  EXPECT_EQ(generated.start.unknown_count, 2);
  EXPECT_THAT(generated.start.unknown_characters, ElementsAre(" rages", " Mute"));
  EXPECT_THAT(generated.text, StartsWith(" lamp\xEF\xBF\xBD\xEF\xBF\xBD."));
  EXPECT_EQ(generated.end->prompt_tokens, 4);
}

TEST_F(WordsTest, AStopStringMayEndWithinAWordWhoseRestIsGone) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  client::GenerateOptions options{
      .session = session->name, .prompt = "The sea's", .max_tokens = 30, .stop_strings = {"he la"}};
  options.sampling.temperature = 0;
  const Generated stopped = Generate(options);
  ASSERT_TRUE(stopped.end.ok()) << stopped.end.status();
  EXPECT_EQ(stopped.end->finish_reason, FinishReason::kStopString);
  EXPECT_EQ(stopped.text, " calm, and t");
  EXPECT_EQ(stopped.end->generated_tokens, 5);  // " lamp" is among them
  client::GenerateOptions next{.session = session->name, .max_tokens = 3};
  next.sampling.temperature = 0;
  EXPECT_EQ(Generate(next).text, " is lit.");

  options = MostProbable("The sea's", 30);
  options.stop_strings = {"he la"};
  options.include_stop = true;
  EXPECT_EQ(Generate(options).text, " calm, and the la");
}

TEST_F(WordsTest, WordsAreAllowedAndBannedByTheirText) {
  client::GenerateOptions options = MostProbable("and", 3);
  options.sampling.allowed_texts = {"lamp"};
  EXPECT_EQ(Generate(options).text, " lamp lamp lamp");
  options = MostProbable("The sea's", 1);
  options.sampling.banned_texts = {"calm"};
  EXPECT_NE(Generate(options).text, " calm");
  options.sampling.banned_texts = {"storm"};
  EXPECT_EQ(ErrorField(Generate(options).end.status()), "sampling.banned_texts[0]");
}

TEST_F(WordsTest, SettingsOfSamplingTakeWordsByTheirIds) {
  const int32_t calm = Generate(MostProbable("The sea's", 1)).tokens.front();
  client::GenerateOptions options = MostProbable("The sea's", 1);
  options.sampling.banned_tokens = {calm};
  EXPECT_NE(Generate(options).text, " calm");
  options = MostProbable("and", 4);
  options.sampling.allowed_tokens = {calm};
  EXPECT_EQ(Generate(options).text, " calm calm calm calm");
  options = MostProbable("and", 2);
  options.sampling.logit_bias = {{calm, 100}};
  EXPECT_EQ(Generate(options).text, " calm calm");
  options = MostProbable("and", 2);
  options.sampling.banned_tokens = {12};
  const auto refused = Generate(options).end.status();
  EXPECT_EQ(ErrorField(refused), "sampling.banned_tokens");
}

TEST_F(WordsTest, AScoreIsPerWordAndItsBitsPerCharacter) {
  const std::string text = Text();
  const auto score = [&](size_t piece, std::vector<int32_t>& tokens) {
    size_t sent = 0;
    return client_->ScoreText(
        {.model = "models/sea", .log_probabilities = 0},
        [&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
          const size_t count = std::min({text.size() - sent, piece, buffer.size()});
          std::copy_n(text.data() + sent, count, buffer.begin());
          sent += count;
          return count;
        },
        {.tokens = [&](const std::vector<int32_t>& some,
                       const std::vector<client::DrawnLogProbability>&) {
          tokens.insert(tokens.end(), some.begin(), some.end());
          return true;
        }});
  };
  std::vector<int32_t> whole_tokens, cut_tokens;
  const auto whole = score(1 << 20, whole_tokens), cut = score(41, cut_tokens);
  ASSERT_TRUE(whole.ok() && cut.ok()) << whole.status() << cut.status();
  EXPECT_EQ(whole->tokens, 300 * 11 + 3);
  EXPECT_EQ(whole->characters, static_cast<int64_t>(text.size()));
  EXPECT_EQ(whole->unknown_count, 1);
  EXPECT_NEAR(whole->perplexity,
              std::exp(-whole->log_probability / static_cast<double>(whole->tokens)), 1e-9);
  EXPECT_NEAR(whole->bits_per_character,
              -whole->log_probability / std::log(2.0) / static_cast<double>(text.size()), 1e-9);
  EXPECT_LT(whole->perplexity, 1.5);
  // Words that messages cut are whole all the same.
  EXPECT_EQ(cut_tokens, whole_tokens);
  EXPECT_EQ(cut->log_probability, whole->log_probability);
  EXPECT_EQ(cut->characters, whole->characters);
}

TEST_F(WordsTest, ASessionAndAModelOfWordsTravelToAnotherServer) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  ASSERT_TRUE(
      Generate({.session = session->name, .prompt = "The sea's", .max_tokens = 4}).end.ok());
  std::string model;
  const auto sink = [&model](std::string_view bytes) {
    model += bytes;
    return absl::OkStatus();
  };
  ASSERT_TRUE(client_->ExportModel("models/sea", sink).ok());
  const auto archive = client_->ExportSession(session->name);
  ASSERT_TRUE(archive.ok()) << archive.status();
  const std::string here = Generate({.session = session->name, .max_tokens = 30}).text;
  const auto imported = client_->ImportModel({.model = "models/twin"}, client::TextSource(model));
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->config.tokenization, client::Tokenization::kWords);
  const auto twin = client_->ImportSession(*archive, "models/twin");
  ASSERT_TRUE(twin.ok()) << twin.status();
  EXPECT_EQ(Generate({.session = twin->name, .max_tokens = 30}).text, here);
}

TEST_F(WordsTest, WhatIsWrongWithWordsIsRefusedByItsField) {
  client::TrainingSpec spec = WordsSpec();
  spec.config.embedding = 0;
  spec.config.tied_head = false;
  EXPECT_EQ(ErrorField(client_->CreateTrainingJob(spec).status()),
            "training_job.spec.words.max_vocabulary");
  const auto bytes = Generate({.model = "models/sea", .prompt_bytes = "x"}).end.status();
  EXPECT_EQ(ErrorField(bytes), "prompt_bytes");
  EXPECT_THAT(std::string(bytes.message()), HasSubstr("whose tokens are words"));
}

}  // namespace
}  // namespace derin::server
