#include "server/jobs/training_start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "server/status/error.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Change = std::function<void(v1::TrainingSpec&)>;

// With a job `source` that ended after 3 epochs and left checkpoints.
struct TrainingStartTest : TrainingGround {
  std::unique_ptr<TrainingJobs> jobs;
  v1::TrainingSpec source;
  std::string checkpoint;  // the newest, of its last step

  void SetUp() override {
    TrainingGround::SetUp();
    jobs = std::make_unique<TrainingJobs>(Parts(), TrainingJobsOptions{});
    ASSERT_TRUE(jobs->Start().ok());
    v1::TrainingSpec spec = TinySpec();
    spec.mutable_optimizer()->mutable_adam()->set_beta1(0.8);
    spec.mutable_learning_rate()->set_schedule(v1::LearningRate::SCHEDULE_COSINE);
    spec.mutable_learning_rate()->set_final_share(0.5);
    spec.mutable_max_training_time()->set_seconds(3600);
    ASSERT_TRUE(jobs->Create(Request("source", spec)).ok());
    Tale(*jobs, "source").AwaitEnd();
    source = jobs->Get("source")->spec();
    checkpoint = jobs->ListCheckpoints("source")->front().name();
  }

  // A request that says no more than where to start.
  v1::TrainingSpec Fork() const {
    v1::TrainingSpec spec;
    spec.mutable_start_from()->set_training_checkpoint(checkpoint);
    return spec;
  }
  v1::TrainingSpec Filled(const v1::TrainingSpec& asked) {
    const auto start = FindStart(asked.start_from(), *store, *blobs);
    EXPECT_TRUE(start.ok()) << start.status();
    return FillFromStart(asked, *start);
  }
  // Why `asked` is refused.
  absl::Status Check(const v1::TrainingSpec& asked) {
    const auto start = FindStart(asked.start_from(), *store, *blobs);
    if (!start.ok()) return start.status();
    const v1::TrainingSpec spec = FillFromStart(asked, *start);
    return CheckAgainstStart(spec, *store->GetCorpus(IdOf(spec.corpus())), *start);
  }
};

TEST_F(TrainingStartTest, FurtherTextsGoWithTheFirst) {
  ASSERT_TRUE(AddCorpus("more", std::string(200, 'a')).ok());
  v1::TrainingSpec asked = Fork();
  asked.set_corpus("corpora/text");
  asked.add_more_corpora()->set_corpus("corpora/more");
  EXPECT_EQ(Filled(asked).more_corpora_size(), 1);
  // What is read is another text then, and not as long.
  asked.mutable_start_from()->set_weights_only(true);
  EXPECT_FALSE(Filled(asked).has_max_tokens());
  const auto job = jobs->Create(Request("fork", asked));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec().max_tokens(), 400);
  Tale(*jobs, "fork").AwaitEnd();

  // That job's texts are all that a fork of it has, unless it says otherwise.
  v1::TrainingSpec again;
  again.mutable_start_from()->set_training_checkpoint(
      jobs->ListCheckpoints("fork")->front().name());
  EXPECT_EQ(Filled(again).more_corpora_size(), 1);
  again.set_corpus("corpora/text");
  EXPECT_EQ(Filled(again).more_corpora_size(), 0);
  EXPECT_FALSE(Filled(again).has_corpus_weight());
  again.add_more_corpora()->set_corpus("corpora/more");
  again.mutable_more_corpora(0)->set_weight(5);
  again.set_epochs(100);
  const absl::Status refused = jobs->Create(Request("heavier", again)).status();
  EXPECT_EQ(ErrorField(refused), "training_job.spec.more_corpora") << refused;
}

TEST_F(TrainingStartTest, WhatIsNotSaidIsTheSourcesOwn) {
  v1::TrainingSpec wanted = source;
  wanted.mutable_start_from()->set_training_checkpoint(checkpoint);
  EXPECT_TRUE(Same(Filled(Fork()), wanted));
  v1::TrainingSpec asked = Fork();
  asked.set_epochs(9);
  asked.set_clip(0.25);
  asked.mutable_learning_rate()->set_peak(0.125);
  asked.mutable_checkpoint_interval()->set_nanos(5);
  asked.mutable_max_training_time()->set_nanos(7);
  asked.set_patience_epochs(2);
  asked.set_model("models/other");
  wanted.set_epochs(9);
  wanted.set_clip(0.25);
  wanted.mutable_learning_rate()->set_peak(0.125);
  wanted.mutable_checkpoint_interval()->Clear();
  wanted.mutable_checkpoint_interval()->set_nanos(5);
  wanted.mutable_max_training_time()->Clear();
  wanted.mutable_max_training_time()->set_nanos(7);
  wanted.set_patience_epochs(2);
  wanted.set_model("models/other");
  EXPECT_TRUE(Same(Filled(asked), wanted));
  EXPECT_TRUE(Check(asked).ok()) << Check(asked);
}

TEST_F(TrainingStartTest, WhatWentWithAReplacedValueGoesWithIt) {
  v1::TrainingSpec asked = Fork();
  asked.mutable_start_from()->set_weights_only(true);
  asked.mutable_learning_rate()->set_schedule(v1::LearningRate::SCHEDULE_CONSTANT);
  asked.mutable_optimizer()->mutable_sgd();
  asked.set_corpus("corpora/other");
  const v1::TrainingSpec filled = Filled(asked);
  EXPECT_FALSE(filled.learning_rate().has_final_share());
  EXPECT_FALSE(filled.learning_rate().has_peak()) << "adam's";
  EXPECT_FALSE(filled.has_max_tokens()) << "the first text's";
  EXPECT_EQ(filled.batch(), source.batch());
}

TEST_F(TrainingStartTest, ANetworkThatIsAnotherIsRefusedNamingTheField) {
  const std::pair<const char*, Change> cases[] = {
      {"config.cell", [](auto& spec) { spec.mutable_config()->set_cell(v1::CELL_GRU); }},
      {"config.layers", [](auto& spec) { spec.mutable_config()->set_layers(2); }},
      {"config.hidden", [](auto& spec) { spec.mutable_config()->set_hidden(9); }},
      {"config.tokenization",
       [](auto& spec) { spec.mutable_config()->set_tokenization(v1::TOKENIZATION_BYTES); }},
      {"config.precision",
       [](auto& spec) { spec.mutable_config()->set_precision(v1::PRECISION_BF16); }}};
  for (const bool weights_only : {false, true}) {
    for (const auto& [field, change] : cases) {
      v1::TrainingSpec asked = Fork();
      asked.mutable_start_from()->set_weights_only(weights_only);
      asked.set_epochs(9);
      EXPECT_TRUE(Check(asked).ok()) << Check(asked);
      change(asked);
      const absl::Status status = Check(asked);
      EXPECT_EQ(ErrorField(status), std::string("training_job.spec.") + field) << status;
      EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("got "), HasSubstr(checkpoint)));
    }
  }
  v1::TrainingSpec same = Fork();
  same.set_epochs(9);
  same.mutable_config()->set_hidden(8);
  EXPECT_TRUE(Check(same).ok());
}

TEST_F(TrainingStartTest,
       WhatThePlaceInTheTextDependsOnIsLockedUnlessTheWeightsAreAllThatIsWanted) {
  ASSERT_TRUE(AddCorpus("other", "abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi ").ok());
  const std::pair<const char*, Change> cases[] = {
      {"corpus", [](auto& spec) { spec.set_corpus("corpora/other"); }},
      {"max_tokens", [](auto& spec) { spec.set_max_tokens(200); }},
      {"validation_share", [](auto& spec) { spec.set_validation_share(0.1); }},
      {"batch", [](auto& spec) { spec.set_batch(2); }},
      {"steps", [](auto& spec) { spec.set_steps(4); }},
      {"partition", [](auto& spec) { spec.set_partition(v1::PARTITION_RANDOM); }},
      {"seed", [](auto& spec) { spec.set_seed(8); }},
      {"optimizer", [](auto& spec) { spec.mutable_optimizer()->mutable_sgd(); }}};
  for (const auto& [field, change] : cases) {
    v1::TrainingSpec asked = Fork();
    asked.set_epochs(9);
    change(asked);
    EXPECT_EQ(ErrorField(Check(asked)), std::string("training_job.spec.") + field) << Check(asked);
    asked.mutable_start_from()->set_weights_only(true);
    EXPECT_TRUE(Check(asked).ok()) << Check(asked);
  }
  // The same text by another name.
  std::string text;
  for (int i = 0; i < 40; ++i) text += "abcdefghi ";
  ASSERT_TRUE(AddCorpus("same", text).ok());
  v1::TrainingSpec asked = Fork();
  asked.set_epochs(9);
  asked.set_corpus("corpora/same");
  EXPECT_TRUE(Check(asked).ok()) << Check(asked);
}

TEST_F(TrainingStartTest, WhatIsDoneAlreadyIsNotTrainedAgain) {
  const absl::Status status = Check(Fork());
  EXPECT_EQ(ErrorField(status), "training_job.spec.epochs");
  EXPECT_THAT(std::string(status.message()), HasSubstr("got 3, wanted more than the 3"));
}

TEST_F(TrainingStartTest, AVersionGivesItsNetworkAndNothingElse) {
  v1::TrainingSpec asked;
  asked.mutable_start_from()->set_model_version("models/tiny");
  asked.set_corpus("corpora/text");
  asked.set_model("models/other");
  const v1::TrainingSpec filled = Filled(asked);
  EXPECT_EQ(filled.start_from().model_version(), "models/tiny/versions/1");
  EXPECT_TRUE(Same(filled.config(), source.config()));
  EXPECT_FALSE(filled.has_batch());
  EXPECT_TRUE(Check(asked).ok()) << Check(asked);
  asked.mutable_config()->set_hidden(9);
  EXPECT_EQ(ErrorField(Check(asked)), "training_job.spec.config.hidden");
}

TEST_F(TrainingStartTest, ATextOfAnotherNormalisationIsRefused) {
  v1::Corpus letters = *store->GetCorpus("text");
  letters.set_name("corpora/letters");
  letters.set_normalization(v1::NORMALIZATION_D2L_LETTERS);
  ASSERT_TRUE(store->InsertCorpus(letters).ok());
  v1::TrainingSpec asked = Fork();
  asked.mutable_start_from()->set_weights_only(true);
  asked.set_corpus("corpora/letters");
  EXPECT_EQ(ErrorField(Check(asked)), "training_job.spec.corpus");
}

TEST_F(TrainingStartTest, WhatIsNotThereOrMakesNoSenseIsSaid) {
  const auto reason = [this](const Change& change) {
    v1::TrainingSpec asked = Fork();
    change(asked);
    const absl::Status status = Check(asked);
    return ErrorField(status).empty() ? ErrorReason(status) : ErrorField(status);
  };
  const auto from = [](auto set) {
    return [set](v1::TrainingSpec& spec) { set(*spec.mutable_start_from()); };
  };
  EXPECT_EQ(reason(from([](auto& f) { f.Clear(); })), "training_job.spec.start_from");
  EXPECT_EQ(reason(from([](auto& f) { f.set_training_checkpoint("a"); })),
            "training_job.spec.start_from.training_checkpoint");
  EXPECT_EQ(reason(from([](auto& f) { f.set_model_version("a"); })),
            "training_job.spec.start_from.model_version");
  EXPECT_EQ(reason(from([](auto& f) {
              f.set_model_version("models/tiny");
              f.set_weights_only(true);
            })),
            "training_job.spec.start_from.weights_only");
  EXPECT_EQ(
      reason(from([](auto& f) { f.set_training_checkpoint("trainingJobs/x/checkpoints/1"); })),
      "JOB_NOT_FOUND");
  EXPECT_EQ(
      reason(from([](auto& f) { f.set_training_checkpoint("trainingJobs/source/checkpoints/1"); })),
      "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(reason(from([](auto& f) { f.set_model_version("models/x"); })), "MODEL_NOT_FOUND");
  EXPECT_EQ(reason(from([](auto& f) { f.set_model_version("models/tiny/versions/7"); })),
            "MODEL_VERSION_NOT_FOUND");
  std::filesystem::remove_all(folder.path() / "blobs");
  EXPECT_EQ(reason([](auto&) {}), "CHECKPOINT_DAMAGED");
}

}  // namespace
}  // namespace derin::server
