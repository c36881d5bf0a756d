// The operations around the stack, on every backend.

#include "model/backend/backend.h"

#include <cmath>
#include <limits>

#include "tests/model/backend/device_model.h"

namespace derin {
namespace {

using testing::ElementsAre;

class BackendTest : public testing::TestWithParam<Engine> {
 protected:
  BackendTest() : model_(GetParam(), {.layers = 1, .hidden = 2, .vocabulary = 3}, 2, 2) {}

  std::vector<int32_t> ReadIntegers(View view) {
    std::vector<int32_t> values(view.count);
    EXPECT_TRUE(model_.backend().Download(model_.queue(), view, values.data()).ok());
    return values;
  }

  double tolerance() const { return GetParam().precision == Precision::kF64 ? 1e-12 : 1e-5; }

  DeviceModel model_;
};

TEST_P(BackendTest, AllocatesZeroedMemory) {
  Buffer buffer = *model_.backend().Allocate(StateType(GetParam().precision), 1000);
  EXPECT_EQ(model_.Read(buffer.view()), std::vector<double>(1000, 0));
}

TEST_P(BackendTest, RefusesMoreMemoryThanThereIsSayingHowMuch) {
  const auto buffer = model_.backend().Allocate(ElementType::kByte, size_t{1} << 50);
  EXPECT_EQ(buffer.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(buffer.status().message()), testing::HasSubstr("1125899906842624 bytes"));
}

TEST_P(BackendTest, RefusesAStackThatCannotFit) {
  const StackConfig config{
      .layers = 8, .hidden = 2048, .vocabulary = 1024, .precision = GetParam().precision};
  const StackExtent extent{.steps = 1 << 20, .batch = 512, .training = true};
  EXPECT_EQ(model_.backend().NewStack(config, extent).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_GT(model_.backend().Plan(config, extent).reserve_bytes, int64_t{1} << 40);
}

TEST_P(BackendTest, GathersWindowsTimeMajor) {
  Buffer corpus = model_.Integers({0, 1, 2, 3, 4, 5, 6, 7});
  Buffer starts = *model_.backend().Allocate(ElementType::kI64, 2);
  const int64_t at[] = {4, 1};
  model_.backend().Upload(model_.queue(), at, starts.view());
  Buffer tokens = model_.Integers({9, 9, 9, 9, 9, 9}),
         targets = model_.Integers({9, 9, 9, 9, 9, 9});
  model_.backend().GatherWindow(model_.queue(), corpus.view(), starts.view(), tokens.view(),
                                targets.view());
  EXPECT_THAT(ReadIntegers(tokens.view()), ElementsAre(4, 1, 5, 2, 6, 3));
  EXPECT_THAT(ReadIntegers(targets.view()), ElementsAre(5, 2, 6, 3, 7, 4));
}

TEST_P(BackendTest, LossLeavesOutTargetsOfMinusOne) {
  model_.SetParameters(InitialValues(model_.config(), 3));
  const std::vector<double> state(2 * StateElements(model_.config()), 0);
  const auto all = model_.Run({0, 1, 2, 0}, {1, 2, 0, 1}, state);
  const auto one = model_.Run({0, 1, 2, 0}, {1, -1, -1, -1}, state);
  EXPECT_EQ(all.counted, 4);
  EXPECT_EQ(one.counted, 1);
  const double highest = std::max({one.logits[0], one.logits[1], one.logits[2]});
  double sum = 0;
  for (int v = 0; v < 3; ++v) sum += std::exp(one.logits[v] - highest);
  EXPECT_NEAR(one.nats, highest + std::log(sum) - one.logits[1], 10 * tolerance());
  const auto none = model_.Run({0, 1, 2, 0}, {-1, -1, -1, -1}, state);
  EXPECT_EQ(none.nats, 0);
  EXPECT_EQ(none.gradients, std::vector<double>(none.gradients.size(), 0));
}

TEST_P(BackendTest, LossOfHugeLogitsIsFinite) {
  std::vector<double> values(model_.layout().count(), 0);
  values[model_.layout().head_bias().offset] = 1e30;
  model_.SetParameters(values);
  const auto pass = model_.Run({0, 1, 2, 0}, {0, 0, 0, 0},
                               std::vector<double>(2 * StateElements(model_.config()), 0));
  EXPECT_EQ(pass.nats, 0);
  for (const double g : pass.gradients) EXPECT_TRUE(std::isfinite(g));
}

TEST_P(BackendTest, ATargetOutsideOfTheVocabularyFailsTheQueueAndTheRestIsNotRun) {
  model_.SetParameters(InitialValues(model_.config(), 3));
  Buffer top = model_.Reals(4, 0.5), d_top = model_.Reals(4, 7), targets = model_.Integers({1, 3});
  Buffer loss = *model_.backend().Allocate(ElementType::kF64, 2);
  model_.backend().ProjectAndLoss(model_.queue(), top.view(), model_.Head(model_.parameters()),
                                  targets.view(), loss.view(), d_top.view(),
                                  model_.Head(model_.gradients()));
  model_.backend().Zero(model_.queue(), top.view());
  EXPECT_EQ(model_.queue().Finish().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(BackendTest, SquaredNormIsAddedInDoublePrecision) {
  Buffer values = model_.Reals(100001, 1e-4),
         norm = *model_.backend().Allocate(ElementType::kF64, 1);
  model_.Write(values.view().Slice(0, 1), {1e2});
  model_.backend().SquaredNorm(model_.queue(), values.view(), norm.view());
  EXPECT_NEAR(model_.Read(norm.view())[0], 1e4 + 1e5 * 1e-8, 1e-7);
}

TEST_P(BackendTest, UpdateClipsByTheGlobalNorm) {
  const size_t n = model_.layout().count();
  model_.SetParameters(std::vector<double>(n, 1));
  model_.Write(model_.gradients(), std::vector<double>(n, 2));
  model_.Update({.clip = 0.5}, 1.0);
  const double norm = 2 * std::sqrt(double(n));
  for (const double w : model_.Read(model_.parameters())) {
    EXPECT_NEAR(w, 1 - 2 * 0.5 / (norm + 1e-6), tolerance());
  }
}

TEST_P(BackendTest, SamplesEachRowByItsOwnSettings) {
  Buffer logits = model_.Reals(9);
  model_.Write(logits.view(), {0, 5, 1, 9, 2, 3, 0, 0, 0});
  SampleRow rows[3];
  rows[0].settings.temperature = 0;
  rows[1].settings.temperature = 0;
  rows[2].forced_token = 2;
  Buffer samples = *model_.backend().Allocate(ElementType::kByte, sizeof(rows));
  model_.backend().Upload(model_.queue(), rows, samples.view());
  Buffer tokens = model_.Integers({-1, -1, -1});
  model_.backend().Sample(model_.queue(), logits.view(),
                          {.rows = samples.view(), .tokens = tokens.view()});
  // Row 1's best token is `<unk>`, which is not drawn.
  EXPECT_THAT(ReadIntegers(tokens.view()), ElementsAre(1, 2, 2));
}

TEST_P(BackendTest, AdjustsTheLogitsOfEachRowByItsOwnPart) {
  Buffer logits = model_.Reals(12);
  model_.Write(logits.view(), {0, 5, 1, 2, 0, 5, 1, 2, 0, 5, 1, 2});
  const LogitAdjustment adjustments[] = {
      {.token = 1, .bias = kBanned}, {.token = 2, .bias = 10}, {.token = 1, .count = 1}};
  SampleRow rows[3];
  for (SampleRow& row : rows) row.settings.temperature = 0;
  rows[1].adjustment_count = 1;
  rows[2].first_adjustment = 1;
  rows[2].adjustment_count = 2;
  Buffer samples = *model_.backend().Allocate(ElementType::kByte, sizeof(rows));
  model_.backend().Upload(model_.queue(), rows, samples.view());
  Buffer changes = *model_.backend().Allocate(ElementType::kByte, sizeof(adjustments));
  model_.backend().Upload(model_.queue(), adjustments, changes.view());
  Buffer tokens = model_.Integers({-1, -1, -1});
  model_.backend().Sample(
      model_.queue(), logits.view(),
      {.rows = samples.view(), .adjustments = changes.view(), .tokens = tokens.view()});
  EXPECT_THAT(ReadIntegers(tokens.view()), ElementsAre(1, 3, 2));
}

TEST_P(BackendTest, RanksTokensOfTheRowsThatAskForIt) {
  Buffer logits = model_.Reals(8);
  model_.Write(logits.view(), {0, 1, 2, 3, 0, 1, 2, 3});
  SampleRow rows[2];
  rows[1].forced_token = 1;
  rows[1].ranked = 2;
  Buffer samples = *model_.backend().Allocate(ElementType::kByte, sizeof(rows));
  model_.backend().Upload(model_.queue(), rows, samples.view());
  std::vector<TokenLogProbability> ranked(2 * kRankingSize);
  const size_t bytes = ranked.size() * sizeof(TokenLogProbability);
  Buffer rankings = *model_.backend().Allocate(ElementType::kByte, bytes);
  model_.backend().Upload(model_.queue(), ranked.data(), rankings.view());
  Buffer tokens = model_.Integers({-1, -1});
  model_.backend().Sample(
      model_.queue(), logits.view(),
      {.rows = samples.view(), .tokens = tokens.view(), .rankings = rankings.view()});
  ASSERT_TRUE(model_.backend().Download(model_.queue(), rankings.view(), ranked.data()).ok());
  EXPECT_EQ(ranked[0].token, -1) << "the first row did not ask";
  const TokenLogProbability* second = &ranked[kRankingSize];
  EXPECT_EQ(second[0].token, 1);
  EXPECT_EQ(second[1].token, 3);
  EXPECT_EQ(second[2].token, 2);
  const double log_sum = std::log(1 + std::exp(1) + std::exp(2) + std::exp(3));
  EXPECT_NEAR(second[0].log_probability, 1 - log_sum, 1e-5);
  EXPECT_NEAR(second[1].log_probability, 3 - log_sum, 1e-5);
}

TEST_P(BackendTest, CopiesStatesReadingAllBeforeWriting) {
  Buffer pool = model_.Reals(8);
  model_.Write(pool.view(), {0, 0, 1, 1, 2, 2, 3, 3});
  Buffer from = model_.Integers({1, 2, 0}), to = model_.Integers({2, 1, 3});
  model_.backend().CopyStates(model_.queue(), pool.view(), 2, from.view(), to.view());
  EXPECT_THAT(model_.Read(pool.view()), ElementsAre(0, 0, 2, 2, 1, 1, 0, 0));
}

TEST_P(BackendTest, ARecordingRunsItsBodyEachTimeOnWhatTheViewsHoldThen) {
  Buffer from = model_.Reals(2, 1), to = model_.Reals(2);
  auto recording = model_.backend().Record(
      [&](Queue& queue) { model_.backend().Copy(queue, from.view(), to.view()); });
  for (int run = 1; run <= 4; ++run) {
    model_.Write(from.view(), {double(run), 2.0 * run});
    recording->Run(model_.queue());
    EXPECT_THAT(model_.Read(to.view()), ElementsAre(run, 2 * run));
  }
}

TEST_P(BackendTest, EngineIdNamesBackendAndPrecision) {
  const std::string id = model_.backend().EngineId(GetParam().precision);
  EXPECT_THAT(id, testing::StartsWith(GetParam().backend + "/"));
  EXPECT_THAT(id, testing::HasSubstr("/" + std::string(PrecisionName(GetParam().precision)) + "/"));
}

// Engines of the same id promise the same bits, which these do not give.
TEST(CpuBackend, EngineIdTellsTilesFromOtherProductsOfBfloat16) {
  for (const cpu::InstructionSet set : cpu::SupportedInstructionSets()) {
    const auto backend = cpu::NewCpuBackend({.threads = 1, .instructions = set});
    const bool tiles = set == cpu::InstructionSet::kAmxBf16;
    EXPECT_EQ(backend->EngineId(Precision::kF32), "cpu/f32/1");
    EXPECT_EQ(backend->EngineId(Precision::kBf16), tiles ? "cpu/amx/bf16/1" : "cpu/bf16/1");
  }
}

INSTANTIATE_TEST_SUITE_P(AllBackends, BackendTest, testing::ValuesIn(AllEngines()),
                         [](const auto& info) { return EngineName(info.param); });

// A program may have no such engine on this machine.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(BackendTest);

}  // namespace
}  // namespace derin
