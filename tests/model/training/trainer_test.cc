#include "model/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
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
    for (const OptimizerKind optimizer :
         {OptimizerKind::kSgd, OptimizerKind::kMomentum, OptimizerKind::kAdam}) {
      for (const Partition partition : {Partition::kSequential, Partition::kRandom}) {
        TrainingConfig config = SmallConfig();
        config.model.cell = cell;
        config.optimizer.kind = optimizer;
        config.optimizer.momentum = 0.5;
        config.learning_rate.peak = optimizer == OptimizerKind::kAdam ? 0.02
                                    : cell == Cell::kVanillaRelu      ? 0.3
                                                                      : 1;
        if (optimizer == OptimizerKind::kMomentum) config.learning_rate.peak /= 2;
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
  config.held_out_tokens = 200;
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
  config.held_out_tokens = 500;
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

TEST_F(TrainerTest, AStateThatOverflowsOnHeldOutTextIsWorseThanAnyOther) {
  TrainingConfig config = SmallConfig();
  config.model = {.cell = Cell::kVanillaRelu, .layers = 1, .hidden = 4, .vocabulary = 6};
  config.partition = Partition::kRandom;  // from a zero state: 10 steps, on held-out text 62
  config.learning_rate.peak = 1e-9;
  config.held_out_tokens = 500;
  Parameters parameters = InitialParameters(config.model, config.seed);
  for (const Slice& slice : parameters.layout.slices()) {
    // The state grows fourfold with each step; the head makes little of it.
    const auto begin = parameters.values.begin() + slice.offset, end = begin + slice.count;
    if (slice.name == parameters.layout.head_weight().name) {
      std::for_each(begin, end, [](float& weight) { weight *= 1e-9f; });
    } else if (slice.name.find("weight") != std::string::npos) {
      std::fill(begin, end, 1.0f);
    }
  }
  auto trainer = Trainer::Create(*backend_, config, Text(1000), parameters);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  Finish(**trainer);
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ((*trainer)->progress().validation_perplexity, infinity);
  EXPECT_EQ((*trainer)->progress().best_perplexity, infinity);
  EXPECT_TRUE(std::isfinite(*(*trainer)->progress().epoch_perplexity));
}

TEST_F(TrainerTest, RefusesATextShorterThanAWindow) {
  const TrainingConfig config = SmallConfig();
  const auto trainer =
      Trainer::Create(*backend_, config, Text(49), InitialParameters(config.model, 1));
  EXPECT_EQ(trainer.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(trainer.status().message()),
              testing::AllOf(testing::HasSubstr("49"), testing::HasSubstr("50")));
}

// All that a trainer ends with.
void ExpectSameEnd(Trainer& got, Trainer& wanted) {
  const auto a = got.Snapshot(), b = wanted.Snapshot();
  ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
  EXPECT_EQ(a->parameters, b->parameters);
  EXPECT_EQ(a->moment1, b->moment1);
  EXPECT_EQ(a->moment2, b->moment2);
  EXPECT_EQ(a->hidden, b->hidden);
  EXPECT_EQ(a->best_parameters, b->best_parameters);
  EXPECT_EQ(a->optimizer_step, b->optimizer_step);
  EXPECT_EQ(a->step, b->step);
  const TrainerProgress &p = a->progress, &q = b->progress;
  EXPECT_EQ(p.step, q.step);
  EXPECT_EQ(p.tokens, q.tokens);
  EXPECT_EQ(p.epoch_perplexity, q.epoch_perplexity);
  EXPECT_EQ(p.validation_perplexity, q.validation_perplexity);
  EXPECT_EQ(p.best_perplexity, q.best_perplexity);
  EXPECT_EQ(p.epochs_without_better, q.epochs_without_better);
  EXPECT_EQ(p.better_in_epoch, q.better_in_epoch);
  EXPECT_EQ(p.measured_step, q.measured_step);
  EXPECT_EQ(p.publishable_perplexity, q.publishable_perplexity);
  EXPECT_EQ(p.gradient_norm, q.gradient_norm);
  EXPECT_EQ(got.PublishableParameters()->values, wanted.PublishableParameters()->values);
}

TEST_F(TrainerTest, DropsAnotherPartInEachStep) {
  TrainingConfig config = SmallConfig();
  auto plain = Make(config);
  config.dropout = 0.5;
  auto dropping = Make(config), same = Make(config);
  for (Trainer* trainer : {plain.get(), dropping.get(), same.get()}) Finish(*trainer);
  EXPECT_EQ(dropping->LastParameters()->values, same->LastParameters()->values);
  EXPECT_NE(dropping->LastParameters()->values, plain->LastParameters()->values);
  // With a rate of next to nothing, only what is dropped differs between two passes over a text
  // that repeats.
  config.learning_rate.peak = 1e-12;
  config.partition = Partition::kRandom;
  std::set<double> norms;
  auto still = Make(config, 52);
  while (!still->done()) {
    ASSERT_TRUE(still->Step().ok());
    norms.insert(still->progress().gradient_norm);
  }
  EXPECT_EQ(static_cast<int64_t>(norms.size()), still->progress().step);
}

TEST_F(TrainerTest, MeasuresHeldOutTextWithoutDropout) {
  TrainingConfig config = SmallConfig();
  config.held_out_tokens = 200;
  config.learning_rate.peak = 1e-12;  // next to nothing
  config.epochs = 1;
  auto plain = Make(config);
  config.dropout = 0.9;
  auto dropping = Make(config);
  Finish(*plain);
  Finish(*dropping);
  EXPECT_NEAR(*dropping->progress().validation_perplexity, *plain->progress().validation_perplexity,
              1e-6);
  EXPECT_GT(std::abs(*dropping->progress().epoch_perplexity - *plain->progress().epoch_perplexity),
            1e-3);
}

TEST_F(TrainerTest, GoesOnFromASnapshotBitForBitWhateverTheConfiguration) {
  std::vector<Precision> precisions = {Precision::kF32};
  if (CheckPrecision(backend_->capabilities(), Precision::kBf16).ok())
    precisions.push_back(Precision::kBf16);
  for (const Precision precision : precisions) {
    for (const Cell cell : {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm}) {
      for (const OptimizerKind optimizer :
           {OptimizerKind::kSgd, OptimizerKind::kMomentum, OptimizerKind::kAdam}) {
        for (const Partition partition : {Partition::kSequential, Partition::kRandom}) {
          for (const auto schedule :
               {LearningRateSchedule::kConstant, LearningRateSchedule::kCosine}) {
            TrainingConfig config = SmallConfig();
            config.model.cell = cell;
            config.model.precision = precision;
            config.optimizer = {.kind = optimizer, .momentum = 0.875, .weight_decay = 0.125};
            config.learning_rate = {.peak = 0.02, .schedule = schedule, .warmup_steps = 5};
            config.partition = partition;
            config.held_out_tokens = partition == Partition::kRandom ? 0 : 200;
            config.dropout = schedule == LearningRateSchedule::kCosine ? 0.25 : 0;
            config.epochs = 3;
            if (schedule == LearningRateSchedule::kConstant) {
              config.parts = {{300, 3}, {700 - config.held_out_tokens, 1}};
            }
            SCOPED_TRACE(testing::Message()
                         << PrecisionName(precision) << " " << CellName(cell) << " "
                         << int(optimizer) << " " << int(partition) << " " << int(schedule));
            auto whole = Make(config);
            Finish(*whole);
            // At the very start, within an epoch, at the end of one, and at the end of all.
            const int64_t in_epoch = whole->steps() / config.epochs;
            for (const int64_t pause : {int64_t{0}, in_epoch / 2, in_epoch, whole->steps()}) {
              auto first = Make(config);
              for (int64_t i = 0; i < pause; ++i) ASSERT_TRUE(first->Step().ok());
              const auto snapshot = first->Snapshot();
              ASSERT_TRUE(snapshot.ok()) << snapshot.status();
              // Somebody else's weights, which must not matter.
              auto second = Trainer::Create(*backend_, config, Text(1000),
                                            InitialParameters(config.model, config.seed + 1));
              ASSERT_TRUE((*second)->Restore(*snapshot).ok());
              Finish(**second);
              ExpectSameEnd(**second, *whole);
              // The one that was only looked at goes on as well.
              Finish(*first);
              ExpectSameEnd(*first, *whole);
            }
          }
        }
      }
    }
  }
}

TEST_F(TrainerTest, ALowerRateIsOfEveryStepFromThenOnAndStaysWithSnapshots) {
  TrainingConfig config = SmallConfig();
  config.learning_rate = {.peak = 0.5, .warmup_steps = 4};
  auto trainer = Make(config);
  ASSERT_TRUE(trainer->Step().ok());
  EXPECT_EQ(trainer->Snapshot()->progress.learning_rate, 0.125);
  trainer->LowerLearningRate(0.5);
  ASSERT_TRUE(trainer->Step().ok());
  const TrainerSnapshot lowered = *trainer->Snapshot();
  EXPECT_EQ(lowered.progress.learning_rate, 0.125);
  EXPECT_EQ(lowered.learning_rate_factor, 0.5);
  Finish(*trainer);
  auto again = Make(config);
  ASSERT_TRUE(again->Restore(lowered).ok());
  EXPECT_EQ(again->learning_rate_factor(), 0.5);
  Finish(*again);
  ExpectSameEnd(*again, *trainer);

  // The same as a training of half the rate from there on.
  config.learning_rate.peak = 0.25;
  auto halved = Make(config);
  TrainerSnapshot of_it = lowered;
  of_it.learning_rate_factor = 1;
  ASSERT_TRUE(halved->Restore(of_it).ok());
  Finish(*halved);
  EXPECT_EQ(halved->Snapshot()->parameters, trainer->Snapshot()->parameters);
}

TEST_F(TrainerTest, GoesBackToASnapshot) {
  auto trainer = Make(SmallConfig());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(trainer->Step().ok());
  const TrainerSnapshot snapshot = *trainer->Snapshot();
  Finish(*trainer);
  const TrainerSnapshot end = *trainer->Snapshot();
  ASSERT_TRUE(trainer->Restore(snapshot).ok());
  EXPECT_EQ(trainer->progress().step, 30);
  EXPECT_FALSE(trainer->done());
  Finish(*trainer);
  EXPECT_EQ(trainer->Snapshot()->parameters, end.parameters);
}

TEST_F(TrainerTest, ASnapshotThatDoesNotFitIsRefusedWithItsField) {
  TrainingConfig config = SmallConfig();
  config.optimizer.kind = OptimizerKind::kAdam;
  auto trainer = Make(config);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(trainer->Step().ok());
  const TrainerSnapshot good = *trainer->Snapshot();
  const auto refusal = [&](auto change) {
    TrainerSnapshot bad = good;
    change(bad);
    const absl::Status status = trainer->Restore(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  using testing::HasSubstr;
  using Bad = TrainerSnapshot&;
  EXPECT_THAT(refusal([](Bad s) { s.parameters.pop_back(); }), HasSubstr("parameters"));
  EXPECT_THAT(refusal([](Bad s) { s.moment1.clear(); }), HasSubstr("moment1"));
  EXPECT_THAT(refusal([](Bad s) { s.moment2.push_back(0); }), HasSubstr("moment2"));
  EXPECT_THAT(refusal([](Bad s) { s.hidden.resize(1); }), HasSubstr("hidden"));
  EXPECT_THAT(refusal([](Bad s) { s.learning_rate_factor = 0; }),
              HasSubstr("learning_rate_factor"));
  EXPECT_THAT(refusal([](Bad s) { s.learning_rate_factor = 2; }),
              HasSubstr("learning_rate_factor"));
  EXPECT_THAT(refusal([](Bad s) { s.best_parameters.resize(1); }), HasSubstr("best_parameters"));
  EXPECT_THAT(refusal([](Bad s) { s.epoch = 7; }), HasSubstr("epoch"));
  EXPECT_THAT(refusal([](Bad s) { s.epoch = -1; }), HasSubstr("epoch"));
  EXPECT_THAT(refusal([](Bad s) { s.step_in_epoch = 24; }), HasSubstr("step_in_epoch"));
  EXPECT_THAT(refusal([](Bad s) { s.step += 1; }), HasSubstr("step"));
  EXPECT_THAT(refusal([](Bad s) { s.progress.step -= 1; }), HasSubstr("progress.step"));
  EXPECT_THAT(refusal([](Bad s) { s.optimizer_step = 31; }), HasSubstr("optimizer_step"));
  EXPECT_EQ(trainer->Snapshot()->parameters, good.parameters);
  Finish(*trainer);
}

// What each epoch of an unlimited training is judged by.
std::vector<double> Judged(Trainer& trainer, bool held_out) {
  std::vector<double> judged;
  while (!trainer.done()) {
    EXPECT_TRUE(trainer.Step().ok());
    const TrainerProgress& progress = trainer.progress();
    if (progress.epoch == static_cast<int64_t>(judged.size())) continue;
    judged.push_back(held_out ? *progress.validation_perplexity : *progress.epoch_perplexity);
  }
  return judged;
}

TEST_F(TrainerTest, EndsAfterItsStepsWithTheWeightsOfThen) {
  TrainingConfig config = SmallConfig();
  auto longer = Make(config);
  for (int i = 0; i < 36; ++i) ASSERT_TRUE(longer->Step().ok());
  config.early_ends.max_steps = 36;
  auto trainer = Make(config);
  EXPECT_EQ(trainer->steps(), 36);
  EXPECT_EQ(trainer->end(), TrainingEnd::kNone);
  Finish(*trainer);
  EXPECT_EQ(trainer->end(), TrainingEnd::kMaxSteps);
  EXPECT_EQ(trainer->FractionDone(), 1);
  EXPECT_EQ(trainer->progress().step, 36);
  EXPECT_EQ(trainer->PublishableParameters()->values, longer->Snapshot()->parameters);
  // Of the epoch under way, since the last weights are published.
  EXPECT_EQ(trainer->progress().publishable_perplexity,
            trainer->progress().epoch_loss.Perplexity());
  EXPECT_EQ(trainer->progress().epoch_loss.tokens, 12 * 40);
}

TEST_F(TrainerTest, MeasuresHeldOutTextWhereItsStepsEnd) {
  TrainingConfig config = SmallConfig();
  config.held_out_tokens = 200;
  config.early_ends.max_steps = 10;  // within the first epoch
  auto trainer = Make(config);
  Finish(*trainer);
  const TrainerProgress& progress = trainer->progress();
  EXPECT_EQ(progress.epoch, 0);
  ASSERT_TRUE(progress.validation_perplexity.has_value());
  EXPECT_EQ(progress.best_perplexity, progress.validation_perplexity);
  EXPECT_EQ(progress.publishable_perplexity, progress.epoch_loss.Perplexity());
  EXPECT_EQ(trainer->PublishableParameters()->values, trainer->Snapshot()->parameters);
}

TEST_F(TrainerTest, MeasuresHeldOutTextAtIntervalsToo) {
  TrainingConfig config = SmallConfig();
  config.held_out_tokens = 200;
  config.epochs = 3;
  auto seldom = Make(config);
  Finish(*seldom);
  config.validation_interval = 7;
  auto trainer = Make(config);
  std::vector<int64_t> measured_at;
  double best = std::numeric_limits<double>::infinity();
  std::vector<float> best_weights;
  while (!trainer->done()) {
    const std::optional<double> before = trainer->progress().validation_perplexity;
    ASSERT_TRUE(trainer->Step().ok());
    const TrainerProgress& progress = trainer->progress();
    EXPECT_EQ(trainer->AreMeasured(), progress.validation_perplexity != before);
    if (!trainer->AreMeasured()) continue;
    measured_at.push_back(trainer->steps_enqueued());
    EXPECT_EQ(progress.step, measured_at.back()) << "all losses are there";
    if (*progress.validation_perplexity >= best) continue;
    best = *progress.validation_perplexity;
    best_weights = trainer->Snapshot()->parameters;
  }
  // An epoch has 19 steps.
  EXPECT_THAT(measured_at, testing::ElementsAre(7, 14, 19, 21, 28, 35, 38, 42, 49, 56, 57));
  EXPECT_EQ(trainer->progress().best_perplexity, best);
  EXPECT_EQ(trainer->PublishableParameters()->values, best_weights);
  EXPECT_EQ(trainer->Snapshot()->parameters, seldom->Snapshot()->parameters)
      << "measuring changes nothing";
}

TEST_F(TrainerTest, AnEpochIsBetterWhereAMeasurementWithinItWas) {
  TrainingConfig config = SmallConfig();
  config.held_out_tokens = 200;
  config.epochs = 12;
  config.learning_rate.peak = 50;  // so that it gets worse
  config.validation_interval = 3;
  auto trainer = Make(config);
  std::optional<double> best_before_epoch;
  int64_t epoch = 0, without = 0, within = 0;
  while (!trainer->done()) {
    ASSERT_TRUE(trainer->Step().ok());
    const TrainerProgress& progress = trainer->progress();
    if (progress.epoch == epoch) continue;
    epoch = progress.epoch;
    without = progress.best_perplexity == best_before_epoch ? without + 1 : 0;
    if (without == 0 && *progress.validation_perplexity > *progress.best_perplexity) ++within;
    EXPECT_EQ(progress.epochs_without_better, without) << epoch;
    EXPECT_EQ(progress.better_in_epoch, 0);
    best_before_epoch = progress.best_perplexity;
  }
  EXPECT_GT(without, 0);
  EXPECT_GT(within, 0) << "some epoch was the best in its middle only";
}

TEST_F(TrainerTest, ReachesItsTargetAtAnIntervalToo) {
  TrainingConfig config = SmallConfig();
  config.held_out_tokens = 200;
  config.validation_interval = 4;
  auto longer = Make(config);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(longer->Step().ok());
  config.early_ends.target_perplexity = *longer->progress().validation_perplexity;
  auto trainer = Make(config);
  Finish(*trainer);
  EXPECT_EQ(trainer->end(), TrainingEnd::kTargetReached);
  EXPECT_EQ(trainer->progress().step, 8);
}

TEST_F(TrainerTest, ACosineEndsWithTheStepsThatMayBe) {
  TrainingConfig config = SmallConfig();
  config.learning_rate = {.peak = 0.5, .schedule = LearningRateSchedule::kCosine};
  config.early_ends.max_steps = 50;
  auto trainer = Make(config);
  Finish(*trainer);
  EXPECT_EQ(trainer->progress().step, 50);
  EXPECT_NEAR(trainer->progress().learning_rate, 0, 1e-12);
}

TEST_F(TrainerTest, EndsWithTheEpochThatReachesItsTarget) {
  for (const int held_out : {0, 200}) {
    TrainingConfig config = SmallConfig();
    config.held_out_tokens = held_out;
    const std::vector<double> judged = Judged(*Make(config), held_out > 0);
    config.early_ends.target_perplexity = judged[3];
    size_t reached = 0;
    while (judged[reached] > judged[3]) ++reached;
    auto trainer = Make(config);
    Finish(*trainer);
    EXPECT_EQ(trainer->end(), TrainingEnd::kTargetReached);
    EXPECT_EQ(trainer->progress().epoch, static_cast<int64_t>(reached) + 1);
    // Also when that is the last epoch.
    config.epochs = static_cast<int64_t>(reached) + 1;
    auto last = Make(config);
    Finish(*last);
    EXPECT_EQ(last->end(), TrainingEnd::kTargetReached);
  }
}

TEST_F(TrainerTest, EndsWhenNoEpochOfSeveralWasBetter) {
  for (const int held_out : {0, 200}) {
    TrainingConfig config = SmallConfig();
    config.held_out_tokens = held_out;
    config.learning_rate.peak = 50;  // so that it gets worse
    config.epochs = 30;
    const std::vector<double> judged = Judged(*Make(config), held_out > 0);
    int64_t ends_after = 0, without = 0;
    double best = judged[0];
    for (size_t i = 1; i < judged.size() && without < 2; ++i) {
      without = judged[i] < best ? 0 : without + 1;
      best = std::min(best, judged[i]);
      ends_after = static_cast<int64_t>(i) + 1;
    }
    ASSERT_EQ(without, 2) << "the training must get worse for this test";
    config.early_ends.patience_epochs = 2;
    auto trainer = Make(config);
    Finish(*trainer);
    EXPECT_EQ(trainer->end(), TrainingEnd::kNoImprovement);
    EXPECT_EQ(trainer->progress().epoch, ends_after);
    EXPECT_EQ(trainer->progress().epochs_without_better, 2);
    EXPECT_EQ(trainer->progress().best_perplexity, best);
  }
}

TEST_F(TrainerTest, AResumedTrainingEndsWhereOneThatWasNeverInterruptedDoes) {
  TrainingConfig config = SmallConfig();
  config.epochs = 30;
  config.learning_rate.peak = 50;
  config.held_out_tokens = 200;
  TrainingConfig patient = config, limited = config, aimed = config, measured = config;
  patient.early_ends.patience_epochs = 2;
  limited.early_ends.max_steps = 50;
  aimed.early_ends.target_perplexity = Judged(*Make(config), true)[1];
  measured.validation_interval = 4;
  measured.early_ends.patience_epochs = 3;
  for (const TrainingConfig& one : {patient, limited, aimed, measured}) {
    auto whole = Make(one);
    Finish(*whole);
    ASSERT_NE(whole->end(), TrainingEnd::kEpochs);
    for (int64_t pause = 0; pause <= whole->progress().step; pause += 5) {
      auto first = Make(one);
      for (int64_t i = 0; i < pause; ++i) ASSERT_TRUE(first->Step().ok());
      auto second = Make(one);
      ASSERT_TRUE(second->Restore(*first->Snapshot()).ok());
      Finish(*second);
      EXPECT_EQ(second->end(), whole->end());
      ExpectSameEnd(*second, *whole);
    }
    auto over = Make(one);
    ASSERT_TRUE(over->Restore(*whole->Snapshot()).ok());
    EXPECT_EQ(over->end(), whole->end());
    ExpectSameEnd(*over, *whole);
  }
}

TEST_F(TrainerTest, WhatAnotherTrainingReachedIsNoEnd) {
  TrainingConfig config = SmallConfig();
  config.early_ends = {.max_steps = 48, .target_perplexity = 1e9};
  auto source = Make(config);
  Finish(*source);
  ASSERT_EQ(source->end(), TrainingEnd::kTargetReached);
  ASSERT_EQ(source->progress().step, 24);
  config.early_ends.first_step = 24;
  auto fork = Make(config);
  ASSERT_TRUE(fork->Restore(*source->Snapshot()).ok());
  EXPECT_EQ(fork->end(), TrainingEnd::kNone);
  EXPECT_EQ(fork->steps(), 24 + 48);
  Finish(*fork);
  EXPECT_EQ(fork->end(), TrainingEnd::kTargetReached);
  EXPECT_EQ(fork->progress().step, 48);
}

TEST_F(TrainerTest, MeasuresHeldOutTextWhereItIsEnded) {
  TrainingConfig config = SmallConfig();
  config.held_out_tokens = 200;
  auto trainer = Make(config);
  ASSERT_TRUE(trainer->Step().ok());
  ASSERT_TRUE(trainer->EndHere().ok());
  EXPECT_EQ(trainer->progress().step, 1);
  EXPECT_TRUE(trainer->progress().validation_perplexity.has_value());
  EXPECT_FALSE(trainer->progress().epoch_perplexity.has_value());
  EXPECT_TRUE(trainer->AreMeasured());
  EXPECT_EQ(trainer->end(), TrainingEnd::kNone);
  config.early_ends.target_perplexity = *trainer->progress().validation_perplexity;
  auto aimed = Make(config);
  ASSERT_TRUE(aimed->Step().ok());
  EXPECT_FALSE(aimed->AreMeasured());
  ASSERT_TRUE(aimed->EndHere().ok());
  EXPECT_EQ(aimed->end(), TrainingEnd::kTargetReached);
  EXPECT_EQ(trainer->PublishableParameters()->values, trainer->Snapshot()->parameters);
}

}  // namespace
}  // namespace derin
