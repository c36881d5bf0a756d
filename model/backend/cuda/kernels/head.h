#pragma once

#include <cmath>
#include <cstdint>

#include "model/backend/cuda/kernels/block.h"

namespace derin::cuda {

// logits[row, v] = bias[v] + top[row] weight[v], with four accumulators that take every fourth k,
// the first from the bias on: a row's bits depend on nothing but the row. A block has kRows rows
// and kTokens tokens, a warp one row.
struct RowLogits {
  static constexpr const char* kName = "RowLogits";
  static constexpr int kRows = 8, kTokens = kWarpThreads, kChunk = 256;
  static constexpr int kThreads = kRows * kTokens;
  struct Shared {
    // A quad more than the chunk, so that neighbouring tokens lie in banks of their own.
    Quad weight[kTokens][kChunk / 4 + 1];
    Quad top[kRows][kChunk / 4 + 1];
  };

  const float* top;     // [rows, hidden]
  const float* weight;  // [vocabulary, hidden]
  const float* bias;    // [vocabulary]
  float* logits;        // [rows, vocabulary]
  int64_t rows, vocabulary, hidden;

  DERIN_HOST_DEVICE int64_t blocks() const {
    return (rows + kRows - 1) / kRows * ((vocabulary + kTokens - 1) / kTokens);
  }
  DERIN_HOST_DEVICE void operator()(const Block& block, Shared& shared) const {
    const int across = static_cast<int>((vocabulary + kTokens - 1) / kTokens);
    const int index = static_cast<int>(block.index);  // a division of 64 bits is a long routine
    const int64_t first_row = int64_t{index / across} * kRows;
    const int first_token = index % across * kTokens;
    PerThread<Quad, kThreads> sums;
    for (int64_t k = 0; k < hidden; k += kChunk) {
      block.ForEachThread([&](int thread) {
        if (k == 0) {
          const int token = first_token + thread % kTokens;
          sums[thread] = {{token < vocabulary ? bias[token] : 0}};
        }
        Read<kTokens>(weight, first_token, vocabulary, k, thread, shared.weight);
        Read<kRows>(top, first_row, rows, k, thread, shared.top);
      });
      block.ForEachThread([&](int thread) {
        Quad sum = sums[thread];
        DERIN_UNROLLED_BY(8)
        for (int i = 0; i < kChunk / 4; ++i) {
          const Quad h = shared.top[thread / kTokens][i], w = shared.weight[thread % kTokens][i];
          DERIN_UNROLLED
          for (int j = 0; j < 4; ++j) sum.of[j] = std::fma(h.of[j], w.of[j], sum.of[j]);
        }
        sums[thread] = sum;
      });
    }
    block.ForEachThread([&](int thread) {
      const int64_t row = first_row + thread / kTokens, token = first_token + thread % kTokens;
      if (row >= rows || token >= vocabulary) return;
      const float* sum = sums[thread].of;
      logits[row * vocabulary + token] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    });
  }

 private:
  // kCount rows of `matrix` [count, hidden] from `first` on, a chunk of each from k on, 0 where
  // there is nothing.
  template <int kCount>
  DERIN_HOST_DEVICE void Read(const float* matrix, int64_t first, int64_t count, int64_t k,
                              int thread, Quad (*to)[kChunk / 4 + 1]) const {
    constexpr int kQuads = kChunk / 4, kLoads = kCount * kQuads / kThreads;
    static_assert(kCount * kQuads % kThreads == 0);
    Quad quads[kLoads];
    if (reinterpret_cast<uintptr_t>(matrix) % sizeof(Quad) == 0 && hidden % 4 == 0) {
      DERIN_UNROLLED
      for (int i = 0; i < kLoads; ++i) {
        const int at = i * kThreads + thread;
        const int64_t row = first + at / kQuads, from = k + at % kQuads * 4;
        Quad quad = {};
        if (row < count && from < hidden) {
          quad = *reinterpret_cast<const Quad*>(matrix + row * hidden + from);
        }
        quads[i] = quad;
      }
    } else {
      DERIN_UNROLLED
      for (int i = 0; i < kLoads; ++i) {
        const int at = i * kThreads + thread;
        const int64_t row = first + at / kQuads;
        DERIN_UNROLLED
        for (int j = 0; j < 4; ++j) {
          const int64_t from = k + at % kQuads * 4 + j;
          quads[i].of[j] = row < count && from < hidden ? matrix[row * hidden + from] : 0;
        }
      }
    }
    DERIN_UNROLLED
    for (int i = 0; i < kLoads; ++i) {
      const int at = i * kThreads + thread;
      to[at / kQuads][at % kQuads] = quads[i];
    }
  }
};

}  // namespace derin::cuda
