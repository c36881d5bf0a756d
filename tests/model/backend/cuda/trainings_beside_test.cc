// Two trainings on one GPU, in turns.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "model/training/trainer.h"
#include "tests/model/backend/engines.h"

namespace derin::cuda {
namespace {

// With every type that the GPU has.
class TrainingsBesideTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<Engine> engines = AllEngines();
    if (engines.empty()) GTEST_SKIP() << "there is no GPU";
    for (const Engine& engine : engines) precisions_.push_back(engine.precision);
    backend_ = MakeBackend(engines.front());
  }
  static TrainingConfig Config(Cell cell, Precision precision, OptimizerKind optimizer) {
    return {
        .model = {.cell = cell, .layers = 2, .hidden = 8, .vocabulary = 4, .precision = precision},
        .optimizer = {.kind = optimizer},
        .learning_rate = {.peak = 0.05},
        .batch = 4,
        .steps = 5,
        .epochs = 2,
        .held_out_tokens = 40,
        .dropout = 0.2,
        .seed = 3};
  }
  std::unique_ptr<Trainer> NewTrainer(const TrainingConfig& config) {
    std::vector<int32_t> tokens;
    for (int i = 0; i < 400; ++i) tokens.push_back(1 + i % 3);
    auto trainer =
        Trainer::Create(*backend_, config, tokens, InitialParameters(config.model, config.seed));
    EXPECT_TRUE(trainer.ok()) << trainer.status();
    return *std::move(trainer);
  }
  static TrainerSnapshot End(Trainer& trainer) {
    while (!trainer.done()) EXPECT_TRUE(trainer.Step().ok());
    return *trainer.Snapshot();
  }

  std::vector<Precision> precisions_;
  std::unique_ptr<Backend> backend_;
};

void ExpectSame(const TrainerSnapshot& got, const TrainerSnapshot& wanted) {
  EXPECT_EQ(got.parameters, wanted.parameters);
  EXPECT_EQ(got.best_parameters, wanted.best_parameters);
  EXPECT_EQ(got.moment1, wanted.moment1);
  EXPECT_EQ(got.moment2, wanted.moment2);
  EXPECT_EQ(got.hidden, wanted.hidden);
  EXPECT_EQ(got.loss_scale, wanted.loss_scale);
  EXPECT_EQ(got.optimizer_step, wanted.optimizer_step);
  EXPECT_EQ(got.progress.tokens, wanted.progress.tokens);
  EXPECT_EQ(got.progress.epoch_perplexity, wanted.progress.epoch_perplexity);
  EXPECT_EQ(got.progress.validation_perplexity, wanted.progress.validation_perplexity);
}

TEST_F(TrainingsBesideTest, InTurnsOfAnyLengthTheyEndAsEachAlone) {
  for (const Precision precision : precisions_) {
    SCOPED_TRACE(PrecisionName(precision));
    const TrainingConfig configs[] = {Config(Cell::kLstm, precision, OptimizerKind::kSgd),
                                      Config(Cell::kGru, Precision::kF32, OptimizerKind::kAdam)};
    const TrainerSnapshot alone[] = {End(*NewTrainer(configs[0])), End(*NewTrainer(configs[1]))};
    EXPECT_NE(alone[0].parameters, alone[1].parameters);
    for (uint32_t seed = 1; seed <= 3; ++seed) {
      SCOPED_TRACE(testing::Message() << "seed " << seed);
      std::mt19937 random(seed);
      // The second comes while the first's steps are recorded, launched or on their way back.
      std::unique_ptr<Trainer> trainers[2] = {NewTrainer(configs[0])};
      for (uint32_t step = 0; step < seed - 1; ++step) ASSERT_TRUE(trainers[0]->Step().ok());
      trainers[1] = NewTrainer(configs[1]);
      while (!trainers[0]->done() || !trainers[1]->done()) {
        Trainer& trainer = *trainers[random() % 2];
        const size_t turn = 1 + random() % 5;
        for (size_t step = 0; step < turn && !trainer.done(); ++step) {
          ASSERT_TRUE(trainer.Step().ok());
        }
        // At the end of a turn all is done on the device; where it is not that must not matter.
        if (random() % 2 == 0) {
          ASSERT_TRUE(trainer.AwaitSteps().ok());
          EXPECT_EQ(trainer.progress().step, trainer.steps_enqueued());
        }
        if (random() % 8 == 0) {
          ASSERT_TRUE(trainer.Snapshot().ok());
        }
      }
      for (int i = 0; i < 2; ++i) ExpectSame(*trainers[i]->Snapshot(), alone[i]);
    }
  }
}

TEST_F(TrainingsBesideTest, OneThatEndsTakesNothingOfTheOtherWithIt) {
  const TrainingConfig config = Config(Cell::kLstm, Precision::kF32, OptimizerKind::kAdam);
  const TrainerSnapshot alone = End(*NewTrainer(config));
  auto stays = NewTrainer(config), ends = NewTrainer(config);
  for (int step = 0; step < 3; ++step) {
    ASSERT_TRUE(stays->Step().ok());
    ASSERT_TRUE(ends->Step().ok());
  }
  ends.reset();
  ExpectSame(End(*stays), alone);
}

}  // namespace
}  // namespace derin::cuda
