#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "model/backend/cuda/kernels/half.h"
#include "model/backend/cuda/kernels/step.h"

// The single step with factors of 16 bits on the tensor cores: mma.sync m16n8k16 with f32
// accumulators, k ascending. Source of the fragments' layout: PTX ISA, "Matrix Fragments for
// mma.m16n8k16 with floating point type". The host computes the same sums one product at a time;
// the tensor cores add the 16 products of an mma in an order of their own, so the bits of one are
// not those of the other. On either side a row's bits depend on nothing but the row.

namespace derin::cuda {

// A warp multiplies with 16 packed columns, 16 k at a time: a fragment of two mma, eight numbers of
// each lane that lie together.
inline constexpr int kTensorDepth = 16, kTensorColumns = 16, kLaneElements = 8;
inline constexpr int kFragmentElements = kWarpThreads * kLaneElements;

// Which k and column of the 16 x 16 a lane's number `element` is. The columns are dealt so that
// after the two mma a lane has all four sums of a quad, its number in the warp lane % 4: the first
// mma gives columns 0 and 1 of each quad, the second 2 and 3.
struct FragmentPlace {
  DERIN_HOST_DEVICE FragmentPlace(int lane, int element)
      : k(2 * (lane % 4) + element % 4 / 2 * 8 + element % 2),
        column(lane / 8 * 4 + element / 4 * 2 + lane / 4 % 2) {}
  int k, column;
};

// A layer's weights in the order of the fragments.
template <class Element>
struct PackStepFragments {
  static constexpr const char* kName = "PackStepFragments";
  Cell cell;
  bool of_input;
  int32_t part, parts;
  int64_t hidden;
  const float* weight;  // [G*H, H]
  Element* packed;      // [C / 16, parts, Kp / 16, 32, 8]

  DERIN_HOST_DEVICE int64_t items() const {
    return StepPadded(hidden) * PackedColumns(cell, hidden);
  }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t fragment = item / kFragmentElements, within = item % kFragmentElements;
    const int64_t depth = StepPadded(hidden) / kTensorDepth;
    const int64_t group = fragment / depth, block = fragment % depth;
    const FragmentPlace place(static_cast<int>(within / kLaneElements),
                              static_cast<int>(within % kLaneElements));
    const int64_t k = block * kTensorDepth + place.k;
    const int64_t row =
        k < hidden ? GateRows{cell, hidden, of_input}(group * kTensorColumns + place.column) : -1;
    packed[((group * parts + part) * depth + block) * kFragmentElements + within] =
        RoundTo<Element>(row < 0 ? 0 : weight[row * hidden + k]);
  }
};

// Two neighbours as the tensor cores take them, the first in the lower half.
template <class Element>
DERIN_HOST_DEVICE inline uint32_t RoundPair(float first, float second) {
#ifdef __CUDA_ARCH__
  uint32_t pair;
  if constexpr (std::is_same_v<Element, Bf16>) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  } else {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  }
  return pair;
#else
  return RoundTo<Element>(first).bits | uint32_t{RoundTo<Element>(second).bits} << 16;
#endif
}

// A lane's part of a fragment.
struct alignas(16) LaneFragment {
  uint32_t pairs[4];
};

// sums[half].of[q] of rows lane / 4 + 8 half and the lane's quad, plus `inputs` [16, 16], in rows
// `stride` apart, times the 16 x 16 of `weights`, of which the lane has read `own`.
template <class Element>
DERIN_HOST_DEVICE inline void MultiplyAdd16(const Element* inputs, int stride,
                                            const Element* weights,
                                            [[maybe_unused]] const LaneFragment& own, int lane,
                                            Quad* sums) {
#ifdef __CUDA_ARCH__
  const Element* first = inputs + lane / 4 * stride + lane % 4 * 2;
  const auto pair = [&](int rows, int k) {
    return *reinterpret_cast<const uint32_t*>(first + rows * stride + k);
  };
  const uint32_t a[4] = {pair(0, 0), pair(8, 0), pair(0, 8), pair(8, 8)};
  DERIN_UNROLLED
  for (int i = 0; i < 2; ++i) {
    float &c0 = sums[0].of[2 * i], &c1 = sums[0].of[2 * i + 1], &c2 = sums[1].of[2 * i],
          &c3 = sums[1].of[2 * i + 1];
    if constexpr (std::is_same_v<Element, Bf16>) {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
          "{%8, %9}, {%0, %1, %2, %3};"
          : "+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3)
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(own.pairs[2 * i]),
            "r"(own.pairs[2 * i + 1]));
    } else {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
          "{%8, %9}, {%0, %1, %2, %3};"
          : "+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3)
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(own.pairs[2 * i]),
            "r"(own.pairs[2 * i + 1]));
    }
  }
#else
  float b[kTensorDepth][kTensorColumns];
  for (int other = 0; other < kWarpThreads; ++other) {
    for (int element = 0; element < kLaneElements; ++element) {
      const FragmentPlace place(other, element);
      b[place.k][place.column] = ToFloat(weights[other * kLaneElements + element]);
    }
  }
  for (int half = 0; half < 2; ++half) {
    for (int q = 0; q < 4; ++q) {
      for (int k = 0; k < kTensorDepth; ++k) {
        sums[half].of[q] = std::fma(ToFloat(inputs[(lane / 4 + 8 * half) * stride + k]),
                                    b[k][lane % 4 * 4 + q], sums[half].of[q]);
      }
    }
  }
#endif
}

// The part of a layer's sums that a block computes: 16 kRowTiles rows, and 16 columns for each of
// its warps. It goes along k in chunks.
template <class Element_, int kRowTiles_, int kWarps_, int kChunk_>
struct TensorTile {
  using Element = Element_;
  static constexpr int kRowTiles = kRowTiles_, kWarps = kWarps_, kChunk = kChunk_;
  static constexpr int kRows = 16 * kRowTiles, kColumns = kTensorColumns * kWarps;
  static constexpr int kThreads = kWarpThreads * kWarps;
  static_assert(kStepPadding % kColumns == 0 && kStepPadding % kChunk == 0);
};
// The fastest of a dozen on an H100 at 1,024 rows, and up to 512, for 2 x 256 LSTM.
template <class Element>
using LargeTensorTile = TensorTile<Element, 2, 8, 64>;
template <class Element>
using SmallTensorTile = TensorTile<Element, 1, 4, 128>;

// One layer of one step for independent sequences. See FloatStepLayer, whose promise it shares.
template <class Tile>
struct TensorStepLayer {
  static constexpr const char* kName = "TensorStepLayer";
  static constexpr int kThreads = Tile::kThreads, kChunk = Tile::kChunk;
  static constexpr int kQuads = Tile::kColumns / 4;
  using Element = typename Tile::Element;
  struct Shared {
    union {
      // Of two chunks: one is multiplied while the other comes. With the padding the lanes of a
      // warp read from banks of their own.
      alignas(16) Element inputs[2][Tile::kRows][kChunk + 8];
      Quad sums[Tile::kRows][kQuads];
    };
    StepRows<Tile::kRows> rows;
  };

  LayerStep step;
  const Element* weights;  // [C / 16, parts, Kp / 16, 32, 8], of PackStepFragments

  DERIN_HOST_DEVICE int64_t blocks() const { return StepShare<Tile>::BlocksOf(step); }
  DERIN_HOST_DEVICE void operator()(const Block& block, Shared& shared) const {
    const StepShare<Tile> share(step, block);
    const int chunks = share.chunks();
    PerThread<Sums, kThreads> sums;
    PerThread<Weights, kThreads> weights_now;

    share.ReadRows(block, shared.rows);
    for (int chunk = 0; chunk <= chunks; ++chunk) {
      block.ForEachThread([&](int thread) {
        Weights weights_next;
        Inputs inputs;
        const int group = share.first_column / kTensorColumns + thread / kWarpThreads;
        if (chunk < chunks) {
          LoadWeights(FragmentsOf(group, chunk), thread % kWarpThreads, weights_next);
          inputs.Read(step, shared.rows, thread, share.PartOf(chunk), share.KOf(chunk));
        }
        if (chunk == 0) {
          Start(share, shared, thread, sums[thread]);
        } else {
          MultiplyAdd(shared, thread, (chunk - 1) % 2, FragmentsOf(group, chunk - 1),
                      weights_now[thread], sums[thread]);
        }
        if (chunk < chunks) {
          Store(shared, thread, chunk % 2, inputs);
          weights_now[thread] = weights_next;
        }
      });
    }
    block.ForEachThread([&](int thread) {
      ForEachQuad(thread, [&](int tile, int half, int row, int quad) {
        shared.sums[row][quad] = sums[thread].of[tile][half];
      });
    });
    share.Finish(block, shared.rows, shared.sums);
  }

 private:
  static constexpr int kDepths = kChunk / kTensorDepth;  // of a chunk
  using Inputs = StepInputs<Tile::kRows, kThreads, kChunk>;
  struct Sums {
    Quad of[Tile::kRowTiles][2];
  };
  struct Weights {
    LaneFragment of[kDepths];
  };

  // body(tile, half, row, quad) for each quad of sums that the thread has.
  template <class Body>
  DERIN_HOST_DEVICE static void ForEachQuad(int thread, const Body& body) {
    const int lane = thread % kWarpThreads, quad = thread / kWarpThreads * 4 + lane % 4;
    DERIN_UNROLLED
    for (int tile = 0; tile < Tile::kRowTiles; ++tile) {
      DERIN_UNROLLED
      for (int half = 0; half < 2; ++half) body(tile, half, 16 * tile + 8 * half + lane / 4, quad);
    }
  }

  // The chunks of a group of columns lie one behind the other, those of the second part too.
  DERIN_HOST_DEVICE const Element* FragmentsOf(int group, int chunk) const {
    const int64_t of_group = step.parts() * StepPadded(step.hidden) * kTensorColumns;
    return weights + group * of_group + int64_t{chunk} * kDepths * kFragmentElements;
  }

  DERIN_HOST_DEVICE static void LoadWeights(const Element* fragments, int lane, Weights& loaded) {
    DERIN_UNROLLED
    for (int depth = 0; depth < kDepths; ++depth) {
      loaded.of[depth] = *reinterpret_cast<const LaneFragment*>(
          fragments + depth * kFragmentElements + lane * kLaneElements);
    }
  }

  DERIN_HOST_DEVICE static void Store(Shared& shared, int thread, int to, const Inputs& loaded) {
    DERIN_UNROLLED
    for (int i = 0; i < Inputs::kLoads; ++i) {
      const float* x = loaded.quads[i].of;
      auto* pairs = reinterpret_cast<uint32_t*>(
          &shared.inputs[to][Inputs::RowOf(thread, i)][Inputs::KOf(thread, i)]);
      pairs[0] = RoundPair<Element>(x[0], x[1]);
      pairs[1] = RoundPair<Element>(x[2], x[3]);
    }
  }

  DERIN_HOST_DEVICE static void Start(const StepShare<Tile>& share, const Shared& shared,
                                      int thread, Sums& sums) {
    ForEachQuad(thread, [&](int tile, int half, int row, int quad) {
      sums.of[tile][half] = share.Start(shared.rows, row, quad);
    });
  }

  DERIN_HOST_DEVICE static void MultiplyAdd(const Shared& shared, int thread, int from,
                                            const Element* fragments, const Weights& own,
                                            Sums& sums) {
    DERIN_UNROLLED
    for (int depth = 0; depth < kDepths; ++depth) {
      DERIN_UNROLLED
      for (int tile = 0; tile < Tile::kRowTiles; ++tile) {
        MultiplyAdd16(&shared.inputs[from][16 * tile][depth * kTensorDepth], kChunk + 8,
                      fragments + depth * kFragmentElements, own.of[depth], thread % kWarpThreads,
                      sums.of[tile]);
      }
    }
  }
};

}  // namespace derin::cuda
