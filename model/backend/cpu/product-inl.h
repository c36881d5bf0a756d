// The product of a panel, in registers: tiles of rows by 1 to 4 vectors of columns.

#pragma once

#include <algorithm>

#include "hwy/highway.h"
#include "model/backend/cpu/kernels.h"

namespace derin::cpu {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using VectorTag = hn::ScalableTag<float>;
using Vector = hn::Vec<VectorTag>;
constexpr VectorTag kTag;
// Lanes of a register; a vector of kLanes columns is one of them or two.
constexpr int kRegister = HWY_LANES(float);
static_assert(kLanes % kRegister == 0);

struct F32Factors {
  using Word = float;
  HWY_INLINE static Vector LoadColumns(const float* b) { return hn::LoadU(kTag, b); }
  HWY_INLINE static Vector Spread(const float* a) { return hn::Set(kTag, *a); }
  HWY_INLINE static Vector MultiplyAdd(Vector a, Vector b, Vector sum) {
    return hn::MulAdd(a, b, sum);
  }
};

// How many rows of accumulators fit the registers, beside the columns of B and one element of A.
constexpr int MostRows(int vectors) {
  if constexpr (kRegister == kLanes) return vectors == 4 ? 6 : 8;
  return vectors == 4 ? 3 : vectors == 3 ? 4 : 6;
}

// Which of A's strides is 1, known when compiled so that addresses need no multiplication.
enum class Along { kRows, kK };

HWY_INLINE Vector LoadStart(const float* start, int columns) {
  if (columns >= kRegister) return hn::LoadU(kTag, start);
  if (columns <= 0) return hn::Zero(kTag);
  return hn::MaskedLoad(hn::FirstN(kTag, columns), kTag, start);
}

HWY_INLINE void StoreResult(Vector sum, float* c, int columns) {
  if (columns >= kRegister) return hn::StoreU(sum, kTag, c);
  if (columns > 0) hn::BlendedStore(sum, hn::FirstN(kTag, columns), kTag, c);
}

// Rows [row, row + kRows) of the panel's columns from `first` on, one register of each vector.
template <class Factors, Along kAlong, int kRows, int kVectors>
HWY_INLINE void Tile(const ProductArgs& args, int64_t row, int first) {
  using Word = typename Factors::Word;
  Vector sum[kRows][kVectors];
  const int columns = args.columns - first;
  if (args.start == nullptr) {
    HWY_UNROLL(8) for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(4) for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(kTag);
    }
  } else {
    HWY_UNROLL(8) for (int r = 0; r < kRows; ++r) {
      const float* start = args.start + (row + r) * args.start_row + first;
      HWY_UNROLL(4) for (int v = 0; v < kVectors; ++v) {
        sum[r][v] = LoadStart(start + v * kLanes, columns - v * kLanes);
      }
    }
  }

  const ptrdiff_t a_row = kAlong == Along::kRows ? 1 : args.a_row;
  const ptrdiff_t a_k = kAlong == Along::kRows ? args.a_k : 1;
  const Word* a_block = static_cast<const Word*>(args.a) + row * a_row;
  const Word* b = static_cast<const Word*>(args.b) + first;
  for (int64_t k_block = 0; k_block < args.k; k_block += args.block, a_block += args.a_block) {
    const Word* a = a_block;
    for (int64_t k = std::min(args.block, args.k - k_block); k > 0; --k, a += a_k, b += args.b_k) {
      decltype(Factors::LoadColumns(b)) columns_of_b[kVectors];
      HWY_UNROLL(4) for (int v = 0; v < kVectors; ++v) {
        columns_of_b[v] = Factors::LoadColumns(b + v * kLanes);
      }
      HWY_UNROLL(8) for (int r = 0; r < kRows; ++r) {
        const auto element = Factors::Spread(a + r * a_row);
        HWY_UNROLL(4) for (int v = 0; v < kVectors; ++v) {
          sum[r][v] = Factors::MultiplyAdd(element, columns_of_b[v], sum[r][v]);
        }
      }
    }
  }

  HWY_UNROLL(8) for (int r = 0; r < kRows; ++r) {
    float* c = args.c + (row + r) * args.c_row + first;
    HWY_UNROLL(4) for (int v = 0; v < kVectors; ++v) {
      StoreResult(sum[r][v], c + v * kLanes, columns - v * kLanes);
    }
  }
}

// The last rows, fewer than a whole tile.
template <class Factors, Along kAlong, int kRows, int kVectors>
HWY_INLINE void LastRows(const ProductArgs& args, int64_t row, int first) {
  if constexpr (kRows > 0) {
    if (args.rows - row == kRows) return Tile<Factors, kAlong, kRows, kVectors>(args, row, first);
    LastRows<Factors, kAlong, kRows - 1, kVectors>(args, row, first);
  }
}

template <class Factors, Along kAlong, int kVectors>
HWY_NOINLINE void ProductOf(const ProductArgs& args) {
  constexpr int kRows = MostRows(kVectors);
  for (int first = 0; first < kLanes; first += kRegister) {
    int64_t row = 0;
    for (; row + kRows <= args.rows; row += kRows) {
      Tile<Factors, kAlong, kRows, kVectors>(args, row, first);
    }
    LastRows<Factors, kAlong, kRows - 1, kVectors>(args, row, first);
  }
}

template <class Factors, Along kAlong>
void ProductAlong(const ProductArgs& args) {
  switch ((args.columns + kLanes - 1) / kLanes) {
    case 1:
      return ProductOf<Factors, kAlong, 1>(args);
    case 2:
      return ProductOf<Factors, kAlong, 2>(args);
    case 3:
      return ProductOf<Factors, kAlong, 3>(args);
    default:
      return ProductOf<Factors, kAlong, 4>(args);
  }
}

template <class Factors>
void ProductWith(const ProductArgs& args) {
  if (args.a_row == 1 && args.a_k != 1) return ProductAlong<Factors, Along::kRows>(args);
  ProductAlong<Factors, Along::kK>(args);
}

}  // namespace
}  // namespace derin::cpu
