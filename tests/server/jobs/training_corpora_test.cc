#include "server/jobs/training_corpora.h"

#include <gmock/gmock.h>

#include "server/jobs/training_spec.h"
#include "server/status/error.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct TrainingCorporaTest : TrainingGround {
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
    const absl::Status status = FindCorpora(spec, *store).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(ErrorField(status), "training_job.spec." + field);
    EXPECT_THAT(std::string(status.message()), HasSubstr(wanted));
  }
};

TEST_F(TrainingCorporaTest, OneIsAsItIs) {
  auto found = FindCorpora(spec, *store);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->several());
  EXPECT_TRUE(Same(found->joined, *store->GetCorpus("text")));
  EXPECT_FALSE(spec.has_corpus_weight());
  EXPECT_EQ(JoinTexts(*found, *blobs)->size(), 400u);
  spec.set_corpus_weight(2);
  ExpectRefused("corpus_weight", "wanted none without training_job.spec.more_corpora");
}

TEST_F(TrainingCorporaTest, SeveralAreJoined) {
  AddText("vowels", 3);
  AddText("signs");
  auto found = FindCorpora(spec, *store);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->weights, ElementsAre(1, 3, 1));
  EXPECT_EQ(spec.corpus_weight(), 1);
  EXPECT_EQ(spec.more_corpora(1).weight(), 1);
  EXPECT_EQ(found->joined.character_count(), 800);
  const auto text = JoinTexts(*found, *blobs);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->size(), 800u);
  EXPECT_EQ(text->substr(0, 11), "abcdefghi a");
  EXPECT_EQ(text->substr(400, 1), "a");
  EXPECT_EQ(text->back(), '?');
  // a to i, the space, two signs, and `<unk>`.
  EXPECT_EQ(found->joined.vocabulary_size(), 13);
  const std::string digest = found->joined.sha256();
  spec.mutable_more_corpora()->SwapElements(0, 1);
  EXPECT_NE(FindCorpora(spec, *store)->joined.sha256(), digest);
}

TEST_F(TrainingCorporaTest, RowsGoByWeightAndEachHoldsOutItsEnd) {
  AddText("vowels", 3);
  spec.set_batch(8);
  spec.set_validation_share(0.25);
  auto found = FindCorpora(spec, *store);
  ASSERT_TRUE(JoinTexts(*found, *blobs).ok());
  auto plan = ResolveTrainingSpec(spec, *found, *backend, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->config.parts.size(), 2u);
  EXPECT_EQ(plan->config.parts[0].rows, 2);
  EXPECT_EQ(plan->config.parts[1].rows, 6);
  EXPECT_EQ(plan->config.parts[0].token_count, 300);
  EXPECT_EQ(plan->config.parts[1].token_count, 150);
  EXPECT_THAT(plan->held_out, ElementsAre(TokenRange{300, 400}, TokenRange{550, 600}));
  EXPECT_EQ(plan->config.model.vocabulary, 11);
  // A resolved one resolves to itself.
  const auto again = ResolveTrainingSpec(plan->spec, *found, *backend, 1);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(Same(again->spec, plan->spec));

  spec.mutable_more_corpora(0)->set_weight(1);
  spec.set_steps(60);
  auto of_equals = FindCorpora(spec, *store);
  const absl::Status short_one = ResolveTrainingSpec(spec, *of_equals, *backend, 1).status();
  EXPECT_EQ(ErrorReason(short_one), "CORPUS_TOO_SHORT");
  EXPECT_THAT(std::string(short_one.message()), HasSubstr("corpora/vowels gives too few tokens"));
  spec.clear_steps();

  spec.set_max_tokens(500);
  EXPECT_EQ(ErrorField(ResolveTrainingSpec(spec, *found, *backend, 1).status()),
            "training_job.spec.max_tokens");
  spec.clear_max_tokens();
  spec.set_batch(1);
  EXPECT_EQ(ErrorField(ResolveTrainingSpec(spec, *found, *backend, 1).status()),
            "training_job.spec.batch");
}

TEST_F(TrainingCorporaTest, WhatDoesNotGoTogetherIsRefused) {
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
  spec.mutable_config()->set_tokenization(v1::TOKENIZATION_WORDS);
  ExpectRefused("more_corpora", "wanted characters or bytes");
  spec.mutable_config()->clear_tokenization();
  AddText("gone");
  EXPECT_EQ(FindCorpora(spec, *store).status().code(), absl::StatusCode::kNotFound);
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
