#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "model/host_device.h"
#include "model/sampling/exponential.h"
#include "model/sampling/philox.h"
#include "model/sampling/sampler.h"

namespace derin {

// The steps of SampleToken, the same source on every device. Nothing is sorted: top-k, typical and
// top-p find the edge of what they keep by bisecting on the bits of the floats, which are ordered
// as the floats are. Probabilities p [V] are in [0, 1] and need not add up to 1; sums are
// f64, in the order of the ids.

// Probabilities are at most 1, whose bits are below 2^30: so many halvings find any of them.
inline constexpr int kProbabilityBits = 30;
// Of any float that is not negative.
inline constexpr int kPositiveBits = 31;

DERIN_HOST_DEVICE inline float UsableLogit(float logit) {
  return std::fabs(logit) <= FLT_MAX ? logit : -HUGE_VALF;
}

// A logit after the penalties for being `count` times among the recent tokens.
DERIN_HOST_DEVICE inline float PenalizedLogit(float logit, int32_t count,
                                              const SamplingSettings& settings) {
  if (count == 0) return logit;
  const float repeated =
      logit > 0 ? logit / settings.repetition_penalty : logit * settings.repetition_penalty;
  return repeated -
         (settings.presence_penalty + static_cast<float>(count) * settings.frequency_penalty);
}

// Writes the logit of one adjustment's token.
DERIN_HOST_DEVICE inline void AdjustOne(const SampleRow& row, const LogitAdjustment& one,
                                        const float* logits, float* adjusted) {
  const float penalized = PenalizedLogit(UsableLogit(logits[one.token]), one.count, row.settings);
  adjusted[one.token] = one.bias < -FLT_MAX ? NAN : UsableLogit(penalized + one.bias);
}

// The row's logits after penalties, bias, allowed and banned tokens: usable ones, and NaN for
// tokens that must not be drawn. `own` are the row's adjustments.
DERIN_HOST_DEVICE inline void AdjustLogits(const SampleRow& row, const LogitAdjustment* own,
                                           const float* logits, int32_t V, float* adjusted) {
  for (int32_t i = 0; i < V; ++i) adjusted[i] = row.only_adjusted ? NAN : UsableLogit(logits[i]);
  for (int32_t i = 0; i < row.adjustment_count; ++i) AdjustOne(row, own[i], logits, adjusted);
}

// The id with the largest of logits[first] ... logits[V - 1], the lowest of equal ones;
// `first` when none is finite.
DERIN_HOST_DEVICE inline int32_t MostProbableToken(const float* logits, int32_t first, int32_t V) {
  int32_t best = first;
  float largest = UsableLogit(logits[first]);
  for (int32_t i = first + 1; i < V; ++i) {
    const float logit = UsableLogit(logits[i]);
    best = logit > largest ? i : best;
    largest = logit > largest ? logit : largest;
  }
  return best;
}

// The lowest id from `first` on that AdjustLogits left to be drawn; `first` when there is none.
DERIN_HOST_DEVICE inline int32_t LowestAllowed(const float* adjusted, int32_t first, int32_t V) {
  for (int32_t i = first; i < V; ++i) {
    if (!std::isnan(adjusted[i])) return i;
  }
  return first;
}

DERIN_HOST_DEVICE inline float WeightOf(float logit, float largest, float temperature) {
  return Exp((UsableLogit(logit) - largest) / temperature);
}

// p = exp((logits - largest) / temperature), and 0 for ids below `first`; `temperature` above 0.
DERIN_HOST_DEVICE inline void WeighTokens(const float* logits, float largest, float temperature,
                                          int32_t first, int32_t V, float* p) {
  for (int32_t i = 0; i < V; ++i) p[i] = WeightOf(logits[i], largest, temperature);
  for (int32_t i = 0; i < first; ++i) p[i] = 0;
}

DERIN_HOST_DEVICE inline int32_t CountFrom(const float* p, int32_t V, uint32_t least_bits) {
  int32_t count = 0;
  for (int32_t i = 0; i < V; ++i) count += BitsOf(p[i]) >= least_bits;
  return count;
}

DERIN_HOST_DEVICE inline double SumFrom(const float* p, int32_t V, uint32_t least_bits) {
  double sum = 0;
  DERIN_UNROLLED_BY(8)
  for (int32_t i = 0; i < V; ++i) sum += BitsOf(p[i]) >= least_bits ? p[i] : 0;
  return sum;
}

// Zeroes all but those above `least_bits` and the first `ties` of those equal to it.
DERIN_HOST_DEVICE inline void KeepFrom(float* p, int32_t V, uint32_t least_bits, int32_t ties) {
  for (int32_t i = 0; i < V; ++i) {
    const uint32_t bits = BitsOf(p[i]);
    if (bits < least_bits || (bits == least_bits && ties-- <= 0)) p[i] = 0;
  }
}

// Keeps the k most probable, k at least 1.
DERIN_HOST_DEVICE inline void KeepTopK(float* p, int32_t V, int32_t k) {
  if (k >= V) return;
  uint32_t least = 0;  // the largest that at least k reach
  for (int bit = kProbabilityBits - 1; bit >= 0; --bit) {
    const uint32_t candidate = least | uint32_t{1} << bit;
    if (CountFrom(p, V, candidate) >= k) least = candidate;
  }
  KeepFrom(p, V, least, k - CountFrom(p, V, least + 1));
}

// How far the information of a token, -log p, is from its mean, in nats; both but for a constant,
// which does not matter: p = exp(-information) / sum.
DERIN_HOST_DEVICE inline float Information(float logit, float largest, float temperature) {
  return (largest - UsableLogit(logit)) / temperature;
}
DERIN_HOST_DEVICE inline uint32_t DeviationBits(float information, double mean) {
  return BitsOf(static_cast<float>(std::fabs(information - mean)));
}

// Keeps the fewest of the most typical whose sum reaches `share`, in (0, 1), of the sum of all; one
// at least. `p` are the weights of `logits`, or 0.
DERIN_HOST_DEVICE inline void KeepTypical(const float* logits, float largest, float temperature,
                                          int32_t V, float share, float* p) {
  double total = 0, weighted = 0;
  for (int32_t i = 0; i < V; ++i) {
    if (p[i] == 0) continue;
    total += p[i];
    weighted += double{p[i]} * Information(logits[i], largest, temperature);
  }
  const double mean = weighted / total, wanted = share * total;
  uint32_t edge = 0;  // the largest so that all nearer to the mean do not reach the wanted sum
  double nearer = 0;  // the sum of those
  for (int bit = kPositiveBits - 1; bit >= 0; --bit) {
    const uint32_t candidate = edge | uint32_t{1} << bit;
    double sum = 0;
    for (int32_t i = 0; i < V; ++i) {
      if (p[i] == 0) continue;
      const float information = Information(logits[i], largest, temperature);
      if (DeviationBits(information, mean) < candidate) sum += p[i];
    }
    if (sum >= wanted) continue;
    edge = candidate;
    nearer = sum;
  }
  for (int32_t i = 0; i < V; ++i) {
    if (p[i] == 0) continue;
    const uint32_t bits = DeviationBits(Information(logits[i], largest, temperature), mean);
    if (bits < edge) continue;
    if (bits == edge && nearer < wanted) {
      nearer += p[i];
    } else {
      p[i] = 0;
    }
  }
}

// Keeps those at least `share`, in [0, 1], as probable as the most probable.
DERIN_HOST_DEVICE inline void KeepMinP(float* p, int32_t V, float share) {
  float most = 0;
  for (int32_t i = 0; i < V; ++i) most = p[i] > most ? p[i] : most;
  const float least = share * most;
  for (int32_t i = 0; i < V; ++i) p[i] = p[i] >= least ? p[i] : 0;
}

// Keeps the fewest of the most probable whose sum reaches `share`, in [0, 1), of the sum of all;
// one at least, however small the share.
DERIN_HOST_DEVICE inline void KeepTopP(float* p, int32_t V, float share) {
  const double wanted = std::fmax(share * SumFrom(p, V, 0), DBL_MIN);  // which any token reaches
  uint32_t least = 0;  // the largest so that it and all above it reach the wanted sum
  for (int bit = kProbabilityBits - 1; bit >= 0; --bit) {
    const uint32_t candidate = least | uint32_t{1} << bit;
    if (SumFrom(p, V, candidate) >= wanted) least = candidate;
  }
  int32_t ties = 0;
  const int32_t most_ties = CountFrom(p, V, least) - CountFrom(p, V, least + 1);
  double sum = SumFrom(p, V, least + 1);
  for (; ties < most_ties && sum < wanted; ++ties) sum += FloatOf(least);
  KeepFrom(p, V, least, ties);
}

// The first id whose cumulative probability exceeds u times the total; u in [0, 1), total above 0.
DERIN_HOST_DEVICE inline int32_t DrawFrom(const float* p, int32_t V, float u) {
  const double wanted = u * SumFrom(p, V, 0);
  double sum = 0;
  int32_t i = 0;
  // Eight at a time as long as none of them is the one.
  for (; i + 8 <= V; i += 8) {
    double next = sum;
    DERIN_UNROLLED
    for (int j = 0; j < 8; ++j) next += p[i + j];
    if (next > wanted) break;
    sum = next;
  }
  for (; i < V; ++i) {
    sum += p[i];
    if (sum > wanted) return i;
  }
  return V - 1;  // not reached: the last sum is the total, and u is below 1
}

// ln of the softmax, for logits of which the largest is `largest`; -infinity for one that is not
// usable. Source: the log-sum-exp form, so that logits of any size stay finite.
DERIN_HOST_DEVICE inline float LogProbability(float logit, float largest, double log_sum) {
  return logit >= -FLT_MAX ? static_cast<float>(double{logit} - largest - log_sum) : -HUGE_VALF;
}

// ranking[0] is `token`, the `count` behind it the most probable ones, falling (ties: the lowest id
// first); with fewer usable logits the rest are tokens -1. -infinity for a logit that is not
// usable. Source: the log-sum-exp form, so that logits of any size stay finite.
DERIN_HOST_DEVICE inline void RankTokens(const float* logits, int32_t V, int32_t token,
                                         int32_t count, TokenLogProbability* ranking) {
  const float largest = UsableLogit(logits[MostProbableToken(logits, 0, V)]);
  double sum = 0;
  if (largest >= -FLT_MAX) {
    for (int32_t i = 0; i < V; ++i) sum += Exp(UsableLogit(logits[i]) - largest);
  }
  const double log_sum = std::log(sum);
  ranking[0] = {token, LogProbability(UsableLogit(logits[token]), largest, log_sum)};
  float above = HUGE_VALF;  // what was ranked last
  int32_t above_token = -1;
  for (int32_t n = 1; n <= count; ++n) {
    float best = -HUGE_VALF;
    int32_t best_token = -1;
    for (int32_t i = 0; i < V; ++i) {
      const float logit = UsableLogit(logits[i]);
      const bool follows = logit < above || (logit == above && i > above_token);
      if (follows && logit > best) {
        best = logit;
        best_token = i;
      }
    }
    ranking[n] = {best_token, LogProbability(best, largest, log_sum)};
    above = best;
    above_token = best_token < 0 ? V : best_token;
  }
}

// The number in [0, 1) by which `row` draws its token, `advance` tokens after its position.
DERIN_HOST_DEVICE inline float UniformOf(const SampleRow& row, int64_t advance) {
  const auto position = static_cast<uint64_t>(row.position + advance);
  const PhiloxBlock random =
      Philox4x32(RandomPurpose::kSampling, static_cast<uint32_t>(position),
                 static_cast<uint32_t>(position >> 32), row.stream, row.seed);
  return UnitUniform(random.word[0]);
}

// The token drawn by `u` from the weights `p` of `logits`, as adjusted, of which `largest` is the
// largest.
DERIN_HOST_DEVICE inline int32_t DrawToken(const SamplingSettings& settings, float u,
                                           const float* logits, float largest, int32_t V,
                                           float* p) {
  if (settings.top_k > 0) KeepTopK(p, V, settings.top_k);
  if (settings.typical_p < 1) {
    KeepTypical(logits, largest, settings.temperature, V, settings.typical_p, p);
  }
  if (settings.top_p < 1) KeepTopP(p, V, settings.top_p);
  if (settings.min_p > 0) KeepMinP(p, V, settings.min_p);
  return DrawFrom(p, V, u);
}

// SampleToken on plain addresses, `advance` tokens after the row's position.
DERIN_HOST_DEVICE inline int32_t SampleRowToken(const SampleRow& row, int64_t advance,
                                                const LogitAdjustment* adjustments,
                                                const float* logits, int32_t V, float* scratch) {
  if (row.forced_token >= 0) return row.forced_token;
  const SamplingSettings& settings = row.settings;
  const bool adjusts = row.adjustment_count > 0;
  float* p = scratch;
  if (adjusts) {
    AdjustLogits(row, adjustments + row.first_adjustment, logits, V, scratch + V);
    logits = scratch + V;
  }
  const int32_t first = settings.allow_unknown ? 0 : 1;
  const int32_t best = MostProbableToken(logits, first, V);
  const float largest = UsableLogit(logits[best]);
  if (largest < -FLT_MAX) return adjusts ? LowestAllowed(logits, first, V) : best;
  if (settings.temperature == 0) return best;
  WeighTokens(logits, largest, settings.temperature, first, V, p);
  return DrawToken(settings, UniformOf(row, advance), logits, largest, V, p);
}

}  // namespace derin
