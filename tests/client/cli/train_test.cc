#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class TrainCommand : public CommandTest {
 protected:
  TrainCommand() {
    answers().create_training_job = [this](const v1::CreateTrainingJobRequest& request,
                                           v1::TrainingJob& job) {
      asked_ = request;
      job = request.training_job();
      if (!request.validate_only()) job.set_name("trainingJobs/x");
      return grpc::Status::OK;
    };
  }

  v1::CreateTrainingJobRequest asked_;
};

TEST_F(TrainCommand, SendsOnlyWhatWasSaid) {
  EXPECT_EQ(Run({"train", "--corpus", "a", "--model", "models/b", "--detach"}).status, kSuccess);
  const v1::TrainingSpec& spec = asked_.training_job().spec();
  EXPECT_EQ(spec.corpus(), "corpora/a");
  EXPECT_EQ(spec.model(), "models/b");
  EXPECT_FALSE(spec.has_batch());
  EXPECT_FALSE(spec.has_optimizer());
  EXPECT_EQ(spec.config().cell(), v1::CELL_UNSPECIFIED);
  EXPECT_EQ(spec.config().precision(), v1::PRECISION_UNSPECIFIED);
  EXPECT_FALSE(spec.learning_rate().has_peak());
}

TEST_F(TrainCommand, StartsFromACheckpointOrAVersion) {
  EXPECT_EQ(Run({"train", "--start-from", "a/checkpoints/7", "--detach"}).status, kSuccess);
  v1::TrainingSpec spec = asked_.training_job().spec();
  EXPECT_EQ(spec.start_from().training_checkpoint(), "trainingJobs/a/checkpoints/7");
  EXPECT_FALSE(spec.start_from().weights_only());
  EXPECT_EQ(spec.corpus(), "");
  EXPECT_EQ(spec.model(), "");
  EXPECT_EQ(
      Run({"train", "--start-from", "trainingJobs/a/checkpoints/7", "--weights-only", "--detach"})
          .status,
      kSuccess);
  EXPECT_TRUE(asked_.training_job().spec().start_from().weights_only());
  EXPECT_EQ(
      Run({"train", "--start-from", "m/versions/2", "--corpus", "a", "--model", "b", "--detach"})
          .status,
      kSuccess);
  spec = asked_.training_job().spec();
  EXPECT_EQ(spec.start_from().model_version(), "models/m/versions/2");
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
           {"train", "--start-from", "models/m", "--model", "b"},
           {"train", "--start-from", "models/m", "--corpus", "b"},
           {"train", "--start-from", "m", "--corpus", "a", "--model", "b", "--weights-only"},
           {"train", "--corpus", "a", "--model", "b", "--weights-only"}}) {
    EXPECT_EQ(Run(bad).status, kBadUsage);
  }
}

TEST_F(TrainCommand, SendsEveryFlagToItsField) {
  const Result result = Run({"train",
                             "--corpus",
                             "a",
                             "--model",
                             "b",
                             "--cell",
                             "gru",
                             "--layers",
                             "3",
                             "--hidden",
                             "64",
                             "--tokens",
                             "bytes",
                             "--precision",
                             "bf16",
                             "--batch",
                             "8",
                             "--steps",
                             "16",
                             "--partition",
                             "random",
                             "--optimizer",
                             "adam",
                             "--lr",
                             "0.01",
                             "--schedule",
                             "cosine",
                             "--warmup",
                             "5",
                             "--final-lr-share",
                             "0.1",
                             "--clip",
                             "0.5",
                             "--epochs",
                             "7",
                             "--max-steps",
                             "900",
                             "--max-time",
                             "90.5",
                             "--target-perplexity",
                             "1.5",
                             "--patience",
                             "3",
                             "--max-tokens",
                             "1000",
                             "--validation-share",
                             "0.2",
                             "--validation-split",
                             "blocks",
                             "--validation-block",
                             "300",
                             "--seed",
                             "18446744073709551615",
                             "--checkpoint-seconds",
                             "2.5",
                             "--keep-checkpoints",
                             "4",
                             "--id",
                             "job-1",
                             "--detach"});
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(asked_.training_job_id(), "job-1");
  EXPECT_EQ(
      asked_.training_job().spec().ShortDebugString(),
      "corpus: \"corpora/a\" model: \"models/b\" config { cell: CELL_GRU layers: 3 hidden: 64 "
      "tokenization: TOKENIZATION_BYTES precision: PRECISION_BF16 } max_tokens: 1000 "
      "validation_share: 0.2 batch: 8 steps: 16 partition: PARTITION_RANDOM optimizer { adam { } } "
      "learning_rate { peak: "
      "0.01 schedule: SCHEDULE_COSINE warmup_steps: 5 final_share: 0.1 } clip: 0.5 epochs: 7 "
      "seed: 18446744073709551615 checkpoint_interval { seconds: 2 nanos: 500000000 } "
      "checkpoints_to_keep: 4 max_steps: 900 max_training_time { seconds: 90 nanos: 500000000 } "
      "target_perplexity: 1.5 patience_epochs: 3 validation_split: VALIDATION_SPLIT_BLOCKS "
      "validation_block: 300");
}

TEST_F(TrainCommand, SendsWhichWordsToKnow) {
  const auto spec = [this](std::vector<std::string> flags) {
    std::vector<std::string> words = {"train", "--corpus", "a", "--model", "b", "--detach"};
    words.insert(words.end(), flags.begin(), flags.end());
    EXPECT_EQ(Run(words).status, kSuccess);
    return asked_.training_job().spec();
  };
  const auto both = spec({"--tokens", "words", "--max-vocabulary", "5000", "--min-count", "3"});
  EXPECT_EQ(both.config().tokenization(), v1::TOKENIZATION_WORDS);
  EXPECT_EQ(both.words().ShortDebugString(), "max_vocabulary: 5000 min_count: 3");
  EXPECT_FALSE(spec({"--tokens", "words"}).has_words());
}

TEST_F(TrainCommand, SeveralTextsHaveWeights) {
  EXPECT_EQ(Run({"train", "--corpus", "a=3", "--corpus", "corpora/b", "--corpus", "c=0.5",
                 "--model", "m", "--detach"})
                .status,
            kSuccess);
  const v1::TrainingSpec& spec = asked_.training_job().spec();
  EXPECT_EQ(spec.corpus(), "corpora/a");
  EXPECT_EQ(spec.corpus_weight(), 3);
  ASSERT_EQ(spec.more_corpora_size(), 2);
  EXPECT_EQ(spec.more_corpora(0).ShortDebugString(), "corpus: \"corpora/b\"");
  EXPECT_EQ(spec.more_corpora(1).ShortDebugString(), "corpus: \"corpora/c\" weight: 0.5");
  EXPECT_EQ(Run({"train", "--corpus", "a=x", "--model", "m", "--detach"}).status, kBadUsage);
}

TEST_F(TrainCommand, AFlagOfOneOptimizerAsksForIt) {
  const auto optimizer = [this](std::vector<std::string> flags) {
    std::vector<std::string> words = {"train", "--corpus", "a", "--model", "b", "--detach"};
    words.insert(words.end(), flags.begin(), flags.end());
    EXPECT_EQ(Run(words).status, kSuccess);
    return asked_.training_job().spec().optimizer().ShortDebugString();
  };
  EXPECT_EQ(optimizer({"--momentum", "0.5"}), "sgd { momentum: 0.5 }");
  EXPECT_EQ(optimizer({"--weight-decay", "0.5"}), "adamw { weight_decay: 0.5 }");
  EXPECT_EQ(optimizer({"--optimizer", "adamw"}), "adamw { }");
  for (const auto& flags :
       std::vector<std::vector<std::string>>{{"--optimizer", "adam", "--momentum", "0.5"},
                                             {"--optimizer", "adam", "--weight-decay", "0.5"},
                                             {"--momentum", "0.5", "--weight-decay", "0.5"}}) {
    std::vector<std::string> words = {"train", "--corpus", "a", "--model", "b"};
    words.insert(words.end(), flags.begin(), flags.end());
    EXPECT_EQ(Run(words).status, kBadUsage) << flags.back();
  }
}

TEST_F(TrainCommand, SendsTheTextToDrawTheLabelsAndThePriority) {
  EXPECT_EQ(Run({"train",
                 "--corpus",
                 "a",
                 "--model",
                 "b",
                 "--detach",
                 "--sample",
                 "the ",
                 "--sample-tokens",
                 "7",
                 "--sample-temperature",
                 "0.5",
                 "--sample-seconds",
                 "2",
                 "--label",
                 "team=verse",
                 "--label",
                 "empty=",
                 "--priority",
                 "-3",
                 "--share",
                 "5",
                 "--recover",
                 "--forget-bias",
                 "1",
                 "--dropout",
                 "0.25",
                 "--embedding",
                 "256",
                 "--tied-head"})
                .status,
            kSuccess);
  const v1::TrainingSpec& spec = asked_.training_job().spec();
  EXPECT_EQ(spec.sample().ShortDebugString(),
            "prompt: \"the \" tokens: 7 temperature: 0.5 interval { seconds: 2 }");
  EXPECT_EQ(asked_.training_job().labels().at("team"), "verse");
  EXPECT_EQ(asked_.training_job().labels().at("empty"), "");
  EXPECT_EQ(asked_.training_job().priority(), -3);
  EXPECT_EQ(asked_.training_job().share(), 5);
  EXPECT_TRUE(spec.recover_from_divergence());
  EXPECT_EQ(spec.forget_bias(), 1);
  EXPECT_EQ(spec.dropout(), 0.25);
  EXPECT_EQ(spec.config().embedding(), 256);
  EXPECT_TRUE(spec.config().tied_head());
  EXPECT_EQ(Run({"train", "--corpus", "a", "--model", "b", "--sample-tokens", "7"}).status,
            kBadUsage);
  EXPECT_EQ(Run({"train", "--corpus", "a", "--model", "b", "--sample", ""}).status, kBadUsage);
  EXPECT_EQ(Run({"train", "--corpus", "a", "--model", "b", "--label", "team"}).status, kBadUsage);
}

TEST_F(TrainCommand, WritesOnlyTheJobsNameWhenDetached) {
  const Result result = Run({"train", "--corpus", "a", "--model", "b", "--detach"});
  EXPECT_EQ(result.out, "trainingJobs/x\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(TrainCommand, ShowsTheSpecificationWhenItOnlyValidates) {
  const Result result =
      Run({"train", "--corpus", "a", "--model", "b", "--epochs", "7", "--validate-only"});
  EXPECT_TRUE(asked_.validate_only());
  EXPECT_THAT(result.out, HasSubstr("ends         after 7 epochs\n"));
}

TEST_F(TrainCommand, NamesTheFlagBehindAFieldThatIsRefused) {
  answers().create_training_job = [](const auto&, auto&) {
    return testing::Refusal{.code = grpc::StatusCode::INVALID_ARGUMENT,
                            .message = "training_job.spec.learning_rate.peak: got -1, wanted more",
                            .reason = "INVALID_FIELD",
                            .field = "training_job.spec.learning_rate.peak"}
        .ToGrpc();
  };
  const Result result = Run({"train", "--corpus", "a", "--model", "b", "--lr", "-1"});
  EXPECT_EQ(result.status, kRefused);
  EXPECT_THAT(result.err, EndsWith("wanted more (flag --lr)\n"));
}

TEST_F(TrainCommand, NamesTheFlagBehindAPrecisionThatTheServerLacks) {
  answers().create_training_job = [](const auto&, auto&) {
    return testing::Refusal{.code = grpc::StatusCode::INVALID_ARGUMENT,
                            .message = "training_job.spec.config.precision: it has f32",
                            .reason = "INVALID_FIELD",
                            .field = "training_job.spec.config.precision"}
        .ToGrpc();
  };
  EXPECT_THAT(Run({"train", "--corpus", "a", "--model", "b", "--precision", "bf16"}).err,
              EndsWith("it has f32 (flag --precision)\n"));
  // f64 is for the server's own checks.
  EXPECT_EQ(Run({"train", "--corpus", "a", "--model", "b", "--precision", "f64"}).status,
            kBadUsage);
}

TEST_F(TrainCommand, ProposesTheNearestCorpus) {
  answers().create_training_job = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "corpora/bok does not exist");
  };
  answers().list_corpora = [](const auto&, v1::ListCorporaResponse& response) {
    response.add_corpora()->set_name("corpora/book");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"train", "--corpus", "bok", "--model", "b"}).err,
            "derin: corpora/bok does not exist, did you mean 'book'?\n");
}

TEST_F(TrainCommand, DoesNotCancelTheJobWhenItIsInterrupted) {
  answers().cancel_training_job = [](const auto&, auto&) {
    ADD_FAILURE() << "the job was cancelled";
    return grpc::Status::OK;
  };
  interrupt_.Cancel();
  const Result result = Run({"train", "--corpus", "a", "--model", "b"});
  EXPECT_EQ(result.status, kInterrupted);
  EXPECT_THAT(result.err, HasSubstr("trainingJobs/x goes on"));
}

}  // namespace
}  // namespace derin::cli
