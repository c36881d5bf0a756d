// Dropout between layers, and that every backend has the same of it.

#include "model/backend/dropout.h"

#include <cmath>

#include "tests/model/backend/cpu/random_stack.h"

namespace derin {
namespace {

constexpr Cell kCells[] = {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm};
constexpr uint64_t kSeed = 0xfedcba9876543210;
constexpr int kSteps = 5, kBatch = 3, kVocabulary = 11;

std::vector<int32_t> SomeTokens(int count, int factor) {
  std::vector<int32_t> tokens(count);
  for (int i = 0; i < count; ++i) tokens[i] = (i * i * factor + i) % kVocabulary;
  return tokens;
}

std::vector<double> SomeState(const StackConfig& config) {
  std::vector<double> state(kBatch * StateElements(config));
  for (size_t i = 0; i < state.size(); ++i) state[i] = 0.4 * std::sin(0.7 * double(i));
  return state;
}

DeviceModel Model(const Engine& engine, const StackConfig& config, double dropout) {
  DeviceModel model(engine, config, kSteps, kBatch, 1, dropout);
  model.SetParameters(InitialValues(model.config(), 5));
  if (dropout > 0) model.SetDropout(kSeed, 1);
  return model;
}

DeviceModel::Pass RunWindow(DeviceModel& model, bool backward = true) {
  return model.Run(SomeTokens(kSteps * kBatch, 2), SomeTokens(kSteps * kBatch, 3),
                   SomeState(model.config()), backward);
}

TEST(Dropout, DropsItsShareAndScalesTheRest) {
  for (const double share : {0.1, 0.5, 0.9}) {
    constexpr int64_t kGroups = 100'000;
    int64_t dropped = 0;
    for (int64_t group = 0; group < kGroups; ++group) {
      for (const double factor :
           DropoutFactorsOf<double>({.share = share, .seed = kSeed, .step = 3}, group).of) {
        dropped += factor == 0;
        ASSERT_TRUE(factor == 0 || factor == 1 / (1 - share)) << factor;
      }
    }
    const double count = 4.0 * kGroups, deviation = std::sqrt(share * (1 - share) / count);
    EXPECT_NEAR(double(dropped) / count, share, 4 * deviation);
  }
}

TEST(Dropout, IsAnotherForEachSeedStepLayerAndGroup) {
  const auto bits = [](const DropoutDraw& draw, int64_t first) {
    uint64_t kept = 0;
    for (int64_t group = first; group < first + 16; ++group) {
      for (const float factor : DropoutFactorsOf<float>(draw, group).of) {
        kept = kept << 1 | (factor != 0);
      }
    }
    return kept;
  };
  const DropoutDraw draw{.share = 0.5, .seed = kSeed, .step = 3, .layer = 1};
  std::vector<uint64_t> all = {bits(draw, 0), bits(draw, 16)};
  for (const DropoutDraw& other :
       {DropoutDraw{.share = 0.5, .seed = 1, .step = 3, .layer = 1},
        DropoutDraw{.share = 0.5, .seed = kSeed, .step = 4, .layer = 1},
        DropoutDraw{.share = 0.5, .seed = kSeed, .step = 3 + (uint64_t{1} << 32), .layer = 1},
        DropoutDraw{.share = 0.5, .seed = kSeed, .step = 3}}) {
    all.push_back(bits(other, 0));
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
}

TEST(Dropout, DropsNothingWithoutAShare) {
  for (int64_t group = 0; group < 1000; ++group) {
    for (const float factor : DropoutFactorsOf<float>({.seed = kSeed}, group).of) {
      ASSERT_EQ(factor, 1);
    }
  }
}

class DropoutTest : public testing::TestWithParam<Engine> {};
using DropoutDifferencesTest = DropoutTest;

TEST_P(DropoutDifferencesTest, GradientsAreThoseOfFiniteDifferencesWithTheSameMask) {
  for (const Cell cell : kCells) {
    SCOPED_TRACE(CellName(cell));
    const StackConfig config{.cell = cell, .layers = 3, .hidden = 5, .vocabulary = kVocabulary};
    DeviceModel model = Model(GetParam(), config, 0.3);
    const std::vector<double> start = InitialValues(model.config(), 5);
    const std::vector<double> gradients = RunWindow(model).gradients;
    const double h = 1e-6;
    for (size_t i = 0; i < start.size(); i += 5) {
      std::vector<double> moved = start;
      moved[i] = start[i] + h;
      model.SetParameters(moved);
      const double up = RunWindow(model).loss();
      moved[i] = start[i] - h;
      model.SetParameters(moved);
      const double down = RunWindow(model).loss();
      EXPECT_NEAR((up - down) / (2 * h), gradients[i], 1e-8) << "parameter " << i;
    }
  }
}

TEST_P(DropoutTest, AWindowIsThatOfTheReference) {
  std::mt19937 random(11);
  for (const Cell cell : kCells) {
    for (const int hidden : {3, 16, 36}) {
      // The gradient of a few units may be a sum that cancels, of which 16 bits have no digit
      // right.
      if (GetParam().precision == Precision::kBf16 && hidden < 16) continue;
      SCOPED_TRACE(testing::Message() << CellName(cell) << " of " << hidden);
      cpu::RandomStack stack(
          {.cell = cell, .layers = 3, .hidden = hidden, .vocabulary = kVocabulary}, kBatch, kSteps,
          random);
      stack.dropout = 0.25;
      stack.ExpectParity(GetParam(), stack.Run({"reference", Precision::kF64}));
    }
  }
}

TEST_P(DropoutTest, IsTheSameForTheSameStepAndAnotherForTheNext) {
  for (const Cell cell : {Cell::kGru, Cell::kLstm}) {
    SCOPED_TRACE(CellName(cell));
    const StackConfig config{.cell = cell, .layers = 2, .hidden = 16, .vocabulary = kVocabulary};
    DeviceModel model = Model(GetParam(), config, 0.5);
    const DeviceModel::Pass first = RunWindow(model);
    model.SetDropout(kSeed, 2);
    EXPECT_NE(RunWindow(model).top, first.top);
    model.SetDropout(kSeed + 1, 1);
    EXPECT_NE(RunWindow(model).top, first.top);
    model.SetDropout(kSeed, 1);
    const DeviceModel::Pass again = RunWindow(model);
    EXPECT_EQ(again.top, first.top);
    EXPECT_EQ(again.gradients, first.gradients);
  }
}

TEST_P(DropoutTest, IsOnlyInTraining) {
  for (const Cell cell : kCells) {
    SCOPED_TRACE(CellName(cell));
    const StackConfig config{.cell = cell, .layers = 2, .hidden = 16, .vocabulary = kVocabulary};
    DeviceModel dropping = Model(GetParam(), config, 0.5), plain = Model(GetParam(), config, 0);
    EXPECT_NE(RunWindow(dropping).top, RunWindow(plain).top);
    // Whatever a window for training has left behind.
    EXPECT_LT(RelativeError(RunWindow(dropping, false).top, RunWindow(plain, false).top),
              Tolerance(GetParam()));
  }
}

TEST_P(DropoutTest, IsNotAboveTheLastLayer) {
  for (const Cell cell : {Cell::kGru, Cell::kLstm}) {
    const StackConfig config{.cell = cell, .layers = 1, .hidden = 16, .vocabulary = kVocabulary};
    DeviceModel dropping = Model(GetParam(), config, 0.5), plain = Model(GetParam(), config, 0);
    EXPECT_LT(RelativeError(RunWindow(dropping).top, RunWindow(plain).top), Tolerance(GetParam()))
        << CellName(cell);
  }
}

// In double precision, or the differences would be noise.
INSTANTIATE_TEST_SUITE_P(AllBackends, DropoutDifferencesTest,
                         testing::ValuesIn(EnginesWith(Precision::kF64)),
                         [](const auto& info) { return EngineName(info.param); });
INSTANTIATE_TEST_SUITE_P(AllBackends, DropoutTest, testing::ValuesIn(AllEngines()),
                         [](const auto& info) { return EngineName(info.param); });

// A program may have no such engine on this machine.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DropoutTest);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DropoutDifferencesTest);

}  // namespace
}  // namespace derin
