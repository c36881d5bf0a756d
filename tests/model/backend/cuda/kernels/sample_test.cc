// The kernel that draws against SampleToken and RankTokens.

#include "model/backend/cuda/kernels/sample.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

float Uniform(uint32_t i, uint32_t stream) {
  return UnitUniform(Philox4x32(RandomPurpose::kSampling, i, 0, stream, 1).word[0]);
}

// Rows with every setting there is, each with logits of its own.
struct Rows {
  explicit Rows(int32_t V) : vocabulary(V) {
    for (const bool adjusts : {false, true}) {
      for (int kind = 0; kind < 12; ++kind) Add(kind, adjusts);
    }
  }

  void Add(int kind, bool adjusts) {
    SampleRow row{.seed = 7, .stream = static_cast<uint32_t>(rows.size()), .position = 5};
    SamplingSettings& settings = row.settings;
    if (kind == 1) settings.temperature = 0;
    if (kind == 2) settings.temperature = 0.3f;
    if (kind == 3) settings.top_k = 3;
    if (kind == 4) settings.typical_p = 0.7f;
    if (kind == 5) settings.top_p = 0.6f;
    if (kind == 6) settings.min_p = 0.2f;
    if (kind == 7) settings.allow_unknown = true;
    if (kind == 8) row.forced_token = 1;
    if (kind == 9) settings = {.temperature = 2, .top_k = 5, .typical_p = 0.9f, .top_p = 0.8f};
    row.ranked = kind % 3 == 0 ? kind : -1;
    for (int32_t i = 0; i < vocabulary; ++i) {
      float logit = 8 * Uniform(i, static_cast<uint32_t>(rows.size())) - 4;
      if (kind == 10) logit = i % 3 == 0 ? NAN : i % 3 == 1 ? HUGE_VALF : 1;  // and equal ones
      if (kind == 11) logit = -HUGE_VALF;
      logits.push_back(logit);
    }
    if (adjusts) {
      row.settings.repetition_penalty = 1.5f;
      row.settings.frequency_penalty = 0.25f;
      row.first_adjustment = static_cast<int32_t>(adjustments.size());
      row.only_adjusted = kind % 2 == 0;
      for (int32_t token = kind % 2; token < vocabulary; token += 2) {
        adjustments.push_back({token, token % 4, token % 5 == 3 ? kBanned : 0.1f});
      }
      row.adjustment_count = static_cast<int32_t>(adjustments.size()) - row.first_adjustment;
    }
    rows.push_back(row);
  }

  const int32_t vocabulary;
  std::vector<SampleRow> rows;
  std::vector<LogitAdjustment> adjustments;
  std::vector<float> logits;
};

TEST(SampleRows, DrawsAndRanksAsTheHostDoes) {
  // As many as a warp's lanes, fewer and more, and more than have room in shared memory.
  for (const int32_t V :
       {2, 28, 32, 33, 300, SampleRows::kMostTokens, SampleRows::kMostTokens + 33}) {
    const Rows all(V);
    const size_t N = all.rows.size();
    for (const int64_t advance : {0, 3}) {
      std::vector<int32_t> tokens(N, -7);
      std::vector<TokenLogProbability> rankings(N * kRankingSize, {-7, 7});
      if (V <= SampleRows::kMostTokens) {
        RunOnHost(SampleRows{all.rows.data(), all.adjustments.data(), all.logits.data(), advance,
                             tokens.data(), rankings.data(), static_cast<int64_t>(N), V, nullptr});
      } else {
        std::vector<float> scratch(2 * N * V);
        RunOnHost(SampleRowsOfMany{all.rows.data(), all.adjustments.data(), all.logits.data(),
                                   advance, tokens.data(), rankings.data(), static_cast<int64_t>(N),
                                   V, scratch.data()});
      }
      for (size_t i = 0; i < N; ++i) {
        SCOPED_TRACE(testing::Message() << "row " << i << " of " << V << " tokens");
        const absl::Span<const float> logits(all.logits.data() + i * V, V);
        SampleRow row = all.rows[i];
        row.position += advance;
        std::vector<float> scratch(2 * V);
        EXPECT_EQ(tokens[i], SampleToken(row, all.adjustments, logits, absl::MakeSpan(scratch)));
        std::vector<TokenLogProbability> ranking(kRankingSize, {-7, 7});
        if (row.ranked >= 0) RankTokens(logits.data(), V, tokens[i], row.ranked, ranking.data());
        EXPECT_EQ(std::memcmp(ranking.data(), &rankings[i * kRankingSize],
                              kRankingSize * sizeof(TokenLogProbability)),
                  0);
      }
    }
  }
}

}  // namespace
}  // namespace derin::cuda
