#include "model/training/trainer.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/backend_list.h"

namespace derin {
namespace {

// A text of 6 tokens that a small model can learn by heart.
std::vector<int32_t> Text(int count) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(1 + (i % 7) * (i % 7) % 5);
  return tokens;
}

TrainingConfig SmallConfig() {
  return {.model = {.layers = 2, .hidden = 16, .vocabulary = 6},
          .learning_rate = {.peak = 1},
          .batch = 4,
          .steps = 10,
          .epochs = 6,
          .seed = 3};
}

class TrainerTest : public testing::Test {
 protected:
  std::unique_ptr<Trainer> Make(const TrainingConfig& config, int tokens = 1000) {
    auto trainer = Trainer::Create(*backend_, config, Text(tokens),
                                   InitialParameters(config.model, config.seed));
    EXPECT_TRUE(trainer.ok()) << trainer.status();
    return *std::move(trainer);
  }
  static void Finish(Trainer& trainer) {
    while (!trainer.done()) ASSERT_TRUE(trainer.Step().ok());
  }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
};

TEST_F(TrainerTest, LearnsATextByHeartWithEveryCellOptimizerAndPartition) {
  for (const Cell cell : {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm}) {
    for (const OptimizerKind optimizer : {OptimizerKind::kSgd, OptimizerKind::kAdam}) {
      for (const Partition partition : {Partition::kSequential, Partition::kRandom}) {
        TrainingConfig config = SmallConfig();
        config.model.cell = cell;
        config.optimizer.kind = optimizer;
        config.learning_rate.peak = optimizer == OptimizerKind::kAdam ? 0.02
                                    : cell == Cell::kVanillaRelu      ? 0.3
                                                                      : 1;
        config.partition = partition;
        config.epochs = 30;
        auto trainer = Make(config);
        Finish(*trainer);
        SCOPED_TRACE(testing::Message()
                     << CellName(cell) << " " << int(optimizer) << " " << int(partition));
        // A window from a zero state cannot know its first tokens, so a random partition ends
        // higher.
        EXPECT_LT(*trainer->progress().epoch_perplexity,
                  partition == Partition::kRandom ? 1.5 : 1.2);
      }
    }
  }
}

TEST_F(TrainerTest, CountsStepsTokensAndEpochs) {
  auto trainer = Make(SmallConfig());
  // 1,000 tokens less an offset below 10, in 4 rows of 247 to 249: 24 windows of 10.
  EXPECT_EQ(trainer->steps(), 6 * 24);
  EXPECT_EQ(trainer->FractionDone(), 0);
  for (int i = 0; i < 36; ++i) ASSERT_TRUE(trainer->Step().ok());
  EXPECT_EQ(trainer->FractionDone(), 0.25);
  EXPECT_EQ(trainer->progress().epoch, 1);
  EXPECT_GE(trainer->progress().step, 34);
  Finish(*trainer);
  EXPECT_EQ(trainer->progress().step, 144);
  EXPECT_EQ(trainer->progress().tokens, 144 * 40);
  EXPECT_EQ(trainer->progress().epoch_loss.tokens, 24 * 40);
}

TEST_F(TrainerTest, IsTheSameEveryTime) {
  auto first = Make(SmallConfig()), second = Make(SmallConfig());
  Finish(*first);
  Finish(*second);
  EXPECT_EQ(first->PublishableParameters()->values, second->PublishableParameters()->values);
  EXPECT_EQ(first->progress().epoch_perplexity, second->progress().epoch_perplexity);
}

TEST_F(TrainerTest, AnotherSeedGivesAnotherModel) {
  TrainingConfig config = SmallConfig();
  auto first = Make(config);
  config.seed = 4;
  auto second = Make(config);
  Finish(*first);
  Finish(*second);
  EXPECT_NE(first->PublishableParameters()->values, second->PublishableParameters()->values);
}

TEST_F(TrainerTest, FollowsTheScheduleOfTheLearningRate) {
  TrainingConfig config = SmallConfig();
  config.learning_rate = {
      .peak = 0.5, .schedule = LearningRateSchedule::kCosine, .warmup_steps = 10};
  auto trainer = Make(config);
  ASSERT_TRUE(trainer->Step().ok());
  ASSERT_TRUE(trainer->Step().ok());
  ASSERT_TRUE(trainer->Step().ok());
  EXPECT_NEAR(trainer->progress().learning_rate, 0.05 * trainer->progress().step, 1e-12);
  Finish(*trainer);
  EXPECT_NEAR(trainer->progress().learning_rate, 0, 1e-12);
}

TEST_F(TrainerTest, MeasuresHeldOutTextAndPublishesTheBest) {
  TrainingConfig config = SmallConfig();
  config.validation_share = 0.2;
  auto trainer = Make(config);
  EXPECT_FALSE(trainer->progress().validation_perplexity.has_value());
  double best = 1e9;
  std::optional<double> trained_at_best;
  std::vector<float> of_best;
  while (!trainer->done()) {
    ASSERT_TRUE(trainer->Step().ok());
    const TrainerProgress& progress = trainer->progress();
    if (progress.validation_perplexity && *progress.validation_perplexity < best) {
      best = *progress.validation_perplexity;
      trained_at_best = progress.epoch_perplexity;
      of_best = trainer->PublishableParameters()->values;
    }
  }
  EXPECT_EQ(trainer->progress().best_perplexity, best);
  EXPECT_EQ(trainer->PublishableParameters()->values, of_best);
  EXPECT_EQ(trainer->progress().publishable_perplexity, trained_at_best);
}

TEST_F(TrainerTest, PublishesTheLastWeightsWhereNothingIsHeldOut) {
  TrainingConfig config = SmallConfig();
  config.learning_rate.peak = 50;  // so that it gets worse
  auto trainer = Make(config);
  while (!trainer->done()) {
    ASSERT_TRUE(trainer->Step().ok());
    EXPECT_EQ(trainer->progress().publishable_perplexity, trainer->progress().epoch_perplexity);
  }
  EXPECT_LT(*trainer->progress().best_perplexity, *trainer->progress().publishable_perplexity);
}

TEST_F(TrainerTest, NeverTrainsOnHeldOutTokens) {
  TrainingConfig config = SmallConfig();
  config.validation_share = 0.5;
  auto tokens = Text(1000);
  auto first = *Trainer::Create(*backend_, config, tokens, InitialParameters(config.model, 1));
  for (int i = 500; i < 1000; ++i) tokens[i] = 5;
  auto second = *Trainer::Create(*backend_, config, tokens, InitialParameters(config.model, 1));
  Finish(*first);
  Finish(*second);
  EXPECT_EQ(first->progress().epoch_perplexity, second->progress().epoch_perplexity);
  EXPECT_NE(first->progress().validation_perplexity, second->progress().validation_perplexity);
}

TEST_F(TrainerTest, SaysAtWhichStepItDiverged) {
  TrainingConfig config = SmallConfig();
  config.model.cell = Cell::kVanillaRelu;
  config.learning_rate.peak = 1e30;
  config.optimizer.clip = 1e30;
  auto trainer = Make(config);
  absl::Status status;
  while (!trainer->done() && (status = trainer->Step()).ok()) {
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("diverged at step"));
}

TEST_F(TrainerTest, RefusesATextShorterThanAWindow) {
  const TrainingConfig config = SmallConfig();
  const auto trainer =
      Trainer::Create(*backend_, config, Text(49), InitialParameters(config.model, 1));
  EXPECT_EQ(trainer.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(trainer.status().message()),
              testing::AllOf(testing::HasSubstr("49"), testing::HasSubstr("50")));
}

}  // namespace
}  // namespace derin
