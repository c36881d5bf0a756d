#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "model/backend/cuda/kernels/block.h"
#include "model/sampling/exponential.h"

namespace derin::cuda {

// Words by which blocks of one launch tell each other what they have computed, without a barrier:
// a reader waits until something is there. A word that nothing has written has all its bits set,
// which whoever launches sees to; no value of ours has.
inline constexpr uint32_t kUnwritten = 0xffffffff;

// `value`, or another NaN in place of the one that says that nothing is there.
DERIN_HOST_DEVICE inline float Written(float value) {
  return BitsOf(value) == kUnwritten ? FloatOf(0x7fffffff) : value;
}

DERIN_HOST_DEVICE inline bool AllWritten(const Quad& four) {
  return BitsOf(four.of[0]) != kUnwritten && BitsOf(four.of[1]) != kUnwritten &&
         BitsOf(four.of[2]) != kUnwritten && BitsOf(four.of[3]) != kUnwritten;
}

// Past the caches of a multiprocessor, which know nothing of what others write.
DERIN_HOST_DEVICE inline Quad ReadShared(const float* from) {
  Quad four;
#ifdef __CUDA_ARCH__
  asm volatile("ld.relaxed.gpu.global.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(four.of[0]), "=f"(four.of[1]), "=f"(four.of[2]), "=f"(four.of[3])
               : "l"(from)
               : "memory");
#else
  std::memcpy(&four, from, sizeof four);
#endif
  return four;
}

DERIN_HOST_DEVICE inline void WriteShared(float* to, float value) {
#ifdef __CUDA_ARCH__
  asm volatile("st.relaxed.gpu.global.f32 [%0], %1;" ::"l"(to), "f"(Written(value)) : "memory");
#else
  *to = Written(value);
#endif
}

// The product of rows [rows, depth] and a block's part of the weights [depth, columns]. The depth
// is cut into slices of kSlice, one for each of kSub parts of a warp's lanes; a lane holds the
// weights of its slice and of four columns, since what it reads of a row has to be worth the way
// from shared memory. kTileRows rows are multiplied while the next ones are fetched.
template <int kRows, int kTileRows, int kSlice, int kSub>
struct SlicedProduct {
  static constexpr int kThreads = 256, kWarps = kThreads / 32;
  static constexpr int kSlices = kWarps * kSub;
  static constexpr int kLanes = 32 / kSub;         // of a slice
  static constexpr int kWidth = kLanes * 4;        // columns of the block
  static constexpr int kDepth = kSlices * kSlice;  // what is beyond the real one is zero
  static constexpr int kStride = kSlice + 4;       // of a slice; the gap keeps banks apart
  static constexpr int kFours = kTileRows * kDepth / 4 / kThreads;  // of a thread and a tile
  static_assert(kRows % kTileRows == 0 && kTileRows * kDepth % (4 * kThreads) == 0);
  // So many threads share the addition of one sum's slices.
  static constexpr int kParts = kSlices > 16 ? kThreads / (kRows * kLanes) : 1;
  static_assert(kSlices % kParts == 0);

  struct Registers {
    Quad weights[kSlice];
    Quad fetched[kFours];
  };
  struct Shared {
    float tile[kTileRows][kSlices * kStride];
    Quad partial[kSlices][kRows][kLanes];
    Quad part[kParts][kRows][kLanes];
  };

  // What is multiplied: row r starts at from + r * stride and has `depth` elements, a multiple of
  // four.
  struct Rows {
    const float* from;
    int64_t stride;
    int depth, count;
  };

  // of(k, column) is an element of the weights.
  template <class Element>
  DERIN_HOST_DEVICE static void Load(int thread, Registers& registers, const Element& of) {
    const int first = SliceOf(thread) * kSlice;
    DERIN_UNROLLED
    for (int k = 0; k < kSlice; ++k) {
      DERIN_UNROLLED
      for (int c = 0; c < 4; ++c) {
        registers.weights[k].of[c] = of(first + k, thread % kLanes * 4 + c);
      }
    }
  }

  template <class RegistersOf>
  DERIN_HOST_DEVICE static void Multiply(const Block& block, Shared& shared, const RegistersOf& of,
                                         const Rows& rows) {
    block.ForEachThreadOfWarps([&](int thread) { Fetch(thread, of(thread), rows, 0); });
    DERIN_NOT_UNROLLED
    for (int tile = 0; tile < kRows; tile += kTileRows) {
      block.ForEachThread([&](int thread) { Store(thread, shared, of(thread), rows, tile); });
      block.ForEachThread([&](int thread) {
        if (tile + kTileRows < kRows) Fetch(thread, of(thread), rows, tile + kTileRows);
        MultiplyTile(thread, shared, of(thread), tile);
      });
    }
    if constexpr (kParts > 1) {
      block.ForEachThread([&](int thread) {
        const int four = thread % kLanes, row = thread / kLanes % kRows,
                  part = thread / kLanes / kRows;
        shared.part[part][row][four] = SumOfPart(shared, row, four, part);
      });
    }
  }

  // Of four columns, and of one.
  DERIN_HOST_DEVICE static Quad SumOfFour(const Shared& shared, int row, int four) {
    static_assert(kParts == 1);
    return SumOfPart(shared, row, four, 0);
  }
  DERIN_HOST_DEVICE static float Sum(const Shared& shared, int row, int column) {
    float sum = 0;
    DERIN_UNROLLED
    for (int part = 0; part < kParts; ++part) {
      sum += shared.part[part][row][column / 4].of[column % 4];
    }
    return sum;
  }

 private:
  struct Place {
    int row, k;
  };
  DERIN_HOST_DEVICE static int SliceOf(int thread) { return thread / kLanes; }
  DERIN_HOST_DEVICE static Place PlaceOf(int thread, int i) {
    const int at = (i * kThreads + thread) * 4;
    return {at / kDepth, at % kDepth};
  }

  DERIN_HOST_DEVICE static Quad SumOfPart(const Shared& shared, int row, int four, int part) {
    constexpr int kEach = kSlices / kParts;
    Quad sum = shared.partial[part * kEach][row][four];
    DERIN_UNROLLED
    for (int slice = 1; slice < kEach; ++slice) {
      const Quad more = shared.partial[part * kEach + slice][row][four];
      DERIN_UNROLLED
      for (int i = 0; i < 4; ++i) sum.of[i] += more.of[i];
    }
    return sum;
  }

  DERIN_HOST_DEVICE static void Fetch(int thread, Registers& registers, const Rows& rows,
                                      int tile) {
    DERIN_UNROLLED
    for (int i = 0; i < kFours; ++i) {
      const Place at = PlaceOf(thread, i);
      const bool real = tile + at.row < rows.count && at.k < rows.depth;
      registers.fetched[i] =
          real ? ReadShared(rows.from + (tile + at.row) * rows.stride + at.k) : Quad{};
    }
  }

  // Waits for what was not there yet.
  DERIN_HOST_DEVICE static void Store(int thread, Shared& shared, Registers& registers,
                                      const Rows& rows, int tile) {
    DERIN_UNROLLED
    for (int i = 0; i < kFours; ++i) {
      const Place at = PlaceOf(thread, i);
      while (!AllWritten(registers.fetched[i])) {
        registers.fetched[i] = ReadShared(rows.from + (tile + at.row) * rows.stride + at.k);
      }
      float* to = &shared.tile[at.row][at.k / kSlice * kStride + at.k % kSlice];
      *reinterpret_cast<Quad*>(to) = registers.fetched[i];
    }
  }

  DERIN_HOST_DEVICE static void MultiplyTile(int thread, Shared& shared, const Registers& registers,
                                             int tile) {
    Quad sum[kTileRows] = {};
    const int slice = SliceOf(thread);
    DERIN_UNROLLED
    for (int k = 0; k < kSlice; k += 4) {
      DERIN_UNROLLED
      for (int row = 0; row < kTileRows; ++row) {
        const Quad a = *reinterpret_cast<const Quad*>(&shared.tile[row][slice * kStride + k]);
        DERIN_UNROLLED
        for (int i = 0; i < 4; ++i) {
          DERIN_UNROLLED
          for (int c = 0; c < 4; ++c) {
            sum[row].of[c] = std::fma(a.of[i], registers.weights[k + i].of[c], sum[row].of[c]);
          }
        }
      }
    }
    DERIN_UNROLLED
    for (int row = 0; row < kTileRows; ++row) {
      shared.partial[slice][tile + row][thread % kLanes] = sum[row];
    }
  }
};

}  // namespace derin::cuda
