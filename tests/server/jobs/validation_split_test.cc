#include "server/jobs/validation_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "model/backend/backend_list.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct ValidationSplitTest : testing::Test {
  std::unique_ptr<Backend> backend = *NewBackend("reference");
  v1::Corpus corpus;
  v1::TrainingSpec spec;

  ValidationSplitTest() {
    corpus.set_name("corpora/text");
    corpus.set_size_bytes(20'000);
    corpus.set_character_count(10'000);
    corpus.set_vocabulary_size(28);
    for (const int characters : {6000, 1000, 3000}) {
      v1::CorpusDocument& document = *corpus.add_documents();
      document.set_character_count(characters);
      document.set_size_bytes(2 * characters);
    }
    spec.set_corpus("corpora/text");
    spec.set_model("models/m");
    spec.set_seed(4);
    spec.set_batch(2);
    spec.set_validation_share(0.2);
  }

  absl::StatusOr<TrainingPlan> Resolve() const {
    return ResolveTrainingSpec(spec, corpus, *backend, 99);
  }
  void ExpectRefused(const std::string& field, const std::string& wanted) const {
    const absl::Status status = Resolve().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(ErrorField(status), "training_job.spec." + field);
    EXPECT_THAT(std::string(status.message()), HasSubstr(wanted));
  }
};

TEST_F(ValidationSplitTest, IsTheEndByDefault) {
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->held_out, ElementsAre(TokenRange{8000, 10'000}));
  EXPECT_EQ(plan->config.held_out_tokens, 2000);
  EXPECT_EQ(plan->spec.validation_split(), v1::VALIDATION_SPLIT_POSITION);
  EXPECT_FALSE(plan->spec.has_validation_block());
}

TEST_F(ValidationSplitTest, IsNothingWithoutAShare) {
  spec.clear_validation_share();
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->held_out, IsEmpty());
  EXPECT_EQ(plan->config.held_out_tokens, 0);
  spec.set_validation_split(v1::VALIDATION_SPLIT_BLOCKS);
  ExpectRefused("validation_split", "validation_share is 0");
}

TEST_F(ValidationSplitTest, OfBlocksIsDrawnByTheSeed) {
  spec.set_validation_split(v1::VALIDATION_SPLIT_BLOCKS);
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->spec.validation_block(), 1024);
  EXPECT_EQ(plan->held_out, HeldOutBlocks(10'000, 0.2, 1024, 4));
  EXPECT_EQ(plan->config.held_out_tokens, CountOf(plan->held_out));
  spec = plan->spec;
  EXPECT_EQ(Resolve()->held_out, plan->held_out) << "a resolved one resolves to itself";
  spec.set_seed(5);
  EXPECT_NE(Resolve()->held_out, plan->held_out);
}

TEST_F(ValidationSplitTest, OfDocumentsHoldsOutWholeOnes) {
  spec.set_validation_split(v1::VALIDATION_SPLIT_DOCUMENTS);
  auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->held_out, ElementsAre(TokenRange{6000, 7000}));
  spec.mutable_config()->set_tokenization(v1::TOKENIZATION_BYTES);
  plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->held_out, ElementsAre(TokenRange{12'000, 14'000}));
}

TEST_F(ValidationSplitTest, OfDocumentsKnowsTheFirstTokensAlone) {
  spec.set_validation_split(v1::VALIDATION_SPLIT_DOCUMENTS);
  spec.set_max_tokens(6500);
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->held_out, ElementsAre(TokenRange{6000, 6500}));
  spec.set_max_tokens(6000);
  ExpectRefused("validation_split", "two documents or more: of corpora/text 1 are read");
  spec.set_max_tokens(6001);
  ExpectRefused("validation_split", "a document of 1 tokens, wanted at least 2");
}

TEST_F(ValidationSplitTest, OfDocumentsWantsSome) {
  corpus.clear_documents();
  spec.set_validation_split(v1::VALIDATION_SPLIT_DOCUMENTS);
  ExpectRefused("validation_split", "of corpora/text 1 are read");
}

TEST_F(ValidationSplitTest, BlocksHaveBounds) {
  spec.set_validation_block(1000);
  ExpectRefused("validation_block", "is not VALIDATION_SPLIT_BLOCKS");
  spec.set_validation_split(v1::VALIDATION_SPLIT_BLOCKS);
  EXPECT_TRUE(Resolve().ok());
  spec.set_validation_block(255);
  ExpectRefused("validation_block", "256");
  spec.set_validation_block(10'000);
  ExpectRefused("validation_block", "fewer than the 10000 tokens");
  spec.set_validation_split(static_cast<v1::ValidationSplit>(9));
  spec.clear_validation_block();
  ExpectRefused("validation_split", "VALIDATION_SPLIT_POSITION, _DOCUMENTS or _BLOCKS");
}

}  // namespace
}  // namespace derin::server
