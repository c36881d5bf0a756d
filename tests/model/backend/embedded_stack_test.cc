// A learned embedding in front of every backend's stack, and a head that is tied to it.

#include "model/backend/embedded_stack.h"

#include <cmath>

#include "model/sampling/philox.h"
#include "tests/model/backend/device_model.h"

namespace derin {
namespace {

constexpr Cell kCells[] = {Cell::kVanillaTanh, Cell::kGru, Cell::kLstm};
constexpr int kSteps = 4, kBatch = 3;

std::vector<int32_t> SomeTokens(int vocabulary, int factor) {
  std::vector<int32_t> tokens(kSteps * kBatch);
  for (int i = 0; i < kSteps * kBatch; ++i) tokens[i] = (i * i * factor + 3 * i) % vocabulary;
  return tokens;
}

std::vector<double> SomeState(const StackConfig& config) {
  std::vector<double> state(kBatch * StateElements(config));
  for (size_t i = 0; i < state.size(); ++i) state[i] = 0.4 * std::sin(0.7 * double(i));
  return state;
}

DeviceModel::Pass RunWindow(DeviceModel& model, bool backward = true) {
  const int V = model.config().vocabulary;
  return model.Run(SomeTokens(V, 2), SomeTokens(V, 5), SomeState(model.config()), backward);
}

std::vector<double> PartOf(const std::vector<double>& flat, const Slice& slice) {
  return {flat.begin() + slice.offset, flat.begin() + slice.offset + slice.count};
}

class EmbeddedStackTest : public testing::TestWithParam<Engine> {};
using EmbeddedDifferencesTest = EmbeddedStackTest;

TEST_P(EmbeddedDifferencesTest, GradientsAreThoseOfFiniteDifferences) {
  for (const Cell cell : kCells) {
    for (const bool tied : {false, true}) {
      SCOPED_TRACE(testing::Message() << CellName(cell) << (tied ? ", tied" : ""));
      const StackConfig config{.cell = cell,
                               .layers = 2,
                               .hidden = 4,
                               .vocabulary = 7,
                               .embedding = tied ? 4 : 3,
                               .tied_head = tied};
      DeviceModel model(GetParam(), config, kSteps, kBatch);
      const std::vector<double> start = InitialValues(model.config(), 5);
      model.SetParameters(start);
      const std::vector<double> gradients = RunWindow(model).gradients;
      const double h = 1e-6;
      for (size_t i = 0; i < start.size(); i += 2) {
        std::vector<double> moved = start;
        moved[i] = start[i] + h;
        model.SetParameters(moved);
        const double up = RunWindow(model, false).loss();
        moved[i] = start[i] - h;
        model.SetParameters(moved);
        const double down = RunWindow(model, false).loss();
        EXPECT_NEAR((up - down) / (2 * h), gradients[i], 1e-8) << "parameter " << i;
      }
    }
  }
}

TEST_P(EmbeddedStackTest, AWindowIsThatOfTheReference) {
  for (const Cell cell : kCells) {
    for (const bool tied : {false, true}) {
      SCOPED_TRACE(testing::Message() << CellName(cell) << (tied ? ", tied" : ""));
      // More tokens than may be one-hot where the embedding is narrow.
      const StackConfig config{.cell = cell,
                               .layers = 2,
                               .hidden = 20,
                               .vocabulary = tied ? 37 : kMostOneHotTokens + 41,
                               .embedding = tied ? 20 : 6,
                               .tied_head = tied};
      DeviceModel model(GetParam(), config, kSteps, kBatch),
          reference({"reference", Precision::kF64}, config, kSteps, kBatch);
      const std::vector<double> start = InitialValues(config, 5);
      model.SetParameters(start);
      reference.SetParameters(start);
      const DeviceModel::Pass got = RunWindow(model), wanted = RunWindow(reference);
      const double tolerance = Tolerance(GetParam());
      EXPECT_LT(RelativeError(got.top, wanted.top), tolerance);
      EXPECT_LT(RelativeError(got.state_out, wanted.state_out), tolerance);
      EXPECT_NEAR(got.loss() / wanted.loss(), 1, tolerance);
      for (const Slice& slice : model.layout().slices()) {
        EXPECT_LT(RelativeError(PartOf(got.gradients, slice), PartOf(wanted.gradients, slice)),
                  tolerance)
            << slice.name;
      }
    }
  }
}

TEST_P(EmbeddedStackTest, AStepIsThatOfTheWindow) {
  const StackConfig config{.layers = 2, .hidden = 16, .vocabulary = 1100, .embedding = 5};
  DeviceModel model(GetParam(), config, kSteps, kBatch, kBatch);
  model.SetParameters(InitialValues(model.config(), 5));
  const auto tokens = SomeTokens(config.vocabulary, 2);
  const int64_t slot = StateElements(config);
  const DeviceModel::Pass whole =
      model.Run(tokens, tokens, std::vector<double>(kBatch * slot, 0), false);
  Buffer pool = model.Reals((kBatch + 1) * slot, 0), top = model.Reals(kBatch * config.hidden);
  Buffer slots = model.Integers({3, 1, 2});
  for (int t = 0; t < kSteps; ++t) {
    Buffer ids = model.Integers({tokens.begin() + t * kBatch, tokens.begin() + (t + 1) * kBatch});
    model.stack().Step(model.queue(), ids.view(), slots.view(), pool.view(), top.view());
    const auto begin = whole.top.begin() + t * kBatch * config.hidden;
    const std::vector<double> wanted(begin, begin + kBatch * config.hidden);
    if (model.backend().capabilities().step_equals_forward) {
      EXPECT_EQ(model.Read(top.view()), wanted);
    } else {
      EXPECT_LT(RelativeError(model.Read(top.view()), wanted), Tolerance(GetParam()));
    }
  }
}

TEST_P(EmbeddedStackTest, DrawsFromMoreTokensThanMayBeOneHot) {
  const int V = kMostOneHotTokens + 100;
  const StackConfig config{.layers = 1, .hidden = 8, .vocabulary = V, .embedding = 2};
  DeviceModel model(GetParam(), config, 1, 1);
  Buffer logits = model.Reals(V, -5), tokens = model.Integers({-1});
  std::vector<double> values(V, -5);
  values[V - 1] = 40;
  model.Write(logits.view(), values);
  const SampleRow row{.seed = 1};
  Buffer rows = *model.backend().Allocate(ElementType::kByte, sizeof row);
  model.backend().Upload(model.queue(), &row, rows.view());
  model.backend().Sample(model.queue(), logits.view(),
                         {.rows = rows.view(), .tokens = tokens.view()});
  int32_t drawn = -1;
  ASSERT_TRUE(model.backend().Download(model.queue(), tokens.view(), &drawn).ok());
  EXPECT_EQ(drawn, V - 1);
}

TEST_P(EmbeddedStackTest, PlansWhatTheFoldedWeightsTakeBesides) {
  StackConfig config{.layers = 1, .hidden = 8, .vocabulary = 300};
  config.precision = GetParam().precision;
  const auto backend = MakeBackend(GetParam());
  const StackExtent extent{.steps = 2, .batch = 2, .training = true};
  const StackPlan plain = backend->Plan(config, extent);
  config.embedding = 4;
  const StackPlan embedded = backend->Plan(config, extent);
  const int64_t folded = int64_t{4} * 8 * 300 * ElementSize(StateType(config.precision));
  EXPECT_GT(embedded.weight_bytes, plain.weight_bytes + folded);
  EXPECT_GT(embedded.workspace_bytes, plain.workspace_bytes + folded);
  EXPECT_EQ(embedded.slot_bytes, plain.slot_bytes);
}

// In double precision, or the differences would be noise.
INSTANTIATE_TEST_SUITE_P(AllBackends, EmbeddedDifferencesTest,
                         testing::ValuesIn(EnginesWith(Precision::kF64)),
                         [](const auto& info) { return EngineName(info.param); });
INSTANTIATE_TEST_SUITE_P(AllBackends, EmbeddedStackTest, testing::ValuesIn(AllEngines()),
                         [](const auto& info) { return EngineName(info.param); });

// A program may have no such engine on this machine.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EmbeddedStackTest);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EmbeddedDifferencesTest);

}  // namespace
}  // namespace derin
