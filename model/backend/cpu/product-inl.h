// The product of a panel, in registers: tiles of rows by 1 to 4 vectors of columns.

#pragma once

#include <algorithm>

#include "hwy/cache_control.h"
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

// A tile of accumulators is some rows by some neighbouring registers of columns. With 32 registers
// a tile is as wide as a panel; with AVX2's 16 as a vector, so that each line of B is used whole.
constexpr int kMostRegisters = kRegister == kLanes ? kPanelColumns / kRegister : kLanes / kRegister;
// How many rows fit, beside the columns of B and one element of A.
constexpr int MostRows(int registers) {
  if constexpr (kRegister < kLanes) return registers > kMostRegisters ? 1 : 6;
  return registers == 4 ? 6 : 8;
}

// Which of A's strides is 1, known when compiled so that addresses need no multiplication.
enum class Along { kRows, kK };

HWY_INLINE const float* StartOf(const ProductArgs& args, int64_t row) {
  return args.start + (args.start_rows == nullptr ? row : args.start_rows[row]) * args.start_row;
}

HWY_INLINE Vector LoadStart(const float* start, int columns) {
  if (columns >= kRegister) return hn::LoadU(kTag, start);
  if (columns <= 0) return hn::Zero(kTag);
  return hn::MaskedLoad(hn::FirstN(kTag, columns), kTag, start);
}

HWY_INLINE void StoreResult(Vector sum, float* c, int columns) {
  if (columns >= kRegister) return hn::StoreU(sum, kTag, c);
  if (columns > 0) hn::BlendedStore(sum, hn::FirstN(kTag, columns), kTag, c);
}

// sum[r][v] += a[r] b[v] for one k. Whichever factor has fewer is held in registers, and the other
// read one by one, so that AVX2's 16 registers are enough.
template <class Factors, int kRows, int kRegisters>
HWY_INLINE void AddProducts(const typename Factors::Word* a, ptrdiff_t a_row,
                            const typename Factors::Word* b, Vector (&sum)[kRows][kRegisters]) {
  if constexpr (kRows < kRegisters) {
    decltype(Factors::Spread(a)) elements[kRows];
    HWY_UNROLL(8) for (int r = 0; r < kRows; ++r) elements[r] = Factors::Spread(a + r * a_row);
    HWY_UNROLL(8) for (int v = 0; v < kRegisters; ++v) {
      const auto columns = Factors::LoadColumns(b + v * kRegister);
      HWY_UNROLL(8) for (int r = 0; r < kRows; ++r) {
        sum[r][v] = Factors::MultiplyAdd(elements[r], columns, sum[r][v]);
      }
    }
  } else {
    decltype(Factors::LoadColumns(b)) columns[kRegisters];
    HWY_UNROLL(8) for (int v = 0; v < kRegisters; ++v) {
      columns[v] = Factors::LoadColumns(b + v * kRegister);
    }
    HWY_UNROLL(8) for (int r = 0; r < kRows; ++r) {
      const auto element = Factors::Spread(a + r * a_row);
      HWY_UNROLL(8) for (int v = 0; v < kRegisters; ++v) {
        sum[r][v] = Factors::MultiplyAdd(element, columns[v], sum[r][v]);
      }
    }
  }
}

// Rows [row, row + kRows) of the panel's columns from `first` on.
template <class Factors, Along kAlong, int kRows, int kRegisters>
HWY_INLINE void Tile(const ProductArgs& args, int64_t row, int first) {
  using Word = typename Factors::Word;
  Vector sum[kRows][kRegisters];
  const int columns = args.columns - first;
  if (args.start == nullptr) {
    HWY_UNROLL(8) for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(8) for (int v = 0; v < kRegisters; ++v) sum[r][v] = hn::Zero(kTag);
    }
  } else {
    HWY_UNROLL(8) for (int r = 0; r < kRows; ++r) {
      const float* start = StartOf(args, row + r) + first;
      HWY_UNROLL(8) for (int v = 0; v < kRegisters; ++v) {
        sum[r][v] = LoadStart(start + v * kRegister, columns - v * kRegister);
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
      // A few rows ahead; at each page the processor's own prefetching begins anew. A single row of
      // A does nothing but read, and gains nothing.
      if constexpr (kRegister == kLanes && kRows > 1) {
        for (int v = 0; v < kRegisters; ++v) hwy::Prefetch(b + 8 * args.b_k + v * kRegister);
      }
      AddProducts<Factors, kRows, kRegisters>(a, a_row, b, sum);
    }
  }

  HWY_UNROLL(8) for (int r = 0; r < kRows; ++r) {
    float* c = args.c + (row + r) * args.c_row + first;
    HWY_UNROLL(8) for (int v = 0; v < kRegisters; ++v) {
      StoreResult(sum[r][v], c + v * kRegister, columns - v * kRegister);
    }
  }
}

// A tile of `rows` rows, kRows at most.
template <class Factors, Along kAlong, int kRows, int kRegisters>
HWY_INLINE void TileOf(const ProductArgs& args, int64_t row, int first, int64_t rows) {
  if constexpr (kRows > 0) {
    if (rows == kRows) return Tile<Factors, kAlong, kRows, kRegisters>(args, row, first);
    TileOf<Factors, kAlong, kRows - 1, kRegisters>(args, row, first, rows);
  }
}

// The columns [first, first + kRegisters * kRegister). Each tile reads all of B, so the last one is
// not left with few rows: 8 are 4 and 4, not 6 and 2.
template <class Factors, Along kAlong, int kRegisters>
HWY_NOINLINE void ProductOf(const ProductArgs& args, int first) {
  constexpr int kRows = MostRows(kRegisters);
  for (int64_t row = 0; row < args.rows;) {
    const int64_t left = args.rows - row, tiles = (left + kRows - 1) / kRows;
    const int64_t rows = (left + tiles - 1) / tiles;
    TileOf<Factors, kAlong, kRows, kRegisters>(args, row, first, rows);
    row += rows;
  }
}

template <class Factors, Along kAlong>
void ProductAlong(const ProductArgs& args) {
  if constexpr (kRegister < kLanes) {
    // One row needs more columns at once, or each multiply-add waits for the one before.
    if (args.rows == 1 && args.columns == 64) return ProductOf<Factors, kAlong, 8>(args, 0);
    if (args.rows == 1 && args.columns == 48) return ProductOf<Factors, kAlong, 6>(args, 0);
    for (int first = 0; first < args.columns; first += kLanes) {
      ProductOf<Factors, kAlong, kMostRegisters>(args, first);
    }
  } else {
    switch ((args.columns + kRegister - 1) / kRegister) {
      case 1:
        return ProductOf<Factors, kAlong, 1>(args, 0);
      case 2:
        return ProductOf<Factors, kAlong, 2>(args, 0);
      case 3:
        return ProductOf<Factors, kAlong, 3>(args, 0);
      default:
        return ProductOf<Factors, kAlong, kMostRegisters>(args, 0);
    }
  }
}

template <class Factors>
void ProductWith(const ProductArgs& args) {
  if (args.a_row == 1 && args.a_k != 1) return ProductAlong<Factors, Along::kRows>(args);
  ProductAlong<Factors, Along::kK>(args);
}

}  // namespace
}  // namespace derin::cpu
