#include "server/jobs/training_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "google/protobuf/util/message_differencer.h"
#include "model/backend/backend_list.h"
#include "server/registry/proto_conversion.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Change = std::function<void(v1::TrainingSpec&)>;

const double kNan = std::nan("");
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct TrainingSpecTest : testing::Test {
  std::unique_ptr<Backend> backend = *NewBackend("reference");
  v1::Corpus corpus;
  v1::TrainingSpec spec;

  TrainingSpecTest() {
    corpus.set_name("corpora/text");
    corpus.set_size_bytes(20'000);
    corpus.set_character_count(10'000);
    corpus.set_vocabulary_size(28);
    spec.set_corpus("corpora/text");
    spec.set_model("models/m");
  }

  absl::StatusOr<TrainingPlan> Resolve() const {
    return ResolveTrainingSpec(spec, corpus, *backend, 99);
  }
};

TEST_F(TrainingSpecTest, DefaultsAreThoseOfTheRecipe) {
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  const TrainingConfig& config = plan->config;
  EXPECT_EQ(config.model,
            (StackConfig{.cell = Cell::kLstm, .layers = 2, .hidden = 256, .vocabulary = 28}));
  EXPECT_EQ(config.optimizer.kind, OptimizerKind::kSgd);
  EXPECT_EQ(config.optimizer.clip, 1);
  EXPECT_EQ(config.learning_rate.peak, 2);
  EXPECT_EQ(config.batch, 32);
  EXPECT_EQ(config.steps, 35);
  EXPECT_EQ(config.partition, Partition::kSequential);
  EXPECT_EQ(config.epochs, 500);
  EXPECT_EQ(config.early_ends.max_steps, 0);
  EXPECT_EQ(config.early_ends.target_perplexity, 0);
  EXPECT_EQ(config.early_ends.patience_epochs, 0);
  EXPECT_EQ(plan->max_training_time, absl::InfiniteDuration());
  EXPECT_EQ(config.held_out_tokens, 0);
  EXPECT_EQ(config.seed, 99u);
  EXPECT_EQ(plan->token_count, 10'000);
  // 10,000 tokens fill 8 windows in each of 32 rows, whatever the offset.
  EXPECT_EQ(plan->total_steps, 500 * 8);
  EXPECT_EQ(plan->parameter_count, ParameterLayout(config.model).count());
}

TEST_F(TrainingSpecTest, NothingWithADefaultIsLeftUnset) {
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  const v1::TrainingSpec& resolved = plan->spec;
  EXPECT_EQ(resolved.config().cell(), v1::CELL_LSTM);
  EXPECT_EQ(resolved.config().tokenization(), v1::TOKENIZATION_CHARACTERS);
  EXPECT_EQ(resolved.config().precision(), v1::PRECISION_F32);
  EXPECT_EQ(resolved.max_tokens(), 10'000);
  EXPECT_TRUE(resolved.has_validation_share());
  EXPECT_TRUE(resolved.has_batch());
  EXPECT_TRUE(resolved.has_steps());
  EXPECT_EQ(resolved.partition(), v1::PARTITION_SEQUENTIAL);
  EXPECT_TRUE(resolved.optimizer().sgd().has_momentum());
  EXPECT_EQ(resolved.learning_rate().peak(), 2);
  EXPECT_EQ(resolved.learning_rate().schedule(), v1::LearningRate::SCHEDULE_CONSTANT);
  EXPECT_TRUE(resolved.learning_rate().has_warmup_steps());
  EXPECT_TRUE(resolved.has_clip());
  EXPECT_TRUE(resolved.has_epochs());
  EXPECT_TRUE(resolved.has_max_steps());
  EXPECT_TRUE(resolved.has_max_training_time());
  EXPECT_TRUE(resolved.has_target_perplexity());
  EXPECT_TRUE(resolved.has_patience_epochs());
  EXPECT_TRUE(resolved.has_dropout());
  EXPECT_EQ(resolved.seed(), 99u);
}

TEST_F(TrainingSpecTest, AResolvedSpecResolvesToItself) {
  for (const Change& change :
       {Change([](v1::TrainingSpec&) {}), Change([](v1::TrainingSpec& s) {
          s.mutable_optimizer()->mutable_adam();
          s.mutable_learning_rate()->set_schedule(v1::LearningRate::SCHEDULE_COSINE);
          s.set_validation_share(0.1);
          s.mutable_config()->set_tokenization(v1::TOKENIZATION_BYTES);
          s.mutable_sample()->set_prompt("a");
        }),
        Change([](v1::TrainingSpec& s) {
          s.mutable_optimizer()->mutable_adamw();
          s.set_forget_bias(1);
          s.set_dropout(0.5);
          s.mutable_config()->set_embedding(256);
          s.mutable_config()->set_tied_head(true);
        })}) {
    change(spec);
    const auto once = Resolve();
    ASSERT_TRUE(once.ok()) << once.status();
    const auto twice = ResolveTrainingSpec(once->spec, corpus, *backend, 1234);
    ASSERT_TRUE(twice.ok()) << twice.status();
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(once->spec, twice->spec));
    EXPECT_EQ(once->total_steps, twice->total_steps);
    EXPECT_EQ(once->config.seed, twice->config.seed);
  }
}

TEST_F(TrainingSpecTest, TakesWhatIsGiven) {
  spec.mutable_config()->set_cell(v1::CELL_GRU);
  spec.mutable_config()->set_layers(3);
  spec.mutable_config()->set_hidden(17);
  spec.mutable_config()->set_tokenization(v1::TOKENIZATION_BYTES);
  spec.set_max_tokens(5'000);
  spec.set_validation_share(0.2);
  spec.set_batch(4);
  spec.set_steps(9);
  spec.set_partition(v1::PARTITION_RANDOM);
  spec.mutable_optimizer()->mutable_adam()->set_beta1(0.5);
  spec.mutable_learning_rate()->set_schedule(v1::LearningRate::SCHEDULE_COSINE);
  spec.mutable_learning_rate()->set_warmup_steps(10);
  spec.mutable_learning_rate()->set_final_share(0.1);
  spec.set_clip(0.25);
  spec.set_epochs(2);
  spec.set_seed(5);
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  const TrainingConfig& config = plan->config;
  EXPECT_EQ(config.model,
            (StackConfig{.cell = Cell::kGru, .layers = 3, .hidden = 17, .vocabulary = 257}));
  EXPECT_EQ(plan->token_count, 5'000);
  EXPECT_EQ(config.held_out_tokens, 1000);
  EXPECT_EQ(config.batch, 4);
  EXPECT_EQ(config.steps, 9);
  EXPECT_EQ(config.partition, Partition::kRandom);
  EXPECT_EQ(config.optimizer.kind, OptimizerKind::kAdam);
  EXPECT_EQ(config.optimizer.beta1, 0.5);
  EXPECT_EQ(config.optimizer.beta2, 0.999);
  EXPECT_EQ(config.optimizer.clip, 0.25);
  EXPECT_EQ(config.learning_rate.peak, 0.001);
  EXPECT_EQ(config.learning_rate.schedule, LearningRateSchedule::kCosine);
  EXPECT_EQ(config.learning_rate.warmup_steps, 10);
  EXPECT_EQ(config.learning_rate.final_share, 0.1);
  EXPECT_EQ(config.epochs, 2);
  EXPECT_EQ(config.seed, 5u);
}

TEST_F(TrainingSpecTest, TheOptimizerIsOfTheKindThatItsFieldsSay) {
  spec.mutable_optimizer()->mutable_sgd()->set_momentum(0.9);
  auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->config.optimizer.kind, OptimizerKind::kMomentum);
  EXPECT_EQ(plan->config.optimizer.momentum, 0.9);
  EXPECT_EQ(plan->config.learning_rate.peak, 2);
  const int64_t with_one_moment = plan->device_bytes;

  spec.mutable_optimizer()->mutable_adamw();
  plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->config.optimizer.kind, OptimizerKind::kAdam);
  EXPECT_EQ(plan->config.optimizer.weight_decay, 0.01);
  EXPECT_EQ(plan->config.learning_rate.peak, 0.001);
  EXPECT_EQ(plan->device_bytes - with_one_moment, 4 * plan->parameter_count);
}

TEST_F(TrainingSpecTest, TakesTheShareThatIsDropped) {
  EXPECT_EQ(Resolve()->config.dropout, 0);
  spec.set_dropout(0.25);
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->config.dropout, 0.25);
}

TEST_F(TrainingSpecTest, TakesWhatTheWeightsBeginWithAndTheTextToDraw) {
  spec.set_forget_bias(-2);
  spec.mutable_sample()->set_prompt("the ");
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->forget_bias, -2.0f);
  ASSERT_TRUE(plan->sample.has_value());
  EXPECT_EQ(plan->sample->prompt, "the ");
  EXPECT_EQ(plan->sample->tokens, 100);
  EXPECT_EQ(plan->sample->temperature, 0.8);
  EXPECT_EQ(plan->sample->seed, 99u);
  EXPECT_EQ(plan->sample_interval, absl::Seconds(10));
  EXPECT_EQ(plan->spec.sample().interval().seconds(), 10);
}

TEST_F(TrainingSpecTest, ReadsNoMoreThanThereIs) {
  spec.set_max_tokens(1'000'000);
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->token_count, 10'000);
  EXPECT_EQ(plan->spec.max_tokens(), 10'000);
}

v1::TrainingSample& SetSample(v1::TrainingSpec& spec) {
  spec.mutable_sample()->set_prompt("a");
  return *spec.mutable_sample();
}

struct BadField {
  std::string field;  // below training_job.spec
  std::string got;    // as the message says it
  Change change;
};

// Every field that has a bound, on both sides of it where there are two.
const BadField kBadFields[] = {
    {"corpus", "\"\"", [](auto& s) { s.clear_corpus(); }},
    {"corpus", "\"text\"", [](auto& s) { s.set_corpus("text"); }},
    {"model", "\"\"", [](auto& s) { s.clear_model(); }},
    {"model", "models/M", [](auto& s) { s.set_model("models/M"); }},
    {"config.cell", "9", [](auto& s) { s.mutable_config()->set_cell(v1::Cell(9)); }},
    {"config.layers", "0", [](auto& s) { s.mutable_config()->set_layers(0); }},
    {"config.layers", "9", [](auto& s) { s.mutable_config()->set_layers(9); }},
    {"config.hidden", "0", [](auto& s) { s.mutable_config()->set_hidden(0); }},
    {"config.hidden", "2049", [](auto& s) { s.mutable_config()->set_hidden(2049); }},
    {"config.tokenization", "7",
     [](auto& s) { s.mutable_config()->set_tokenization(v1::Tokenization(7)); }},
    {"config.precision", "9", [](auto& s) { s.mutable_config()->set_precision(v1::Precision(9)); }},
    {"max_tokens", "1", [](auto& s) { s.set_max_tokens(1); }},
    {"max_tokens", "-5", [](auto& s) { s.set_max_tokens(-5); }},
    {"validation_share", "-0.1", [](auto& s) { s.set_validation_share(-0.1); }},
    {"validation_share", "0.51", [](auto& s) { s.set_validation_share(0.51); }},
    {"validation_share", "nan", [](auto& s) { s.set_validation_share(kNan); }},
    {"batch", "0", [](auto& s) { s.set_batch(0); }},
    {"batch", "513", [](auto& s) { s.set_batch(513); }},
    {"steps", "0", [](auto& s) { s.set_steps(0); }},
    {"steps", "1025", [](auto& s) { s.set_steps(1025); }},
    {"partition", "3", [](auto& s) { s.set_partition(v1::Partition(3)); }},
    {"optimizer.adam.beta1", "1",
     [](auto& s) { s.mutable_optimizer()->mutable_adam()->set_beta1(1); }},
    {"optimizer.adam.beta1", "-1",
     [](auto& s) { s.mutable_optimizer()->mutable_adam()->set_beta1(-1); }},
    {"optimizer.adam.beta2", "1",
     [](auto& s) { s.mutable_optimizer()->mutable_adam()->set_beta2(1); }},
    {"optimizer.adam.beta2", "nan",
     [](auto& s) { s.mutable_optimizer()->mutable_adam()->set_beta2(kNan); }},
    {"optimizer.adam.beta2", "0.9999999",
     [](auto& s) { s.mutable_optimizer()->mutable_adam()->set_beta2(0.9999999); }},
    {"optimizer.adam.epsilon", "1e-46",
     [](auto& s) { s.mutable_optimizer()->mutable_adam()->set_epsilon(1e-46); }},
    {"optimizer.adam.epsilon", "0",
     [](auto& s) { s.mutable_optimizer()->mutable_adam()->set_epsilon(0); }},
    {"optimizer.adam.epsilon", "inf",
     [](auto& s) { s.mutable_optimizer()->mutable_adam()->set_epsilon(kInfinity); }},
    {"optimizer.adamw.beta2", "1",
     [](auto& s) { s.mutable_optimizer()->mutable_adamw()->set_beta2(1); }},
    {"optimizer.adamw.weight_decay", "-0.1",
     [](auto& s) { s.mutable_optimizer()->mutable_adamw()->set_weight_decay(-0.1); }},
    {"optimizer.adamw.weight_decay", "1.5",
     [](auto& s) { s.mutable_optimizer()->mutable_adamw()->set_weight_decay(1.5); }},
    {"optimizer.sgd.momentum", "1",
     [](auto& s) { s.mutable_optimizer()->mutable_sgd()->set_momentum(1); }},
    {"optimizer.sgd.momentum", "nan",
     [](auto& s) { s.mutable_optimizer()->mutable_sgd()->set_momentum(kNan); }},
    {"config.embedding", "-1", [](auto& s) { s.mutable_config()->set_embedding(-1); }},
    {"config.embedding", "2049", [](auto& s) { s.mutable_config()->set_embedding(2049); }},
    {"config.tied_head", "config.hidden",
     [](auto& s) {
       s.mutable_config()->set_embedding(64);
       s.mutable_config()->set_tied_head(true);
     }},
    {"dropout", "1", [](auto& s) { s.set_dropout(1); }},
    {"dropout", "-0.1", [](auto& s) { s.set_dropout(-0.1); }},
    {"dropout", "nan", [](auto& s) { s.set_dropout(kNan); }},
    {"dropout", "config.layers",
     [](auto& s) {
       s.set_dropout(0.1);
       s.mutable_config()->set_layers(1);
     }},
    {"forget_bias", "101", [](auto& s) { s.set_forget_bias(101); }},
    {"forget_bias", "nan", [](auto& s) { s.set_forget_bias(kNan); }},
    {"forget_bias", "config.cell",
     [](auto& s) {
       s.set_forget_bias(1);
       s.mutable_config()->set_cell(v1::CELL_GRU);
     }},
    {"forget_bias", "start_from",
     [](auto& s) {
       s.set_forget_bias(1);
       s.mutable_start_from()->set_model_version("models/m/versions/1");
     }},
    {"sample.prompt", "0 bytes", [](auto& s) { s.mutable_sample(); }},
    {"sample.prompt", "1025 bytes",
     [](auto& s) { s.mutable_sample()->set_prompt(std::string(1025, 'a')); }},
    {"sample.tokens", "0", [](auto& s) { SetSample(s).set_tokens(0); }},
    {"sample.tokens", "1025", [](auto& s) { SetSample(s).set_tokens(1025); }},
    {"sample.temperature", "-1", [](auto& s) { SetSample(s).set_temperature(-1); }},
    {"sample.temperature", "nan", [](auto& s) { SetSample(s).set_temperature(kNan); }},
    {"sample.interval", "999ms",
     [](auto& s) { SetSample(s).mutable_interval()->set_nanos(999'000'000); }},
    {"learning_rate.peak", "0", [](auto& s) { s.mutable_learning_rate()->set_peak(0); }},
    {"learning_rate.peak", "1001", [](auto& s) { s.mutable_learning_rate()->set_peak(1001); }},
    {"learning_rate.peak", "nan", [](auto& s) { s.mutable_learning_rate()->set_peak(kNan); }},
    {"learning_rate.schedule", "5",
     [](auto& s) { s.mutable_learning_rate()->set_schedule(v1::LearningRate::Schedule(5)); }},
    {"learning_rate.warmup_steps", "-1",
     [](auto& s) { s.mutable_learning_rate()->set_warmup_steps(-1); }},
    {"learning_rate.warmup_steps", "1000001",
     [](auto& s) { s.mutable_learning_rate()->set_warmup_steps(1'000'001); }},
    {"learning_rate.final_share", "1.5",
     [](auto& s) {
       s.mutable_learning_rate()->set_schedule(v1::LearningRate::SCHEDULE_COSINE);
       s.mutable_learning_rate()->set_final_share(1.5);
     }},
    {"clip", "0", [](auto& s) { s.set_clip(0); }},
    {"clip", "inf", [](auto& s) { s.set_clip(kInfinity); }},
    {"clip", "nan", [](auto& s) { s.set_clip(kNan); }},
    {"epochs", "0", [](auto& s) { s.set_epochs(0); }},
    {"epochs", "1000001", [](auto& s) { s.set_epochs(1'000'001); }},
    {"max_steps", "-1", [](auto& s) { s.set_max_steps(-1); }},
    {"max_steps", "1000000000001", [](auto& s) { s.set_max_steps(1'000'000'000'001); }},
    {"max_training_time", "999ms",
     [](auto& s) { s.mutable_max_training_time()->set_nanos(999'000'000); }},
    {"max_training_time", "-1s", [](auto& s) { s.mutable_max_training_time()->set_seconds(-1); }},
    {"max_training_time", "10000h1s",
     [](auto& s) { s.mutable_max_training_time()->set_seconds(36'000'001); }},
    {"target_perplexity", "0.99", [](auto& s) { s.set_target_perplexity(0.99); }},
    {"target_perplexity", "nan", [](auto& s) { s.set_target_perplexity(kNan); }},
    {"target_perplexity", "inf", [](auto& s) { s.set_target_perplexity(kInfinity); }},
    {"patience_epochs", "-1", [](auto& s) { s.set_patience_epochs(-1); }},
    {"patience_epochs", "1000001", [](auto& s) { s.set_patience_epochs(1'000'001); }},
    {"checkpoint_interval", "999ms",
     [](auto& s) { s.mutable_checkpoint_interval()->set_nanos(999'000'000); }},
    {"checkpoint_interval", "24h1s",
     [](auto& s) { s.mutable_checkpoint_interval()->set_seconds(86'401); }},
    {"checkpoints_to_keep", "0", [](auto& s) { s.set_checkpoints_to_keep(0); }},
    {"checkpoints_to_keep", "101", [](auto& s) { s.set_checkpoints_to_keep(101); }},
    {"max_trained_tokens", "-1", [](auto& s) { s.set_max_trained_tokens(-1); }},
    {"max_trained_tokens", "1000000000000001",
     [](auto& s) { s.set_max_trained_tokens(1'000'000'000'000'001); }},
    {"validation_interval", "-1", [](auto& s) { s.set_validation_interval(-1); }},
    {"validation_interval", "1000000000001",
     [](auto& s) { s.set_validation_interval(1'000'000'000'001); }},
    {"validation_interval", "wanted none", [](auto& s) { s.set_validation_interval(5); }},
    {"best_checkpoints_to_keep", "-1", [](auto& s) { s.set_best_checkpoints_to_keep(-1); }},
    {"best_checkpoints_to_keep", "101", [](auto& s) { s.set_best_checkpoints_to_keep(101); }},
};

TEST_F(TrainingSpecTest, NamesTheFieldAtFault) {
  const v1::TrainingSpec good = spec;
  for (const BadField& bad : kBadFields) {
    spec = good;
    bad.change(spec);
    const absl::Status status = Resolve().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.field << ": " << status;
    EXPECT_EQ(ErrorField(status), "training_job.spec." + bad.field) << status;
    EXPECT_EQ(ErrorReason(status), "INVALID_FIELD") << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.got)) << bad.field;
  }
}

TEST_F(TrainingSpecTest, TakesThePrecisionsThatTheBackendHasAndRefusesTheOthers) {
  for (const std::string_view name : BackendNames()) {
    backend = *NewBackend(name);
    for (const Precision precision :
         OfferedPrecisions({std::begin(kPrecisions), std::end(kPrecisions)})) {
      spec.mutable_config()->set_precision(ToProto(precision));
      const auto plan = Resolve();
      if (CheckPrecision(backend->capabilities(), precision).ok()) {
        ASSERT_TRUE(plan.ok()) << plan.status();
        EXPECT_EQ(plan->config.model.precision, precision);
        EXPECT_EQ(plan->spec.config().precision(), ToProto(precision));
      } else {
        EXPECT_EQ(ErrorField(plan.status()), "training_job.spec.config.precision") << name;
      }
    }
  }
}

TEST_F(TrainingSpecTest, APrecisionThatIsNotThereIsRefusedListingThoseOnOffer) {
  for (const Precision precision : {Precision::kTf32, Precision::kF16, Precision::kBf16}) {
    spec.mutable_config()->set_precision(ToProto(precision));
    const absl::Status status = Resolve().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorField(status), "training_job.spec.config.precision");
    EXPECT_THAT(
        std::string(status.message()),
        AllOf(HasSubstr("got precision " + std::string(PrecisionName(precision))),
              HasSubstr("backend reference"), HasSubstr("it has f32"), Not(HasSubstr("f64"))));
  }
}

TEST_F(TrainingSpecTest, TakesEachBoundItself) {
  for (const Change& change : {
           Change([](auto& s) { s.set_validation_share(0.5); }),
           Change([](auto& s) { s.set_steps(1), s.set_batch(512); }),
           Change([](auto& s) { s.set_steps(1024), s.set_batch(1); }),
           Change([](auto& s) { s.mutable_config()->set_hidden(2048); }),
           Change([](auto& s) { s.mutable_config()->set_layers(8); }),
           Change([](auto& s) { s.mutable_learning_rate()->set_peak(1000); }),
           Change([](auto& s) { s.mutable_optimizer()->mutable_adam()->set_beta1(0); }),
           Change([](auto& s) { s.mutable_checkpoint_interval()->set_seconds(1); }),
           Change([](auto& s) { s.mutable_checkpoint_interval()->set_seconds(86'400); }),
           Change([](auto& s) { s.set_checkpoints_to_keep(100); }),
           Change([](auto& s) { s.set_best_checkpoints_to_keep(100); }),
           Change([](auto& s) { s.set_max_trained_tokens(1'000'000'000'000'000); }),
           Change([](auto& s) {
             s.set_validation_share(0.1);
             s.set_validation_interval(1'000'000'000'000);
           }),
           Change([](auto& s) { s.set_max_steps(1); }),
           Change([](auto& s) { s.set_max_steps(1'000'000'000'000); }),
           Change([](auto& s) { s.mutable_max_training_time()->set_seconds(1); }),
           Change([](auto& s) { s.mutable_max_training_time()->set_seconds(36'000'000); }),
           Change([](auto& s) { s.set_target_perplexity(1); }),
           Change([](auto& s) { s.set_patience_epochs(1'000'000); }),
       }) {
    v1::TrainingSpec good = spec;
    change(good);
    const auto plan = ResolveTrainingSpec(good, corpus, *backend, 1);
    EXPECT_TRUE(plan.ok()) << plan.status();
  }
}

TEST_F(TrainingSpecTest, RefusesAFinalShareWithoutACosine) {
  spec.mutable_learning_rate()->set_final_share(0.5);
  EXPECT_THAT(std::string(Resolve().status().message()),
              AllOf(HasSubstr("training_job.spec.learning_rate.final_share"),
                    HasSubstr("training_job.spec.learning_rate.schedule")));
}

TEST_F(TrainingSpecTest, RefusesAWarmUpLongerThanTheTraining) {
  spec.set_epochs(2);
  spec.mutable_learning_rate()->set_warmup_steps(17);
  const absl::Status status = Resolve().status();
  EXPECT_EQ(ErrorField(status), "training_job.spec.learning_rate.warmup_steps");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("training_job.spec.epochs"), HasSubstr("16 steps")));
  spec.mutable_learning_rate()->set_warmup_steps(16);
  EXPECT_TRUE(Resolve().ok());
}

TEST_F(TrainingSpecTest, TakesWhatElseEndsTheTraining) {
  spec.set_max_steps(20);
  spec.mutable_max_training_time()->set_seconds(90);
  spec.set_target_perplexity(1.5);
  spec.set_patience_epochs(3);
  const auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->config.early_ends.max_steps, 20);
  EXPECT_EQ(plan->config.early_ends.target_perplexity, 1.5);
  EXPECT_EQ(plan->config.early_ends.patience_epochs, 3);
  EXPECT_EQ(plan->max_training_time, absl::Seconds(90));
  // 8 steps an epoch.
  EXPECT_EQ(plan->total_steps, 20);
  EXPECT_EQ(plan->total_epochs, 3);
  const auto again = ResolveTrainingSpec(plan->spec, corpus, *backend, 1);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(plan->spec, again->spec));
  // More than the epochs have is no end.
  spec.set_max_steps(1'000'000);
  EXPECT_EQ(Resolve()->total_steps, 500 * 8);
  EXPECT_EQ(Resolve()->total_epochs, 500);
}

TEST_F(TrainingSpecTest, TrainedTokensAreStepsWhereTheyComeFirst) {
  // Steps of 32 x 35 tokens.
  spec.set_max_trained_tokens(20 * 1120 + 1);
  auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->ends_by_tokens);
  EXPECT_EQ(plan->total_steps, 21);
  EXPECT_EQ(plan->spec.max_steps(), 0);
  const auto again = ResolveTrainingSpec(plan->spec, corpus, *backend, 1);
  EXPECT_EQ(again->total_steps, 21) << "a resolved one resolves to itself";
  spec.set_max_steps(20);
  plan = Resolve();
  EXPECT_FALSE(plan->ends_by_tokens);
  EXPECT_EQ(plan->total_steps, 20);
  spec.set_max_steps(22);
  EXPECT_EQ(Resolve()->total_steps, 21);
  spec.mutable_learning_rate()->set_warmup_steps(22);
  EXPECT_THAT(std::string(Resolve().status().message()),
              AllOf(HasSubstr("21 steps"), HasSubstr("training_job.spec.max_trained_tokens")));
}

TEST_F(TrainingSpecTest, StepsCountFromTheCheckpointThatTheTrainingGoesOnFrom) {
  spec.set_max_steps(20);
  spec.mutable_start_from()->set_training_checkpoint("trainingJobs/a/checkpoints/100");
  EXPECT_EQ(Resolve()->config.early_ends.first_step, 100);
  EXPECT_EQ(Resolve()->total_steps, 120);
  EXPECT_EQ(Resolve()->total_epochs, 15);
  spec.mutable_start_from()->set_weights_only(true);
  EXPECT_EQ(Resolve()->config.early_ends.first_step, 0);
  EXPECT_EQ(Resolve()->total_steps, 20);
}

TEST_F(TrainingSpecTest, RefusesAWarmUpLongerThanTheStepsThatMayBe) {
  spec.set_max_steps(20);
  spec.mutable_learning_rate()->set_warmup_steps(21);
  EXPECT_THAT(std::string(Resolve().status().message()),
              AllOf(HasSubstr("20 steps"), HasSubstr("training_job.spec.max_steps")));
  spec.mutable_learning_rate()->set_warmup_steps(20);
  EXPECT_TRUE(Resolve().ok());
}

TEST_F(TrainingSpecTest, RefusesAVocabularyThatIsTooLargeForOneHotInput) {
  corpus.set_vocabulary_size(1025);
  EXPECT_EQ(ErrorField(Resolve().status()), "training_job.spec.config.tokenization");
  corpus.set_vocabulary_size(1024);
  EXPECT_TRUE(Resolve().ok());
  corpus.set_vocabulary_size(5000);
  spec.mutable_config()->set_embedding(8);
  EXPECT_TRUE(Resolve().ok());
  corpus.set_vocabulary_size(65537);
  EXPECT_EQ(ErrorField(Resolve().status()), "training_job.spec.config.tokenization");
  spec.mutable_config()->set_embedding(0);
  spec.mutable_config()->set_tokenization(v1::TOKENIZATION_BYTES);
  EXPECT_TRUE(Resolve().ok());
}

TEST_F(TrainingSpecTest, SaysHowLongATextWouldHaveToBe) {
  for (const auto& [tokens, share] : {std::pair<int64_t, double>{1154, 0}, {2308, 0.5}, {2, 0.5}}) {
    spec.set_max_tokens(tokens);
    spec.set_validation_share(share);
    const absl::Status status = Resolve().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(ErrorReason(status), "CORPUS_TOO_SHORT");
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("corpora/text"), HasSubstr("1155"),
                      HasSubstr("training_job.spec.batch"), HasSubstr("training_job.spec.steps")));
  }
  spec.set_max_tokens(2310);
  EXPECT_TRUE(Resolve().ok()) << Resolve().status();
}

TEST_F(TrainingSpecTest, SaysHowMuchMemoryIsWanting) {
  auto plan = Resolve();
  ASSERT_TRUE(plan.ok()) << plan.status();
  // At least parameters, gradients and what both layers keep for the backward pass.
  EXPECT_GT(plan->device_bytes, 4 * (2 * plan->parameter_count + 2 * 32 * 35 * 256));
  EXPECT_TRUE(CheckMemory(*plan, *backend).ok());
  plan->device_bytes = std::numeric_limits<int64_t>::max();
  const absl::Status status = CheckMemory(*plan, *backend);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "DEVICE_MEMORY_FULL");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("9223372036854775807 bytes"), HasSubstr("are free")));
  // What other jobs leave once they end counts where it is said.
  plan->device_bytes = int64_t{1} << 60;
  EXPECT_TRUE(CheckMemory(*plan, *backend, int64_t{1} << 60).ok());
  EXPECT_THAT(std::string(CheckMemory(*plan, *backend, 5).message()),
              HasSubstr("would be free once the jobs that run have ended"));
}

TEST_F(TrainingSpecTest, ALargerTrainingWantsMoreMemory) {
  const int64_t bytes = Resolve()->device_bytes;
  for (const Change& change :
       {Change([](auto& s) { s.set_batch(64); }), Change([](auto& s) { s.set_steps(70); }),
        Change([](auto& s) { s.mutable_config()->set_hidden(300); }),
        Change([](auto& s) { s.mutable_config()->set_layers(3); }),
        Change([](auto& s) { s.mutable_optimizer()->mutable_adam(); }),
        Change([](auto& s) { s.set_partition(v1::PARTITION_RANDOM); }),
        Change([](auto& s) { s.set_validation_share(0.1); })}) {
    v1::TrainingSpec larger = spec;
    change(larger);
    const auto plan = ResolveTrainingSpec(larger, corpus, *backend, 1);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_GT(plan->device_bytes, bytes) << larger.DebugString();
  }
}

}  // namespace
}  // namespace derin::server
