// Each parameter of the sampler against its definition, written with a sort, in f64 and with a
// logarithm: the distribution of many draws is compared by Pearson's chi-squared test. Seeds are
// fixed: a test always gives the same answer.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <vector>

#include "model/sampling/sampler.h"

namespace derin {
namespace {

using Distribution = std::vector<double>;

// A draw in plain terms.
struct Plain {
  SamplingSettings settings;
  std::vector<int32_t> recent;
  std::map<int32_t, double> bias;
  std::vector<int32_t> banned;
  std::vector<int32_t> allowed;  // empty: all
};

void Normalize(Distribution& p) {
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& one : p) one /= total;
}

// Keeps the shortest beginning of the tokens, in the order of `key` (ties: by id), for which
// `enough(sum, count)`.
void KeepFirst(Distribution& p, const std::function<double(int)>& key,
               const std::function<bool(double, int)>& enough) {
  std::vector<int> order;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] > 0) order.push_back(static_cast<int>(i));
  }
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
  double sum = 0;
  int count = 0;
  for (const int id : order) {
    if (enough(sum, count)) p[id] = 0;
    sum += p[id];
    ++count;
  }
  Normalize(p);
}

// What each step of the sampler does to the distribution, or to the logits.
using Logits = std::vector<double>;

void Penalize(const Plain& plain, Logits& logits) {
  for (size_t i = 0; i < logits.size(); ++i) {
    const auto count = std::count(plain.recent.begin(), plain.recent.end(), static_cast<int>(i));
    if (count == 0) continue;
    const double r = plain.settings.repetition_penalty;
    logits[i] = logits[i] > 0 ? logits[i] / r : logits[i] * r;
    logits[i] -= plain.settings.presence_penalty;
    logits[i] -= plain.settings.frequency_penalty * static_cast<double>(count);
  }
}

void Bias(const Plain& plain, Logits& logits) {
  for (const auto& [token, bias] : plain.bias) logits[token] += bias;
}

void Restrict(const Plain& plain, Logits& logits) {
  for (const int32_t token : plain.banned) logits[token] = -INFINITY;
  for (size_t i = 0; i < logits.size() && !plain.allowed.empty(); ++i) {
    const auto end = plain.allowed.end();
    if (std::find(plain.allowed.begin(), end, static_cast<int>(i)) == end) logits[i] = -INFINITY;
  }
  if (!plain.settings.allow_unknown) logits[0] = -INFINITY;
}

Distribution Softmax(const Logits& logits, double temperature) {
  Distribution p;
  const double largest = *std::max_element(logits.begin(), logits.end());
  for (const double logit : logits) p.push_back(std::exp((logit - largest) / temperature));
  Normalize(p);
  return p;
}

void TopK(int k, Distribution& p) {
  KeepFirst(
      p, [&p](int i) { return -p[i]; }, [k](double, int count) { return k > 0 && count >= k; });
}

void Typical(double share, Distribution& p) {
  if (share == 1) return;
  double entropy = 0;
  for (const double one : p) entropy -= one > 0 ? one * std::log(one) : 0;
  const Distribution of = p;
  KeepFirst(
      p, [&of, entropy](int i) { return std::fabs(-std::log(of[i]) - entropy); },
      [share](double sum, int) { return sum >= share; });
}

void TopP(double share, Distribution& p) {
  KeepFirst(
      p, [&p](int i) { return -p[i]; },
      [share](double sum, int) { return share < 1 && sum >= share; });
}

void MinP(double share, Distribution& p) {
  const double most = *std::max_element(p.begin(), p.end());
  for (double& one : p) one = one >= share * most ? one : 0;
  Normalize(p);
}

// The distribution that a draw is from: the steps in their order.
Distribution Expected(const Plain& plain, const std::vector<float>& of) {
  Logits logits(of.begin(), of.end());
  Penalize(plain, logits);
  Bias(plain, logits);
  Restrict(plain, logits);
  const SamplingSettings& settings = plain.settings;
  Distribution p = Softmax(logits, settings.temperature);
  TopK(settings.top_k, p);
  Typical(settings.typical_p, p);
  TopP(settings.top_p, p);
  MinP(settings.min_p, p);
  return p;
}

// The same as the sampler is told.
std::vector<LogitAdjustment> Adjustments(const Plain& plain) {
  std::map<int32_t, LogitAdjustment> by_token;
  for (const int32_t token : plain.allowed) by_token[token];
  for (const int32_t token : plain.recent) ++by_token[token].count;
  for (const auto& [token, bias] : plain.bias) by_token[token].bias = static_cast<float>(bias);
  for (const int32_t token : plain.banned) by_token[token].bias = kBanned;
  std::vector<LogitAdjustment> adjustments;
  for (auto& [token, adjustment] : by_token) {
    const auto end = plain.allowed.end();
    if (!plain.allowed.empty() && std::find(plain.allowed.begin(), end, token) == end) {
      adjustment.bias = kBanned;
    }
    adjustment.token = token;
    adjustments.push_back(adjustment);
  }
  return adjustments;
}

// The 0.1 % point of chi-squared, by Wilson and Hilferty's approximation (1931), which is within
// 1 % of it from 2 degrees of freedom on; 10.83 is that of 1.
double CriticalValue(int freedom) {
  if (freedom == 1) return 10.83;
  const double n = freedom, h = 2 / (9 * n);
  return n * std::pow(1 - h + 3.0902 * std::sqrt(h), 3) * 1.01;
}

// Ids in no order of their logits, some above 0 and some below.
const std::vector<float> kLogits = {2.5f, -0.7f, 1.1f, 0.2f, -1.9f, 1.8f, 0.9f, -0.1f, 0.5f, -1.2f};

void ExpectDraws(const Plain& plain, const std::vector<float>& logits = kLogits) {
  constexpr int kDraws = 60'000;
  const Distribution expected = Expected(plain, logits);
  const std::vector<LogitAdjustment> adjustments = Adjustments(plain);
  for (const uint64_t seed : {11, 12}) {
    SampleRow row{.settings = plain.settings, .seed = seed, .stream = 3};
    row.adjustment_count = static_cast<int32_t>(adjustments.size());
    row.only_adjusted = !plain.allowed.empty();
    std::vector<int> counts(logits.size());
    std::vector<float> scratch(2 * logits.size(), NAN);
    for (; row.position < kDraws; ++row.position) {
      ++counts[SampleToken(row, adjustments, logits, absl::MakeSpan(scratch))];
    }
    double statistic = 0;
    int kinds = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      if (expected[i] == 0) {
        EXPECT_EQ(counts[i], 0) << "token " << i << " is not to be drawn";
        continue;
      }
      const double wanted = kDraws * expected[i];
      ASSERT_GT(wanted, 5) << "token " << i << " is too rare for the test";
      statistic += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
      ++kinds;
    }
    if (kinds == 1) continue;  // all draws are the one token
    EXPECT_LT(statistic, CriticalValue(kinds - 1)) << "seed " << seed;
  }
}

// Whether the test would see the difference between two settings: it must, or it shows nothing.
double Distance(const Distribution& a, const Distribution& b) {
  double distance = 0;
  for (size_t i = 0; i < a.size(); ++i) distance += std::fabs(a[i] - b[i]) / 2;
  return distance;
}

TEST(SamplingDistribution, OfTemperature) {
  for (const float temperature : {0.5f, 0.8f, 1.0f, 1.7f, 10.0f}) {
    ExpectDraws({.settings = {.temperature = temperature}});
  }
}

TEST(SamplingDistribution, OfTopK) {
  for (const int32_t k : {1, 2, 4, 9, 100}) ExpectDraws({.settings = {.top_k = k}});
}

TEST(SamplingDistribution, OfTopP) {
  for (const float p : {0.05f, 0.4f, 0.75f, 0.95f}) ExpectDraws({.settings = {.top_p = p}});
}

TEST(SamplingDistribution, OfMinP) {
  for (const float p : {0.02f, 0.1f, 0.3f, 0.6f, 1.0f}) ExpectDraws({.settings = {.min_p = p}});
}

TEST(SamplingDistribution, OfTypicalP) {
  for (const float p : {0.05f, 0.2f, 0.5f, 0.8f, 0.95f})
    ExpectDraws({.settings = {.typical_p = p}});
}

TEST(SamplingDistribution, OfTypicalPMayLeaveOutTheMostProbable) {
  // A flat crowd with one peak: the peak is far from the entropy.
  std::vector<float> logits(60, 0.0f);
  logits[7] = 2;
  const Plain plain{.settings = {.typical_p = 0.3f}};
  ASSERT_EQ(Expected(plain, logits)[7], 0);
  ExpectDraws(plain, logits);
}

TEST(SamplingDistribution, OfRepetitionPenalty) {
  for (const float penalty : {0.5f, 1.2f, 2.0f}) {
    ExpectDraws({.settings = {.repetition_penalty = penalty}, .recent = {1, 5, 5, 5, 4, 0}});
  }
}

TEST(SamplingDistribution, OfPresenceAndFrequencyPenalties) {
  for (const float penalty : {-1.0f, 0.5f, 2.0f}) {
    ExpectDraws({.settings = {.presence_penalty = penalty}, .recent = {5, 5, 5, 2}});
    ExpectDraws({.settings = {.frequency_penalty = penalty}, .recent = {5, 5, 2, 9}});
  }
}

TEST(SamplingDistribution, OfLogitBias) {
  ExpectDraws({.bias = {{5, -2.0}, {9, 3.0}}});
  ExpectDraws({.settings = {.allow_unknown = true}, .bias = {{0, -2.0}}});
}

TEST(SamplingDistribution, OfAllowedAndBannedTokens) {
  ExpectDraws({.banned = {5, 2}});
  ExpectDraws({.allowed = {1, 3, 9}});
  ExpectDraws({.allowed = {4}});
  ExpectDraws({.settings = {.repetition_penalty = 2}, .recent = {5, 3}, .allowed = {1, 3, 9}});
}

// Each pair of neighbours in the order, with settings for which the other order draws another
// distribution: by how much, and that the draws are from the right one.
struct Neighbours {
  const char* name;
  Plain plain;
  std::function<Distribution(const Plain&)> swapped;
};

Distribution SoftmaxOfAll(const Plain& plain) {
  Logits logits(kLogits.begin(), kLogits.end());
  Restrict(plain, logits);
  return Softmax(logits, plain.settings.temperature);
}

std::vector<Neighbours> AllNeighbours() {
  return {
      {"bias before penalties",
       {.settings = {.repetition_penalty = 2}, .recent = {1, 5}, .bias = {{1, 3.0}, {5, 1.0}}},
       [](const Plain& plain) {
         Logits logits(kLogits.begin(), kLogits.end());
         Bias(plain, logits);
         Penalize(plain, logits);
         Restrict(plain, logits);
         return Softmax(logits, 1);
       }},
      {"temperature before bias",
       {.settings = {.temperature = 2}, .bias = {{5, 2.0}}},
       [](const Plain& plain) {
         Logits logits(kLogits.begin(), kLogits.end());
         for (double& logit : logits) logit /= plain.settings.temperature;
         Bias(plain, logits);
         Restrict(plain, logits);
         return Softmax(logits, 1);
       }},
      {"top-k before banned tokens",
       {.settings = {.top_k = 2}, .banned = {5}},
       [](const Plain& plain) {
         Plain unrestricted = plain;
         unrestricted.banned.clear();
         Distribution p = SoftmaxOfAll(unrestricted);
         TopK(plain.settings.top_k, p);
         p[5] = 0;
         Normalize(p);
         return p;
       }},
      {"typical before top-k",
       {.settings = {.top_k = 4, .typical_p = 0.5f}},
       [](const Plain& plain) {
         Distribution p = SoftmaxOfAll(plain);
         Typical(plain.settings.typical_p, p);
         TopK(plain.settings.top_k, p);
         return p;
       }},
      {"top-p before typical",
       {.settings = {.typical_p = 0.4f, .top_p = 0.7f}},
       [](const Plain& plain) {
         Distribution p = SoftmaxOfAll(plain);
         TopP(plain.settings.top_p, p);
         Typical(plain.settings.typical_p, p);
         return p;
       }},
      {"min-p before typical, which may leave out the most probable",
       {.settings = {.typical_p = 0.3f, .min_p = 0.5f}},
       [](const Plain& plain) {
         Distribution p = SoftmaxOfAll(plain);
         MinP(plain.settings.min_p, p);
         Typical(plain.settings.typical_p, p);
         return p;
       }},
      {"min-p before top-p",
       {.settings = {.top_p = 0.6f, .min_p = 0.3f}},
       [](const Plain& plain) {
         Distribution p = SoftmaxOfAll(plain);
         MinP(plain.settings.min_p, p);
         TopP(plain.settings.top_p, p);
         return p;
       }},
      {"temperature after top-p",
       {.settings = {.temperature = 2, .top_p = 0.6f}},
       [](const Plain& plain) {
         Plain cold = plain;
         cold.settings.temperature = 1;
         Distribution p = SoftmaxOfAll(cold);
         TopP(plain.settings.top_p, p);
         for (double& one : p) one = std::sqrt(one);
         Normalize(p);
         return p;
       }},
  };
}

TEST(SamplingDistribution, FollowsTheOrderOfTheSteps) {
  for (const Neighbours& one : AllNeighbours()) {
    SCOPED_TRACE(one.name);
    EXPECT_GT(Distance(Expected(one.plain, kLogits), one.swapped(one.plain)), 0.02);
    ExpectDraws(one.plain);
  }
}

TEST(SamplingDistribution, OfEverythingAtOnce) {
  ExpectDraws({.settings = {.repetition_penalty = 1.3f,
                            .presence_penalty = 0.2f,
                            .frequency_penalty = 0.1f,
                            .temperature = 1.4f,
                            .top_k = 8,
                            .typical_p = 0.95f,
                            .top_p = 0.9f,
                            .min_p = 0.05f,
                            .allow_unknown = true},
               .recent = {0, 5, 5, 8},
               .bias = {{8, 1.5}, {7, 0.5}},
               .banned = {2}});
}

TEST(SamplingDistribution, OfNoUsableLogitIsTheLowestTokenThatMayBeDrawn) {
  const std::vector<float> logits = {NAN, INFINITY, NAN, -INFINITY, NAN};
  std::vector<float> scratch(10);
  const LogitAdjustment banned[] = {{.token = 1, .bias = kBanned}, {.token = 2, .bias = kBanned}};
  SampleRow row{.adjustment_count = 2};
  EXPECT_EQ(SampleToken(row, banned, logits, absl::MakeSpan(scratch)), 3);
  const LogitAdjustment allowed[] = {{.token = 4}};
  row = {.adjustment_count = 1, .only_adjusted = true};
  EXPECT_EQ(SampleToken(row, allowed, logits, absl::MakeSpan(scratch)), 4);
}

TEST(SamplingDistribution, OfTemperatureZeroIsTheMostProbableAfterAdjustments) {
  std::vector<float> scratch(2 * kLogits.size());
  const LogitAdjustment adjustments[] = {{.token = 5, .count = 2}, {.token = 2, .bias = kBanned}};
  const SampleRow row{.settings = {.frequency_penalty = 1, .temperature = 0},
                      .adjustment_count = 2};
  EXPECT_EQ(SampleToken(row, adjustments, kLogits, absl::MakeSpan(scratch)), 6);
}

TEST(SamplingDistribution, ReadsOnlyTheRowsOwnAdjustments) {
  std::vector<float> scratch(2 * kLogits.size());
  const LogitAdjustment all[] = {{.token = 5, .bias = kBanned}, {.token = 4, .bias = 50}};
  SampleRow row{.settings = {.temperature = 0}, .adjustment_count = 1};
  EXPECT_EQ(SampleToken(row, all, kLogits, absl::MakeSpan(scratch)), 2);
  row.first_adjustment = 1;
  EXPECT_EQ(SampleToken(row, all, kLogits, absl::MakeSpan(scratch)), 4);
}

}  // namespace
}  // namespace derin
