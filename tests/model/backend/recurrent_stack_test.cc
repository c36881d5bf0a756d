// What every backend's stack promises, whatever it computes with.

#include <cmath>

#include "model/sampling/philox.h"
#include "tests/model/backend/device_model.h"
#include "tests/sanitized.h"

namespace derin {
namespace {

constexpr Cell kCells[] = {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm};

class RecurrentStackTest : public testing::TestWithParam<Engine> {
 protected:
  // Numbers in [-0.5, 0.5), the same on every machine.
  static std::vector<double> Random(size_t count, uint64_t seed) {
    std::vector<double> values(count);
    for (size_t i = 0; i < count; ++i) {
      values[i] =
          UnitUniform(Philox4x32(RandomPurpose::kSampling, uint32_t(i), 0, 0, seed).word[0]) - 0.5;
    }
    return values;
  }
  static std::vector<int32_t> Tokens(size_t count, int vocabulary, uint64_t seed) {
    std::vector<int32_t> tokens(count);
    for (size_t i = 0; i < count; ++i) {
      tokens[i] = int32_t(IntegerBelow(
          Philox4x32(RandomPurpose::kSampling, uint32_t(i), 1, 0, seed).word[0], vocabulary));
    }
    return tokens;
  }

  // That Step's results are Forward's, as closely as the backend promises.
  static void ExpectAsForward(DeviceModel& model, const std::vector<double>& stepped,
                              const std::vector<double>& forward) {
    if (model.backend().capabilities().step_equals_forward) {
      EXPECT_EQ(stepped, forward);
    } else {
      EXPECT_LT(RelativeError(stepped, forward), Tolerance(GetParam()));
    }
  }

  // Steps rows with `tokens` in `slots` of a pool that holds `states`; the pool and the top after.
  struct Stepped {
    std::vector<double> pool, top;
  };
  static Stepped Step(DeviceModel& model, const std::vector<double>& states,
                      const std::vector<int32_t>& tokens, const std::vector<int32_t>& slots) {
    Buffer pool = model.Reals(states.size()),
           top = model.Reals(tokens.size() * model.config().hidden);
    model.Write(pool.view(), states);
    Buffer ids = model.Integers(tokens), at = model.Integers(slots);
    model.stack().Step(model.queue(), ids.view(), at.view(), pool.view(), top.view());
    return {model.Read(pool.view()), model.Read(top.view())};
  }
};

using FiniteDifferencesTest = RecurrentStackTest;

TEST_P(FiniteDifferencesTest, GradientsAreThoseOfFiniteDifferences) {
  for (const Cell cell : kCells) {
    SCOPED_TRACE(CellName(cell));
    const StackConfig config{.cell = cell, .layers = 3, .hidden = 4, .vocabulary = 5};
    DeviceModel model(GetParam(), config, 4, 2);
    const std::vector<double> start = InitialValues(model.config(), 7);
    const std::vector<double> state = Random(2 * StateElements(config), 8);
    const auto tokens = Tokens(8, 5, 9), targets = Tokens(8, 5, 10);
    model.SetParameters(start);
    const std::vector<double> gradients = model.Run(tokens, targets, state).gradients;
    const double h = 1e-6;
    for (size_t i = 0; i < start.size(); i += 3) {
      std::vector<double> moved = start;
      moved[i] = start[i] + h;
      model.SetParameters(moved);
      const double up = model.Run(tokens, targets, state, false).loss();
      moved[i] = start[i] - h;
      model.SetParameters(moved);
      const double down = model.Run(tokens, targets, state, false).loss();
      EXPECT_NEAR((up - down) / (2 * h), gradients[i], 1e-8) << "parameter " << i;
    }
  }
}

TEST_P(RecurrentStackTest, StepByStepEqualsTheWholeSequence) {
  const int T = 6, B = 3;
  for (const Cell cell : kCells) {
    for (const int hidden : {1, 7, 16, 33}) {
      SCOPED_TRACE(testing::Message() << CellName(cell) << " of " << hidden);
      const StackConfig config{.cell = cell, .layers = 2, .hidden = hidden, .vocabulary = 11};
      const int64_t slot = StateElements(config), S = StateVectors(cell), H = hidden;
      DeviceModel model(GetParam(), config, T, B, B);
      model.SetParameters(InitialValues(model.config(), 3));
      const auto tokens = Tokens(T * B, 11, 4);
      const DeviceModel::Pass whole =
          model.Run(tokens, tokens, std::vector<double>(B * slot, 0), false);

      std::vector<double> pool((B + 1) * slot, 0);
      for (int t = 0; t < T; ++t) {
        const Stepped stepped =
            Step(model, pool, {tokens.begin() + t * B, tokens.begin() + (t + 1) * B}, {3, 1, 2});
        pool = stepped.pool;
        const auto top = whole.top.begin() + t * B * H;
        ExpectAsForward(model, stepped.top, {top, top + B * H});
      }
      std::vector<double> in_pool, in_window;
      for (int b = 0; b < B; ++b) {
        const int at[] = {3, 1, 2};
        for (int l = 0; l < 2; ++l) {
          for (int s = 0; s < S; ++s) {
            for (int h = 0; h < H; ++h) {
              in_pool.push_back(pool[at[b] * slot + (l * S + s) * H + h]);
              in_window.push_back(whole.state_out[((s * 2 + l) * B + b) * H + h]);
            }
          }
        }
      }
      ExpectAsForward(model, in_pool, in_window);
    }
  }
}

TEST_P(RecurrentStackTest, ARowInABatchEqualsTheRowAlone) {
  for (const Cell cell : kCells) {
    for (const int hidden : {1, 2, 7, 32, 61}) {
      SCOPED_TRACE(testing::Message() << CellName(cell) << " of " << hidden);
      const StackConfig config{.cell = cell, .layers = 2, .hidden = hidden, .vocabulary = 9};
      const int64_t slot = StateElements(config);
      const int most = 37;
      DeviceModel model(GetParam(), config, 1, 1, most);
      model.SetParameters(InitialValues(model.config(), 5));
      const std::vector<double> pool = Random((most + 1) * slot, 6);
      const auto tokens = Tokens(most, 9, 7);
      for (const int rows : {2, 8, 9, 17, most}) {
        std::vector<int32_t> slots(rows);
        for (int i = 0; i < rows; ++i) slots[i] = rows - i;
        const Stepped together = Step(model, pool, {tokens.begin(), tokens.begin() + rows}, slots);
        for (int i = 0; i < rows; i += kSanitized ? 9 : 3) {
          const Stepped alone = Step(model, pool, {tokens[i]}, {slots[i]});
          for (int h = 0; h < hidden; ++h) {
            ASSERT_EQ(together.top[i * hidden + h], alone.top[h]) << "row " << i << " of " << rows;
          }
          for (int64_t e = slots[i] * slot; e < (slots[i] + 1) * slot; ++e) {
            ASSERT_EQ(together.pool[e], alone.pool[e]) << "row " << i << " of " << rows;
          }
        }
      }
    }
  }
}

TEST_P(RecurrentStackTest, StepsOfARunEqualThoseStepsAlone) {
  constexpr int kRows = 3, kSteps = 3;
  for (const Cell cell : kCells) {
    SCOPED_TRACE(CellName(cell));
    const StackConfig config{.cell = cell, .layers = 2, .hidden = 7, .vocabulary = 9};
    DeviceModel model(GetParam(), config, 1, 1, kRows);
    model.SetParameters(InitialValues(model.config(), 5));
    const std::vector<double> states = Random(4 * StateElements(config), 6);
    Stepped alone{states, {}};
    for (int step = 0; step < kSteps; ++step) {
      alone = Step(model, alone.pool, Tokens(kRows, 9, step), {3, 0, 2});
    }
    Buffer pool = model.Reals(states.size()), top = model.Reals(kRows * config.hidden),
           at = model.Integers({3, 0, 2});
    model.Write(pool.view(), states);
    for (int step = 0; step < kSteps; ++step) {
      Buffer ids = model.Integers(Tokens(kRows, 9, step));
      model.stack().Step(model.queue(), ids.view(), at.view(), pool.view(), top.view(),
                         {.first = step == 0, .last = step + 1 == kSteps});
    }
    EXPECT_EQ(model.Read(pool.view()), alone.pool);
    EXPECT_EQ(model.Read(top.view()), alone.top);
  }
}

TEST_P(RecurrentStackTest, PaddingRowsTouchNothing) {
  const StackConfig config{.layers = 2, .hidden = 8, .vocabulary = 9};
  const int64_t slot = StateElements(config);
  DeviceModel model(GetParam(), config, 1, 1, 4);
  model.SetParameters(InitialValues(model.config(), 5));
  const std::vector<double> pool = Random(4 * slot, 6);
  // The token of a padding row is not a token at all.
  const Stepped stepped = Step(model, pool, {3, 1 << 30, -5}, {2, -1, -1});
  const Stepped alone = Step(model, pool, {3}, {2});
  EXPECT_EQ(stepped.pool, alone.pool);
  for (int h = 0; h < 8; ++h) EXPECT_EQ(stepped.top[h], alone.top[h]);
  for (int h = 8; h < 24; ++h) EXPECT_TRUE(std::isnan(stepped.top[h]));
}

TEST_P(RecurrentStackTest, ASmallerWindowThanPlannedGivesTheSame) {
  const StackConfig config{.cell = Cell::kGru, .layers = 2, .hidden = 5, .vocabulary = 6};
  DeviceModel exact(GetParam(), config, 2, 3), roomy(GetParam(), config, 9, 20);
  const auto start = InitialValues(exact.config(), 1);
  exact.SetParameters(start);
  roomy.SetParameters(start);
  const auto tokens = Tokens(6, 6, 2);
  const auto state = Random(3 * StateElements(config), 3);
  const auto wanted = exact.Run(tokens, tokens, state, false).top;
  Buffer in = roomy.Reals(state.size()), out = roomy.Reals(state.size()), top = roomy.Reals(30);
  roomy.Write(in.view(), state);
  Buffer ids = roomy.Integers(tokens);
  roomy.stack().Forward(roomy.queue(), ForwardMode::kTraining, 2, 3, ids.view(), in.view(),
                        out.view(), top.view());
  EXPECT_EQ(roomy.Read(top.view()), wanted);
}

// In double precision, or the differences would be noise.
INSTANTIATE_TEST_SUITE_P(AllBackends, FiniteDifferencesTest,
                         testing::ValuesIn(EnginesWith(Precision::kF64)),
                         [](const auto& info) { return EngineName(info.param); });
INSTANTIATE_TEST_SUITE_P(AllBackends, RecurrentStackTest, testing::ValuesIn(AllEngines()),
                         [](const auto& info) { return EngineName(info.param); });

// A program may have no such engine on this machine.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RecurrentStackTest);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FiniteDifferencesTest);

}  // namespace
}  // namespace derin
