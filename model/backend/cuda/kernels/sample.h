#pragma once

#include <cmath>
#include <cstdint>

#include "model/backend/cuda/kernels/block.h"
#include "model/sampling/sampler_arithmetic.h"

namespace derin::cuda {

// tokens[i] = what rows[i] draws from logits[i], and its ranking where it asks for one: the results
// of SampleToken and RankTokens, bit for bit. A warp has a row; its lanes share what is done token
// by token, and one of them does what is defined by an order.
//
// What it works on is in shared memory or, of more tokens than have room there, in `scratch`.
template <bool kOfMany>
struct SampleRowsIn {
  static constexpr const char* kName = "SampleRows";
  static constexpr int kRows = 4, kThreads = kRows * kWarpThreads;
  static constexpr int kMostTokens = 1024;  // of a vocabulary in shared memory
  static constexpr int kShared = kOfMany ? 1 : kMostTokens;
  struct Shared {
    float logits[kRows][kShared];  // usable ones, as adjusted
    float p[kRows][kShared];
    // Of each lane's tokens the most probable, then of more and more lanes'.
    float largest[kRows][kWarpThreads];
    int32_t best[kRows][kWarpThreads];
    float u[kRows];
  };

  const SampleRow* sample;  // [rows]
  const LogitAdjustment* adjustments;
  const float* logits;            // [rows, vocabulary]
  int64_t advance;                // added to the rows' positions
  int32_t* tokens;                // [rows]
  TokenLogProbability* rankings;  // [rows, kRankingSize]
  int64_t rows;
  int32_t vocabulary;
  float* scratch;  // [rows, 2, vocabulary] where there are many

  // Bytes of `scratch`.
  static int64_t ScratchBytes(int64_t rows, int64_t vocabulary) {
    return vocabulary <= kMostTokens ? 0 : int64_t{sizeof(float)} * 2 * rows * vocabulary;
  }

  DERIN_HOST_DEVICE int64_t blocks() const { return (rows + kRows - 1) / kRows; }
  DERIN_HOST_DEVICE void operator()(const Block& block, Shared& shared) const {
    // body(row, warp, lane) for the lanes of the rows that draw.
    const auto for_each_lane = [&](const auto& body) {
      block.ForEachThreadOfWarps([&](int thread) {
        const int warp = thread / kWarpThreads;
        const int64_t row = block.index * kRows + warp;
        if (row < rows && sample[row].forced_token < 0) body(row, warp, thread % kWarpThreads);
      });
    };
    for_each_lane([&](int64_t row, int warp, int lane) {
      Adjust(row, LogitsOf(shared, row, warp), lane);
      if (lane == 0) shared.u[warp] = UniformOf(sample[row], advance);
    });
    for_each_lane([&](int64_t row, int warp, int lane) {
      const SampleRow& one = sample[row];
      for (int i = lane; i < one.adjustment_count; i += kWarpThreads) {
        AdjustOne(one, adjustments[one.first_adjustment + i], logits + row * vocabulary,
                  LogitsOf(shared, row, warp));
      }
    });
    for_each_lane([&](int64_t row, int warp, int lane) {
      const int32_t first = FirstToken(row);
      const float* own = LogitsOf(shared, row, warp);
      // Without a usable logit the first token is the best, as for MostProbableToken.
      float largest = -HUGE_VALF;
      int32_t best = first;
      for (int32_t i = first + lane; i < vocabulary; i += kWarpThreads) {
        const float logit = UsableLogit(own[i]);
        best = logit > largest ? i : best;
        largest = logit > largest ? logit : largest;
      }
      shared.largest[warp][lane] = largest;
      shared.best[warp][lane] = best;
    });
    for (int half = kWarpThreads / 2; half > 0; half /= 2) {
      for_each_lane([&](int64_t, int warp, int lane) {
        if (lane >= half) return;
        const float one = shared.largest[warp][lane], other = shared.largest[warp][lane + half];
        const int32_t best = shared.best[warp][lane + half];
        if (other > one || (other == one && best < shared.best[warp][lane])) {
          shared.largest[warp][lane] = other;
          shared.best[warp][lane] = best;
        }
      });
    }
    for_each_lane([&](int64_t row, int warp, int lane) {
      const float temperature = sample[row].settings.temperature;
      if (temperature == 0) return;
      const float largest = shared.largest[warp][0];
      const float* own = LogitsOf(shared, row, warp);
      float* p = ProbabilitiesOf(shared, row, warp);
      for (int32_t i = lane; i < vocabulary; i += kWarpThreads) {
        p[i] = i < FirstToken(row) ? 0 : WeightOf(own[i], largest, temperature);
      }
    });
    block.ForEachThreadOfWarps([&](int thread) {
      const int warp = thread / kWarpThreads;
      const int64_t row = block.index * kRows + warp;
      if (row >= rows || thread % kWarpThreads != 0) return;
      const SampleRow& one = sample[row];
      const int32_t token =
          one.forced_token >= 0
              ? one.forced_token
              : Draw(one, LogitsOf(shared, row, warp), shared.largest[warp][0],
                     shared.best[warp][0], shared.u[warp], ProbabilitiesOf(shared, row, warp));
      tokens[row] = token;
      if (one.ranked < 0) return;
      RankTokens(logits + row * vocabulary, vocabulary, token, one.ranked,
                 rankings + row * kRankingSize);
    });
  }

 private:
  DERIN_HOST_DEVICE float* LogitsOf(Shared& shared, int64_t row, int warp) const {
    if constexpr (kOfMany) return scratch + 2 * row * vocabulary;
    return shared.logits[warp];
  }
  DERIN_HOST_DEVICE float* ProbabilitiesOf(Shared& shared, int64_t row, int warp) const {
    if constexpr (kOfMany) return scratch + (2 * row + 1) * vocabulary;
    return shared.p[warp];
  }
  DERIN_HOST_DEVICE int32_t FirstToken(int64_t row) const {
    return sample[row].settings.allow_unknown ? 0 : 1;
  }
  DERIN_HOST_DEVICE void Adjust(int64_t row, float* adjusted, int lane) const {
    const bool banned = sample[row].only_adjusted && sample[row].adjustment_count > 0;
    for (int32_t i = lane; i < vocabulary; i += kWarpThreads) {
      adjusted[i] = banned ? NAN : UsableLogit(logits[row * vocabulary + i]);
    }
  }
  DERIN_HOST_DEVICE int32_t Draw(const SampleRow& row, const float* adjusted, float largest,
                                 int32_t best, float u, float* p) const {
    if (largest < -FLT_MAX) {
      const int32_t first = row.settings.allow_unknown ? 0 : 1;
      return row.adjustment_count > 0 ? LowestAllowed(adjusted, first, vocabulary) : best;
    }
    if (row.settings.temperature == 0) return best;
    return DrawToken(row.settings, u, adjusted, largest, vocabulary, p);
  }
};

using SampleRows = SampleRowsIn<false>;
using SampleRowsOfMany = SampleRowsIn<true>;

}  // namespace derin::cuda
