#include "server/jobs/word_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/jobs/checkpoint_files.h"
#include "server/status/error.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// With a corpus `corpora/prose` of the words " the" 200 times, " sea" 100, " is" 60, " calm" 40,
// and once each "the" and ".": 402 tokens.
struct WordSpecTest : TrainingGround {
  void SetUp() override {
    TrainingGround::SetUp();
    text = "the";
    for (int i = 0; i < 200; ++i) text += " the";
    for (int i = 0; i < 100; ++i) text += " sea";
    for (int i = 0; i < 60; ++i) text += " is";
    for (int i = 0; i < 40; ++i) text += " calm";
    text += ".";
    ASSERT_TRUE(AddCorpus("prose", text).ok());
    jobs = std::make_unique<TrainingJobs>(Parts(), TrainingJobsOptions{});
    ASSERT_TRUE(jobs->Start().ok());
  }
  static v1::TrainingSpec WordsSpec() {
    v1::TrainingSpec spec = TinySpec();
    spec.set_corpus("corpora/prose");
    spec.mutable_config()->set_tokenization(v1::TOKENIZATION_WORDS);
    return spec;
  }
  absl::StatusOr<v1::TrainingSpec> Resolved(const v1::TrainingSpec& spec) {
    v1::CreateTrainingJobRequest request = Request("", spec);
    request.set_validate_only(true);
    auto job = jobs->Create(request);
    if (!job.ok()) return job.status();
    return job->spec();
  }
  void ExpectRefused(const v1::TrainingSpec& spec, const std::string& field,
                     const std::string& words) {
    const absl::Status status = Resolved(spec).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(ErrorField(status), "training_job.spec." + field);
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  }
  void Train(const std::string& id, const v1::TrainingSpec& spec) {
    ASSERT_TRUE(jobs->Create(Request(id, spec)).ok());
    Tale(*jobs, id).AwaitEnd();
    ASSERT_EQ(jobs->Get(id)->state(), v1::TrainingJob::STATE_SUCCEEDED) << jobs->Get(id)->message();
  }
  ModelFile Published(const std::string& version) {
    v1::TrainingSpec from;
    from.mutable_start_from()->set_model_version(version);
    return FindStart(from.start_from(), *store, *blobs)->model;
  }

  std::string text;
  std::unique_ptr<TrainingJobs> jobs;
};

TEST_F(WordSpecTest, AJobHasTheSizeOfItsVocabularyAndItsTextInWords) {
  const auto spec = Resolved(WordsSpec());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->words().max_vocabulary(), 7);
  EXPECT_EQ(spec->words().min_count(), 1);
  EXPECT_EQ(spec->max_tokens(), 402);
  const auto again = Resolved(*spec);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), spec->SerializeAsString());
}

TEST_F(WordSpecTest, TheVocabularyIsBoundedByItsSizeAndByCounts) {
  v1::TrainingSpec spec = WordsSpec();
  spec.mutable_words()->set_max_vocabulary(3);
  EXPECT_EQ(Resolved(spec)->words().max_vocabulary(), 3);
  spec = WordsSpec();
  spec.mutable_words()->set_min_count(50);
  EXPECT_EQ(Resolved(spec)->words().max_vocabulary(), 4);
  EXPECT_EQ(Resolved(spec)->words().min_count(), 50);
}

TEST_F(WordSpecTest, RefusesWhatMakesNoVocabularyByItsField) {
  v1::TrainingSpec spec = WordsSpec();
  spec.mutable_words()->set_max_vocabulary(1025);
  ExpectRefused(spec, "words.max_vocabulary",
                "got 1025, wanted 2 to 1024, or to 65536 with training_job.spec.config.embedding");
  spec.mutable_config()->set_embedding(4);
  EXPECT_TRUE(Resolved(spec).ok());
  spec.mutable_words()->set_max_vocabulary(65537);
  ExpectRefused(spec, "words.max_vocabulary", "got 65537, wanted 2 to 65536");
  spec.mutable_words()->set_max_vocabulary(1);
  ExpectRefused(spec, "words.max_vocabulary", "got 1, wanted 2");
  spec = WordsSpec();
  spec.mutable_words()->set_min_count(0);
  ExpectRefused(spec, "words.min_count", "got 0, wanted 1 to");
  spec.mutable_words()->set_min_count(201);
  ExpectRefused(spec, "words.min_count", "got 201, and the text has no word so often");
  spec = TinySpec();
  spec.mutable_words();
  ExpectRefused(spec, "words", "whose tokens are no words");
}

TEST_F(WordSpecTest, AnEmbeddingHasALargerDefault) {
  std::string many;
  for (int i = 0; i < 11'000; ++i) many += " w" + std::to_string(i);
  ASSERT_TRUE(AddCorpus("many", many).ok());
  v1::TrainingSpec spec = WordsSpec();
  spec.set_corpus("corpora/many");
  EXPECT_EQ(Resolved(spec)->words().max_vocabulary(), 1024);
  spec.mutable_config()->set_embedding(4);
  EXPECT_EQ(Resolved(spec)->words().max_vocabulary(), 10'000);
}

TEST_F(WordSpecTest, AJobTrainsAndPublishesAModelOfThoseWords) {
  v1::TrainingSpec spec = WordsSpec();
  spec.mutable_words()->set_max_vocabulary(4);
  Train("a", spec);
  const ModelFile file = Published("models/tiny/versions/1");
  ASSERT_NE(file.tokenizer.words(), nullptr);
  EXPECT_THAT(file.tokenizer.words()->words(), ElementsAre(" the", " sea", " is"));
  const auto version = store->GetModelVersion({"tiny", 1});
  EXPECT_EQ(version->config().tokenization(), v1::TOKENIZATION_WORDS);
  EXPECT_EQ(version->vocabulary_size(), 4);
}

TEST_F(WordSpecTest, ATrainingThatGoesOnKnowsTheWordsOfItsStart) {
  v1::TrainingSpec spec = WordsSpec();
  spec.mutable_words()->set_min_count(50);
  Train("a", spec);
  ASSERT_TRUE(AddCorpus("other", text + " the foam").ok());

  v1::TrainingSpec next = TinySpec();
  next.set_corpus("corpora/other");
  next.mutable_start_from()->set_model_version("models/tiny");
  EXPECT_EQ(Resolved(next)->words().max_vocabulary(), 4);
  EXPECT_EQ(Resolved(next)->max_tokens(), 404);
  next.mutable_words()->set_max_vocabulary(5);
  ExpectRefused(next, "words.max_vocabulary", "got 5, wanted 4, which models/tiny/versions/1 has");
  next.mutable_words()->set_max_vocabulary(4);
  next.mutable_words()->set_min_count(50);
  ExpectRefused(next, "words.min_count", "the words are those of models/tiny/versions/1");
  next.clear_words();
  Train("b", next);
  EXPECT_THAT(Published("models/tiny/versions/2").tokenizer.words()->words(),
              ElementsAre(" the", " sea", " is"));

  v1::TrainingSpec fork;
  fork.mutable_start_from()->set_training_checkpoint(jobs->ListCheckpoints("a")->front().name());
  fork.set_epochs(4);
  EXPECT_EQ(Resolved(fork)->words().min_count(), 50);
  Train("c", fork);
  fork.mutable_words()->set_min_count(2);
  ExpectRefused(fork, "words.min_count", "got 2, wanted none");
}

}  // namespace
}  // namespace derin::server
