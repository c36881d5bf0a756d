#include "model/sampling/sampler.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <numeric>
#include <vector>

#include "model/sampling/sampler_arithmetic.h"

namespace derin {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr float kNan = NAN;

// Numbers in [0, 1) for tests, in an order that the sampler does not use.
float TestUniform(uint32_t test, uint32_t index) {
  return UnitUniform(Philox4x32({{test, index, 0, 99}}, 1).word[0]);
}

// Logits in [-4, 4), on a grid so coarse that there are ties.
std::vector<float> TestLogits(uint32_t test, int vocabulary) {
  std::vector<float> logits(vocabulary);
  for (int i = 0; i < vocabulary; ++i) logits[i] = std::floor(TestUniform(test, i) * 64) / 8 - 4;
  return logits;
}

int32_t Draw(SampleRow row, const std::vector<float>& logits,
             const std::vector<LogitAdjustment>& adjustments = {}) {
  std::vector<float> scratch(2 * logits.size(), kNan);
  row.adjustment_count = static_cast<int32_t>(adjustments.size());
  return SampleToken(row, adjustments, logits, absl::MakeSpan(scratch));
}

// The ids of non-zero probability, most probable first, ties by id.
std::vector<int> ByProbability(const std::vector<float>& p) {
  std::vector<int> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return p[a] > p[b]; });
  return order;
}

// What the header says, with a sort: the probabilities that a draw is made from.
std::vector<float> SortedReference(const SamplingSettings& settings,
                                   const std::vector<float>& logits) {
  const size_t first = settings.allow_unknown ? 0 : 1;
  const float largest = *std::max_element(logits.begin() + first, logits.end());
  std::vector<float> p(logits.size(), 0);
  for (size_t i = first; i < p.size(); ++i) {
    p[i] = Exp((logits[i] - largest) / settings.temperature);
  }
  std::vector<int> order = ByProbability(p);
  const auto drop_after = [&](size_t kept) {
    for (size_t i = kept; i < order.size(); ++i) p[order[i]] = 0;
    order.resize(std::min(kept, order.size()));
  };
  if (settings.top_k > 0) drop_after(settings.top_k);
  double total = 0;
  for (const int id : order) total += p[id];
  double sum = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    sum += p[order[i]];
    if (sum >= settings.top_p * total) {
      drop_after(i + 1);
      break;
    }
  }
  return p;
}

int32_t SortedReferenceDraw(const SampleRow& row, const std::vector<float>& logits) {
  const std::vector<float> p = SortedReference(row.settings, logits);
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  const float u =
      UnitUniform(Philox4x32(RandomPurpose::kSampling, static_cast<uint32_t>(row.position),
                             static_cast<uint32_t>(row.position >> 32), row.stream, row.seed)
                      .word[0]);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    sum += p[i];
    if (sum > u * total) return static_cast<int32_t>(i);
  }
  return -1;
}

void ExpectDrawsOfReference(const SamplingSettings& settings, uint32_t test) {
  for (const int vocabulary : {2, 3, 28, 257}) {
    for (uint32_t i = 0; i < 200; ++i) {
      const std::vector<float> logits = TestLogits(test * 1000 + i, vocabulary);
      const SampleRow row{settings, uint64_t{0x123456789abcdef0} + i, i, (int64_t{1} << 33) + i};
      ASSERT_EQ(Draw(row, logits), SortedReferenceDraw(row, logits))
          << "vocabulary " << vocabulary << ", draw " << i;
    }
  }
}

TEST(Sampler, DrawsAsTheReferenceWhenNothingIsFiltered) { ExpectDrawsOfReference({}, 1); }

TEST(Sampler, DrawsAsTheReferenceAtEachTemperature) {
  for (const float temperature : {1e-3f, 0.2f, 0.7f, 1.5f, 100.0f}) {
    ExpectDrawsOfReference({.temperature = temperature}, 2);
  }
}

TEST(Sampler, DrawsAsTheReferenceWithEachTopK) {
  for (const int32_t k : {1, 2, 5, 27, 28, 256, 257, 1'000'000}) {
    ExpectDrawsOfReference({.top_k = k}, 3);
  }
}

TEST(Sampler, DrawsAsTheReferenceWithEachTopP) {
  for (const float p : {1e-30f, 0.1f, 0.5f, 0.9f, 0.999f, 1.0f}) {
    ExpectDrawsOfReference({.top_p = p}, 4);
  }
}

TEST(Sampler, DrawsAsTheReferenceWithEverythingAtOnce) {
  ExpectDrawsOfReference({.temperature = 0.8f, .top_k = 12, .top_p = 0.7f, .allow_unknown = true},
                         5);
}

TEST(Sampler, KeepsTheSameTokensAsASort) {
  for (uint32_t test = 0; test < 300; ++test) {
    const std::vector<float> logits = TestLogits(test, 40);
    const SamplingSettings settings{.top_k = 1 + static_cast<int32_t>(test % 41),
                                    .top_p = (1 + test % 100) / 100.0f};
    std::vector<float> p(logits.size());
    const float largest = logits[MostProbableToken(logits.data(), 1, 40)];
    WeighTokens(logits.data(), largest, 1, 1, 40, p.data());
    KeepTopK(p.data(), 40, settings.top_k);
    if (settings.top_p < 1) KeepTopP(p.data(), 40, settings.top_p);
    ASSERT_EQ(p, SortedReference(settings, logits)) << "test " << test;
  }
}

TEST(Sampler, BreaksTiesAtTheEdgeByTheLowestId) {
  std::vector<float> p = {0.5f, 0.25f, 1, 0.25f, 0.25f, 1};
  KeepTopK(p.data(), 6, 4);
  EXPECT_THAT(p, ElementsAre(0.5f, 0.25f, 1, 0, 0, 1));
  p = {0.5f, 0.25f, 1, 0.25f, 0.25f, 0.75f};
  KeepTopP(p.data(), 6, 2.5f / 3);  // 1 + 0.75 + 0.5 + 0.25 of 3
  EXPECT_THAT(p, ElementsAre(0.5f, 0.25f, 1, 0, 0, 0.75f));
  p = {1, 1, 1, 1};
  KeepTopP(p.data(), 4, 0.5f);
  EXPECT_THAT(p, ElementsAre(1, 1, 0, 0));
}

TEST(Sampler, DrawsTheFirstIdWhoseCumulativeProbabilityExceedsTheUniform) {
  const std::vector<float> p = {0, 0.5f, 0, 0.25f, 0.25f, 0};
  EXPECT_EQ(DrawFrom(p.data(), 6, 0), 1);
  EXPECT_EQ(DrawFrom(p.data(), 6, 0.5f - 0x1p-24f), 1);
  EXPECT_EQ(DrawFrom(p.data(), 6, 0.5f), 3);
  EXPECT_EQ(DrawFrom(p.data(), 6, 0.75f), 4);
  EXPECT_EQ(DrawFrom(p.data(), 6, 1 - 0x1p-24f), 4);
}

TEST(Sampler, KeepsTheMostProbableTokenHoweverSmallTopPIs) {
  const std::vector<float> logits = {0, -1, 2, 1, 2, -3};
  for (const float top_p : {0.0f, FLT_TRUE_MIN, FLT_MIN, 1e-20f, 1e-3f}) {
    for (int64_t position = 0; position < 50; ++position) {
      EXPECT_EQ(Draw({{.top_p = top_p}, 7, 0, position}, logits), 2) << top_p;
    }
  }
}

// After top-k the two kept have 0.6 and 0.4 of the mass, so that p = 0.5 keeps one; of all four
// tokens the first alone has less than half.
TEST(Sampler, AppliesTopPToWhatTopKKept) {
  const std::vector<float> logits = {0, std::log(0.48f), std::log(0.32f), std::log(0.1f),
                                     std::log(0.1f)};
  for (int64_t position = 0; position < 200; ++position) {
    EXPECT_EQ(Draw({{.top_k = 2, .top_p = 0.5f}, 7, 0, position}, logits), 1);
  }
}

// Probabilities 0.6 and 0.4: p = 0.56 keeps the first only. At temperature 2 they are as the square
// roots, 0.551 and 0.449, and p = 0.56 needs both.
TEST(Sampler, AppliesTemperatureBeforeTopP) {
  const std::vector<float> logits = {0, std::log(0.6f), std::log(0.4f)};
  bool second_drawn = false;
  for (int64_t position = 0; position < 200; ++position) {
    EXPECT_EQ(Draw({{.top_p = 0.56f}, 7, 0, position}, logits), 1);
    second_drawn |= Draw({{.temperature = 2, .top_p = 0.56f}, 7, 0, position}, logits) == 2;
  }
  EXPECT_TRUE(second_drawn);
}

// Pearson's statistic of 200,000 draws over 7 tokens; 22.46 is the 0.1 % point of chi-squared with
// 6 degrees of freedom. Seeds are fixed: the test always gives the same answer.
TEST(Sampler, DrawsTheDistributionThatTheLogitsSay) {
  const std::vector<float> logits = {9, 0, -1, 1, 0.5f, -2, 2, -0.25f};
  constexpr int kDraws = 200'000;
  double total = 0;
  for (size_t i = 1; i < logits.size(); ++i) total += std::exp(logits[i]);
  for (const uint64_t seed : {1, 2, 3}) {
    std::vector<int> counts(logits.size());
    for (int64_t position = 0; position < kDraws; ++position) {
      ++counts[Draw({{}, seed, 5, position}, logits)];
    }
    EXPECT_EQ(counts[0], 0);
    double statistic = 0;
    for (size_t i = 1; i < logits.size(); ++i) {
      const double expected = kDraws * std::exp(logits[i]) / total;
      statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    EXPECT_LT(statistic, 22.46) << "seed " << seed;
  }
}

TEST(Sampler, NeverDrawsUnknownUnlessAllowed) {
  const std::vector<float> logits = {50, 0, 0};
  for (int64_t position = 0; position < 100; ++position) {
    EXPECT_NE(Draw({{}, 1, 0, position}, logits), 0);
    EXPECT_EQ(Draw({{.allow_unknown = true}, 1, 0, position}, logits), 0);
  }
  EXPECT_EQ(Draw({{.temperature = 0}}, logits), 1);
  EXPECT_EQ(Draw({{.temperature = 0, .allow_unknown = true}}, logits), 0);
}

TEST(Sampler, RanksTheMostProbableTokensByTheModelsOwnLogits) {
  const std::vector<float> logits = {1, 3, NAN, 3, -2, 0.5f, HUGE_VALF};
  double sum = 0;
  for (const float logit : {1.0f, 3.0f, 3.0f, -2.0f, 0.5f}) sum += std::exp(double{logit});
  std::vector<TokenLogProbability> ranking(8);
  RankTokens(logits.data(), 7, 5, 7, ranking.data());
  const int32_t tokens[] = {5, 1, 3, 0, 5, 4, -1, -1};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(ranking[i].token, tokens[i]) << i;
    if (tokens[i] < 0) continue;
    EXPECT_NEAR(ranking[i].log_probability, logits[tokens[i]] - std::log(sum), 1e-5) << i;
  }
  RankTokens(logits.data(), 7, 2, 0, ranking.data());
  EXPECT_EQ(ranking[0].log_probability, -HUGE_VALF) << "an unusable logit";
  const std::vector<float> none(3, kNan);
  RankTokens(none.data(), 3, 1, 2, ranking.data());
  EXPECT_EQ(ranking[0].log_probability, -HUGE_VALF);
  EXPECT_EQ(ranking[1].token, -1);
}

TEST(Sampler, RanksLogitsOfAnySize) {
  const std::vector<float> logits = {FLT_MAX, -FLT_MAX};
  TokenLogProbability ranking[2];
  RankTokens(logits.data(), 2, 0, 1, ranking);
  EXPECT_EQ(ranking[0].log_probability, 0);
  EXPECT_EQ(ranking[1].token, 0);
}

TEST(Sampler, TakesTheLowestOfEqualTokensAtTemperatureZero) {
  EXPECT_EQ(Draw({{.temperature = 0}}, {9, 1, 3, 3, 2}), 2);
}

TEST(Sampler, ReturnsAForcedTokenWhateverTheLogits) {
  SampleRow row{{.temperature = 0}};
  row.forced_token = 0;
  EXPECT_EQ(Draw(row, {1, 2, 3}), 0);
  row.forced_token = 2;
  EXPECT_EQ(Draw(row, {kNan, kNan, kNan}), 2);
}

TEST(Sampler, TreatsLogitsThatAreNotFiniteAsImpossible) {
  const std::vector<float> logits = {0, kNan, HUGE_VALF, 1, -HUGE_VALF, 1};
  for (int64_t position = 0; position < 100; ++position) {
    EXPECT_THAT(Draw({{}, 1, 0, position}, logits), ::testing::AnyOf(3, 5));
  }
  EXPECT_EQ(Draw({{.temperature = 0}}, logits), 3);
  const std::vector<float> none = {kNan, kNan, HUGE_VALF};
  EXPECT_EQ(Draw({{}}, none), 1);
  EXPECT_EQ(Draw({{.allow_unknown = true}}, none), 0);
}

TEST(Sampler, HoldsAtTheEdgesOfWhatALogitCanBe) {
  const std::vector<float> logits = {0, FLT_MAX, -FLT_MAX, FLT_MAX};
  for (const float temperature : {FLT_MIN, 1.0f, 100.0f}) {
    std::vector<float> p(4);
    WeighTokens(logits.data(), FLT_MAX, temperature, 1, 4, p.data());
    EXPECT_THAT(p, ElementsAre(0, 1, 0, 1)) << "temperature " << temperature;
  }
  std::vector<float> flat(4);
  WeighTokens(std::vector<float>(4, -FLT_MAX).data(), -FLT_MAX, 1, 0, 4, flat.data());
  EXPECT_THAT(flat, Each(1.0f));
}

TEST(Sampler, DrawsOtherTokensForAnotherSeedStreamOrPosition) {
  const std::vector<float> logits(257, 0.0f);
  const SampleRow row{{}, 1, 2, 3};
  SampleRow seed = row, stream = row, position = row, far = row;
  seed.seed = 2;
  stream.stream = 3;
  position.position = 4;
  far.position += int64_t{1} << 32;
  const int32_t token = Draw(row, logits);
  EXPECT_EQ(Draw(row, logits), token);
  for (const SampleRow& other : {seed, stream, position, far}) {
    EXPECT_NE(Draw(other, logits), token);
  }
}

}  // namespace
}  // namespace derin
