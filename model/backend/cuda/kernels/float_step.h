#pragma once

#include <cmath>
#include <cstdint>

#include "model/backend/cuda/kernels/step.h"

namespace derin::cuda {

// The part of a layer's sums that a block computes: kGroups groups of kGroupRows rows by kQuads
// quads of columns; a thread has one quad of one group's rows. It goes along k in chunks.
template <int kGroupRows_, int kGroups_, int kQuads_, int kThreads_, int kChunk_>
struct FloatTile {
  static constexpr int kGroupRows = kGroupRows_, kGroups = kGroups_, kQuads = kQuads_;
  static constexpr int kThreads = kThreads_, kChunk = kChunk_;
  static constexpr int kRows = kGroupRows * kGroups, kColumns = 4 * kQuads;
  static_assert(kGroups * kQuads <= kThreads && kStepPadding % kColumns == 0 &&
                kStepPadding % kChunk == 0);
};

// The fastest of a dozen on an H100 at 1,024 rows, at 256, and up to 128, for 2 x 256 LSTM.
using LargeFloatTile = FloatTile<4, 16, 16, 256, 32>;
using MediumFloatTile = FloatTile<4, 8, 16, 128, 32>;
// Two units a block, so that all of a GPU reads the weights.
using SmallFloatTile = FloatTile<1, 16, 2, 128, 128>;

// One layer of one step for independent sequences, in f32. Each sum has one accumulator and takes
// its products in one order, so that a row's bits depend on nothing but the row: not on the tile,
// the other rows or their number.
template <class Tile>
struct FloatStepLayer {
  static constexpr const char* kName = "FloatStepLayer";
  static constexpr int kThreads = Tile::kThreads, kChunk = Tile::kChunk;
  // Of two chunks: one is multiplied while the other comes. Inputs lie along k, with a quad more,
  // so that neighbouring rows begin in banks of their own.
  struct Chunks {
    Quad weights[2][kChunk][Tile::kQuads];
    Quad inputs[2][Tile::kRows][kChunk / 4 + 1];
  };
  struct Shared {
    union {
      Chunks chunks;
      Quad sums[Tile::kRows][Tile::kQuads];
    };
    StepRows<Tile::kRows> rows;
  };

  LayerStep step;
  const float* weights;  // [parts, Kp, C], of PackStepRows

  DERIN_HOST_DEVICE int64_t blocks() const { return StepShare<Tile>::BlocksOf(step); }
  DERIN_HOST_DEVICE void operator()(const Block& block, Shared& shared) const {
    const StepShare<Tile> share(step, block);
    const int chunks = share.chunks();
    PerThread<Sums, kThreads> sums;

    share.ReadRows(block, shared.rows);
    for (int chunk = 0; chunk <= chunks; ++chunk) {
      block.ForEachThread([&](int thread) {
        Loaded loaded;
        if (chunk < chunks) Load(share, shared, thread, chunk, loaded);
        if (chunk == 0) {
          Start(share, shared, thread, sums[thread]);
        } else {
          MultiplyAdd(shared, thread, (chunk - 1) % 2, sums[thread]);
        }
        if (chunk < chunks) Store(shared, thread, chunk % 2, loaded);
      });
    }
    block.ForEachThread([&](int thread) {
      if (!Computes(thread)) return;
      DERIN_UNROLLED
      for (int r = 0; r < Tile::kGroupRows; ++r) {
        shared.sums[RowOf(thread, r)][QuadOf(thread)] = sums[thread].of[r];
      }
    });
    share.Finish(block, shared.rows, shared.sums);
  }

 private:
  static constexpr int kWeightLoads = kChunk * Tile::kQuads / kThreads;
  static_assert(kChunk * Tile::kQuads % kThreads == 0);
  using Inputs = StepInputs<Tile::kRows, kThreads, kChunk>;
  struct Sums {
    Quad of[Tile::kGroupRows];
  };
  // A thread's part of the next chunk, on its way from memory.
  struct Loaded {
    Quad weights[kWeightLoads];
    Inputs inputs;
  };

  DERIN_HOST_DEVICE static bool Computes(int thread) {
    return thread < Tile::kGroups * Tile::kQuads;
  }
  DERIN_HOST_DEVICE static int QuadOf(int thread) { return thread % Tile::kQuads; }
  DERIN_HOST_DEVICE static int RowOf(int thread, int r) {
    return thread / Tile::kQuads * Tile::kGroupRows + r;
  }

  DERIN_HOST_DEVICE void Load(const StepShare<Tile>& share, const Shared& shared, int thread,
                              int chunk, Loaded& loaded) const {
    const int columns = static_cast<int>(step.columns());
    // The second part's rows follow the first's.
    const float* rows = weights + int64_t{chunk} * kChunk * columns + share.first_column;
    DERIN_UNROLLED
    for (int i = 0; i < kWeightLoads; ++i) {
      const int at = i * kThreads + thread;
      loaded.weights[i] = *reinterpret_cast<const Quad*>(rows + at / Tile::kQuads * columns +
                                                         at % Tile::kQuads * 4);
    }
    loaded.inputs.Read(step, shared.rows, thread, share.PartOf(chunk), share.KOf(chunk));
  }

  DERIN_HOST_DEVICE static void Store(Shared& shared, int thread, int to, const Loaded& loaded) {
    DERIN_UNROLLED
    for (int i = 0; i < kWeightLoads; ++i) {
      const int at = i * kThreads + thread;
      shared.chunks.weights[to][at / Tile::kQuads][at % Tile::kQuads] = loaded.weights[i];
    }
    DERIN_UNROLLED
    for (int i = 0; i < Inputs::kLoads; ++i) {
      shared.chunks.inputs[to][Inputs::RowOf(thread, i)][Inputs::KOf(thread, i) / 4] =
          loaded.inputs.quads[i];
    }
  }

  DERIN_HOST_DEVICE static void Start(const StepShare<Tile>& share, const Shared& shared,
                                      int thread, Sums& sums) {
    if (!Computes(thread)) return;
    DERIN_UNROLLED
    for (int r = 0; r < Tile::kGroupRows; ++r) {
      sums.of[r] = share.Start(shared.rows, RowOf(thread, r), QuadOf(thread));
    }
  }

  DERIN_HOST_DEVICE static void MultiplyAdd(const Shared& shared, int thread, int from,
                                            Sums& sums) {
    if (!Computes(thread)) return;
    DERIN_UNROLLED_BY(kChunk * Tile::kGroupRows <= 128 ? 8 : 2)
    for (int k = 0; k < kChunk / 4; ++k) {
      Quad x[Tile::kGroupRows];
      DERIN_UNROLLED
      for (int r = 0; r < Tile::kGroupRows; ++r) {
        x[r] = shared.chunks.inputs[from][RowOf(thread, r)][k];
      }
      DERIN_UNROLLED
      for (int j = 0; j < 4; ++j) {
        const Quad w = shared.chunks.weights[from][4 * k + j][QuadOf(thread)];
        DERIN_UNROLLED
        for (int r = 0; r < Tile::kGroupRows; ++r) {
          float* sum = sums.of[r].of;
          DERIN_UNROLLED
          for (int q = 0; q < 4; ++q) sum[q] = std::fma(x[r].of[j], w.of[q], sum[q]);
        }
      }
    }
  }
};

}  // namespace derin::cuda
