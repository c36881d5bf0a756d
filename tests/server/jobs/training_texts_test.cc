#include "server/jobs/training_texts.h"

#include <gmock/gmock.h>

#include "server/jobs/training_spec.h"
#include "server/status/error.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct TrainingTextsTest : TrainingGround {
  v1::TrainingSpec spec;

  void SetUp() override {
    TrainingGround::SetUp();
    ASSERT_TRUE(AddCorpus("vowels", std::string(90, 'a') + std::string(110, 'e')).ok());
    ASSERT_TRUE(AddCorpus("signs", std::string(100, '!') + std::string(100, '?')).ok());
    spec = TinySpec();
  }
  void AddText(const std::string& id, std::optional<double> weight = std::nullopt) {
    v1::WeightedCorpus& more = *spec.add_more_corpora();
    more.set_corpus("corpora/" + id);
    if (weight.has_value()) more.set_weight(*weight);
  }
  void ExpectRefused(const std::string& field, const std::string& wanted) {
    const absl::Status status = FindTexts(spec, *store).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(ErrorField(status), "training_job.spec." + field);
    EXPECT_THAT(std::string(status.message()), HasSubstr(wanted));
  }
};

TEST_F(TrainingTextsTest, OneIsAsItIs) {
  auto found = FindTexts(spec, *store);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->several());
  EXPECT_TRUE(Same(found->texts.front().corpus, *store->GetCorpus("text")));
  EXPECT_EQ(found->sha256, found->texts.front().corpus.sha256());
  EXPECT_EQ(found->vocabulary_size, 11);
  EXPECT_FALSE(spec.has_corpus_weight());
  spec.set_corpus_weight(2);
  ExpectRefused("corpus_weight", "wanted none without training_job.spec.more_corpora");
}

TEST_F(TrainingTextsTest, SeveralHaveWeights) {
  AddText("vowels", 3);
  AddText("signs");
  auto found = FindTexts(spec, *store);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->texts.size(), 3u);
  EXPECT_EQ(found->texts[0].weight, 1);
  EXPECT_EQ(found->texts[1].weight, 3);
  EXPECT_EQ(found->texts[2].weight, 1);
  EXPECT_EQ(spec.corpus_weight(), 1);
  EXPECT_EQ(spec.more_corpora(1).weight(), 1);
  const std::string digest = found->sha256;
  spec.mutable_more_corpora()->SwapElements(0, 1);
  EXPECT_NE(FindTexts(spec, *store)->sha256, digest);
}

TEST_F(TrainingTextsTest, HasTokensByDocument) {
  TrainingText text{.corpus = *store->GetCorpus("text")};
  EXPECT_THAT(text.DocumentTokens(v1::TOKENIZATION_CHARACTERS), ElementsAre(400));
  for (const int characters : {100, 300}) {
    v1::CorpusDocument& document = *text.corpus.add_documents();
    document.set_character_count(characters);
    document.set_size_bytes(2 * characters);
  }
  EXPECT_THAT(text.DocumentTokens(v1::TOKENIZATION_CHARACTERS), ElementsAre(100, 300));
  EXPECT_THAT(text.DocumentTokens(v1::TOKENIZATION_BYTES), ElementsAre(200, 600));
  text.document_words = {20, 50};
  EXPECT_THAT(text.DocumentTokens(v1::TOKENIZATION_WORDS), ElementsAre(20, 50));
}

TEST_F(TrainingTextsTest, RowsGoByWeightAndEachHoldsOutItsEnd) {
  AddText("vowels", 3);
  spec.set_batch(8);
  spec.set_validation_share(0.25);
  auto found = FindTexts(spec, *store);
  auto plan = ResolveTrainingSpec(spec, *found, *backend, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->config.parts.size(), 2u);
  EXPECT_EQ(plan->config.parts[0].rows, 2);
  EXPECT_EQ(plan->config.parts[1].rows, 6);
  EXPECT_EQ(plan->config.parts[0].token_count, 300);
  EXPECT_EQ(plan->config.parts[1].token_count, 150);
  EXPECT_THAT(plan->held_out, ElementsAre(TokenRange{300, 400}, TokenRange{550, 600}));
  // A resolved one resolves to itself.
  EXPECT_EQ(plan->spec.max_tokens(), 400);
  const auto again = ResolveTrainingSpec(plan->spec, *found, *backend, 1);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(Same(again->spec, plan->spec));

  spec.mutable_more_corpora(0)->set_weight(1);
  spec.set_steps(60);
  auto of_equals = FindTexts(spec, *store);
  const absl::Status short_one = ResolveTrainingSpec(spec, *of_equals, *backend, 1).status();
  EXPECT_EQ(ErrorReason(short_one), "CORPUS_TOO_SHORT");
  EXPECT_THAT(std::string(short_one.message()), HasSubstr("corpora/vowels gives too few tokens"));
  spec.clear_steps();

  spec.set_batch(1);
  EXPECT_EQ(ErrorField(ResolveTrainingSpec(spec, *found, *backend, 1).status()),
            "training_job.spec.batch");
}

TEST_F(TrainingTextsTest, TheFirstTokensAreThoseOfEach) {
  AddText("vowels");
  spec.set_max_tokens(300);
  spec.set_validation_share(0.1);
  auto found = FindTexts(spec, *store);
  const auto plan = ResolveTrainingSpec(spec, *found, *backend, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->text_tokens, ElementsAre(300, 200));
  EXPECT_EQ(plan->token_count, 500);
  EXPECT_THAT(plan->held_out, ElementsAre(TokenRange{270, 300}, TokenRange{480, 500}));
  EXPECT_EQ(plan->spec.max_tokens(), 300);
}

TEST_F(TrainingTextsTest, WhatDoesNotGoTogetherIsRefused) {
  AddText("text");
  ExpectRefused("more_corpora[0].corpus", "twice");
  spec.clear_more_corpora();
  AddText("vowels", 0);
  ExpectRefused("more_corpora[0].weight", "above 0");
  spec.clear_more_corpora();
  AddText("vowels");
  spec.set_corpus_weight(2e6);
  ExpectRefused("corpus_weight", "1000000");
  spec.clear_corpus_weight();
  AddText("gone");
  EXPECT_EQ(FindTexts(spec, *store).status().code(), absl::StatusCode::kNotFound);
  spec.clear_more_corpora();
  v1::Corpus letters = TestCorpus("letters", "abc");
  letters.set_normalization(v1::NORMALIZATION_D2L_LETTERS);
  ASSERT_TRUE(store->InsertCorpus(letters).ok());
  AddText("letters");
  ExpectRefused("more_corpora[0].corpus", "wanted one with NORMALIZATION_RAW, as corpora/text has");
  spec.clear_more_corpora();
  for (int i = 0; i < 64; ++i) AddText("a" + std::to_string(i));
  ExpectRefused("more_corpora", "got 64, wanted at most 63");
}

}  // namespace
}  // namespace derin::server
