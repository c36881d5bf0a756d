// Built like kernels_avx512_bf16.cc. Products of bfloat16 go through AMX's tiles, 16 rows of 16
// words each: one instruction adds the product of two tiles to a third.
//
// An output gets the products of 16 words of k as one sum, whatever the other rows and columns are:
// its bits depend on its own row and column alone, but are not those of AVX512_BF16.

#include <utility>

#include "model/backend/cpu/product-inl.h"

namespace derin::cpu {
namespace {

constexpr int kTileRows = 16, kTileWords = 16;
constexpr int kTileColumns = kPanelColumns / kTileWords;  // tiles of a panel

// Which tile holds what: four sums, of two tiles of rows by two of columns or of one by four, two
// of A and two of B.
constexpr int kSum = 0, kA = 4, kB = 6;

// What LDTILECFG reads.
struct alignas(64) TileShapes {
  uint8_t palette = 1, first_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// GCC's own functions for these take no template's argument as a tile, and do not say that they
// read memory.
HWY_INLINE void ShapeTiles(const TileShapes& shapes) { asm volatile("ldtilecfg %0" ::"m"(shapes)); }
HWY_INLINE void ReleaseTiles() { asm volatile("tilerelease"); }

template <int kTile>
HWY_INLINE void ZeroTile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
template <int kTile>
HWY_INLINE void LoadTile(const void* from, ptrdiff_t row_words) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(row_words * 4), "i"(kTile)
               : "memory");
}
template <int kTile>
HWY_INLINE void StoreTile(void* to, ptrdiff_t row_words) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(row_words * 4), "i"(kTile)
               : "memory");
}
template <int kOfSum, int kOfA, int kOfB>
HWY_INLINE void AddTileProduct() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kOfSum), "i"(kOfA), "i"(kOfB));
}

// Calls body with the integral constants 0 to kCount - 1.
template <int kCount, class Body>
HWY_INLINE void ForEachTile(const Body& body) {
  [&]<int... kTile>(std::integer_sequence<int, kTile...>) {
    (body(std::integral_constant<int, kTile>()), ...);
  }(std::make_integer_sequence<int, kCount>());
}

// A tile in memory.
struct alignas(64) TileWords {
  uint32_t words[kTileRows][kTileWords];
};

HWY_INLINE __mmask16 First(int64_t count) {
  return static_cast<__mmask16>((1u << std::min<int64_t>(count, 16)) - 1);
}

// to[j][i] = row[i][j].
HWY_INLINE void TransposeTile(__m512i (&row)[kTileRows], TileWords& to) {
  __m512i other[kTileRows];
  // Within quarters of a register: of two rows each, then of four.
  for (int i = 0; i < 16; i += 2) {
    other[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
    other[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 2; ++j) {
      row[i + 2 * j] = _mm512_unpacklo_epi64(other[i + j], other[i + 2 + j]);
      row[i + 2 * j + 1] = _mm512_unpackhi_epi64(other[i + j], other[i + 2 + j]);
    }
  }
  // Now row[4 g + c] has column c + 4 q of the rows 4 g to 4 g + 3 in its quarter q.
  for (int c = 0; c < 4; ++c) {
    const __m512i low = _mm512_shuffle_i32x4(row[c], row[4 + c], 0x44),
                  high = _mm512_shuffle_i32x4(row[c], row[4 + c], 0xee),
                  low2 = _mm512_shuffle_i32x4(row[8 + c], row[12 + c], 0x44),
                  high2 = _mm512_shuffle_i32x4(row[8 + c], row[12 + c], 0xee);
    _mm512_store_si512(to.words[c], _mm512_shuffle_i32x4(low, low2, 0x88));
    _mm512_store_si512(to.words[4 + c], _mm512_shuffle_i32x4(low, low2, 0xdd));
    _mm512_store_si512(to.words[8 + c], _mm512_shuffle_i32x4(high, high2, 0x88));
    _mm512_store_si512(to.words[12 + c], _mm512_shuffle_i32x4(high, high2, 0xdd));
  }
}

// A[r][k] for `rows` rows and `words` words of k, along the rows in memory, as a tile with zeros
// around.
HWY_NOINLINE void TransposeRows(const uint32_t* a, ptrdiff_t a_k, int64_t rows, int64_t words,
                                TileWords& to) {
  __m512i row[kTileRows];
  for (int k = 0; k < kTileWords; ++k) {
    row[k] =
        k < words ? _mm512_maskz_loadu_epi32(First(rows), a + k * a_k) : _mm512_setzero_si512();
  }
  TransposeTile(row, to);
}

// Some rows of 16 words, the r-th at row_at(r), with zeros around.
template <class RowAt>
HWY_INLINE void CopyRowsAt(const RowAt& row_at, int64_t rows, int64_t words, TileWords& to) {
  for (int r = 0; r < kTileRows; ++r) {
    _mm512_store_si512(to.words[r], r < rows ? _mm512_maskz_loadu_epi32(First(words), row_at(r))
                                             : _mm512_setzero_si512());
  }
}

HWY_NOINLINE void CopyRows(const uint32_t* from, ptrdiff_t from_row, int64_t rows, int64_t words,
                           TileWords& to) {
  CopyRowsAt([&](int r) { return from + r * from_row; }, rows, words, to);
}

// Some rows of the product from `row` on, kRowTiles tiles of them, in the panel's columns from
// `first` on, kColumns tiles.
template <int kRowTiles, int kColumns, Along kAlong>
class TileProduct {
 public:
  TileProduct(const ProductArgs& args, int64_t row, int64_t rows, int first)
      : args_(args), row_(row), rows_(rows), first_(first) {}

  HWY_INLINE void Run() const {
    ForEachSum([&](auto sum, auto r, auto c) { LoadStart<sum>(r, c); });
    const auto* a_block = static_cast<const uint32_t*>(args_.a) + row_ * ARow();
    const auto* b = static_cast<const uint32_t*>(args_.b) + first_;
    for (int64_t k = 0; k < args_.k; k += args_.block, a_block += args_.a_block) {
      const uint32_t* a = a_block;
      int64_t words = std::min(args_.block, args_.k - k);
      for (; words >= kTileWords; words -= kTileWords) {
        AddProducts(a, b, kTileWords);
        a += kTileWords * AK();
        b += kTileWords * args_.b_k;
      }
      if (words == 0) continue;
      AddProducts(a, b, words);
      b += words * args_.b_k;
    }
    ForEachSum([&](auto sum, auto r, auto c) { StoreSum<sum>(r, c); });
  }

 private:
  ptrdiff_t ARow() const { return kAlong == Along::kRows ? 1 : args_.a_row; }
  ptrdiff_t AK() const { return kAlong == Along::kRows ? args_.a_k : 1; }
  int64_t RowsOf(int r) const { return std::min<int64_t>(kTileRows, rows_ - r * kTileRows); }
  int ColumnsOf(int c) const {
    return std::min(kTileWords, args_.columns - first_ - c * kTileWords);
  }

  // Calls body(tile of the sum, tile of rows, tile of columns).
  template <class Body>
  HWY_INLINE static void ForEachSum(const Body& body) {
    ForEachTile<kRowTiles>([&](auto r) {
      ForEachTile<kColumns>(
          [&](auto c) { body(std::integral_constant<int, kSum + r * 2 + c>(), r, c); });
    });
  }

  template <int kTile>
  HWY_INLINE void LoadStart(int r, int c) const {
    if (args_.start == nullptr) return ZeroTile<kTile>();
    const int64_t row = row_ + r * kTileRows;
    const int column = first_ + c * kTileWords;
    if (args_.start_rows == nullptr && ColumnsOf(c) == kTileWords) {
      return LoadTile<kTile>(StartOf(args_, row) + column, args_.start_row);
    }
    TileWords copy;
    CopyRowsAt([&](int i) { return StartOf(args_, row + i) + column; }, RowsOf(r), ColumnsOf(c),
               copy);
    LoadTile<kTile>(copy.words, kTileWords);
  }

  template <int kTile>
  HWY_INLINE void StoreSum(int r, int c) const {
    float* to = args_.c + (row_ + r * kTileRows) * args_.c_row + first_ + c * kTileWords;
    if (ColumnsOf(c) == kTileWords) return StoreTile<kTile>(to, args_.c_row);
    TileWords copy;
    StoreTile<kTile>(copy.words, kTileWords);
    for (int64_t row = 0; row < RowsOf(r); ++row) {
      _mm512_mask_storeu_epi32(to + row * args_.c_row, First(ColumnsOf(c)),
                               _mm512_load_si512(copy.words[row]));
    }
  }

  // `words` words of k, 16 at most.
  HWY_INLINE void AddProducts(const uint32_t* a, const uint32_t* b, int64_t words) const {
    ForEachTile<kRowTiles>([&](auto r) { LoadA<kA + r>(a + r * kTileRows * ARow(), r, words); });
    ForEachTile<kColumns>([&](auto c) {
      constexpr int kOfB = kB + c % 2;
      LoadB<kOfB>(b + c * kTileWords, words);
      ForEachTile<kRowTiles>([&](auto r) { AddTileProduct<kSum + r * 2 + c, kA + r, kOfB>(); });
    });
  }

  template <int kTile>
  HWY_INLINE void LoadA(const uint32_t* a, int r, int64_t words) const {
    if (kAlong == Along::kK && words == kTileWords) return LoadTile<kTile>(a, args_.a_row);
    TileWords copy;
    if constexpr (kAlong == Along::kRows) {
      TransposeRows(a, args_.a_k, RowsOf(r), words, copy);
    } else {
      CopyRows(a, args_.a_row, RowsOf(r), words, copy);
    }
    LoadTile<kTile>(copy.words, kTileWords);
  }

  // Zeros below, since what zeros of A are multiplied with must not be NaN.
  template <int kTile>
  HWY_INLINE void LoadB(const uint32_t* b, int64_t words) const {
    if (words == kTileWords) return LoadTile<kTile>(b, args_.b_k);
    TileWords copy;
    CopyRows(b, args_.b_k, words, kTileWords, copy);
    LoadTile<kTile>(copy.words, kTileWords);
  }

  const ProductArgs& args_;
  const int64_t row_, rows_;
  const int first_;
};

template <int kRowTiles, int kColumns, Along kAlong>
HWY_NOINLINE void RunTiles(const ProductArgs& args, int64_t row, int64_t rows, int first) {
  TileProduct<kRowTiles, kColumns, kAlong>(args, row, rows, first).Run();
}

// Two tiles of rows by two of columns read each tile of B half as often as one by four.
template <Along kAlong>
void RunRows(const ProductArgs& args, int64_t row, int64_t rows) {
  const int tiles = (args.columns + kTileWords - 1) / kTileWords;
  if (rows > kTileRows) {
    for (int tile = 0; tile < tiles; tile += 2) {
      const auto run = tiles - tile == 1 ? &RunTiles<2, 1, kAlong> : &RunTiles<2, 2, kAlong>;
      run(args, row, rows, tile * kTileWords);
    }
    return;
  }
  constexpr decltype(&RunTiles<1, 1, kAlong>) kRun[kTileColumns] = {
      &RunTiles<1, 1, kAlong>, &RunTiles<1, 2, kAlong>, &RunTiles<1, 3, kAlong>,
      &RunTiles<1, 4, kAlong>};
  kRun[tiles - 1](args, row, rows, 0);
}

// Rows of the two tiles of A, and of the sums with each: of a single one twice the same.
struct TileHeights {
  int first = 0, second = 0;
  bool operator==(const TileHeights&) const = default;
};

// What this thread's tiles are shaped for; no rows: for nothing. Shaping waits for all products
// under way, so it is worth remembering.
thread_local constinit TileHeights shaped_for;

void ShapeFor(TileHeights heights) {
  if (shaped_for == heights) return;
  shaped_for = heights;
  TileShapes shapes;
  for (int tile = 0; tile < 8; ++tile) shapes.row_bytes[tile] = kTileWords * 4;
  const auto shape = [&](int tile, int rows) { shapes.rows[tile] = static_cast<uint8_t>(rows); };
  for (int column = 0; column < 2; ++column) {
    shape(kSum + column, heights.first);
    shape(kSum + 2 + column, heights.second);
    shape(kB + column, kTileRows);
  }
  shape(kA, heights.first);
  shape(kA + 1, heights.second);
  ShapeTiles(shapes);
}

// Tiles in use make a thread dearer to put aside, and keep its core from deep sleep.
void ReleaseShapes() {
  if (shaped_for == TileHeights()) return;
  shaped_for = {};
  ReleaseTiles();
}

// Rows are shared out evenly, so that all of them find their tiles shaped.
template <Along kAlong>
void AmxProductAlong(const ProductArgs& args) {
  for (int64_t row = 0; row < args.rows;) {
    const int64_t left = args.rows - row, blocks = (left + 2 * kTileRows - 1) / (2 * kTileRows);
    const int64_t rows = (left + blocks - 1) / blocks;
    const int first = static_cast<int>(std::min<int64_t>(kTileRows, rows));
    ShapeFor({first, rows > kTileRows ? static_cast<int>(rows) - kTileRows : first});
    RunRows<kAlong>(args, row, rows);
    row += rows;
  }
}

void AmxProduct(const ProductArgs& args) {
  if (args.a_row == 1 && args.a_k != 1) return AmxProductAlong<Along::kRows>(args);
  AmxProductAlong<Along::kK>(args);
}

}  // namespace

const Kernels& AmxBf16Kernels() noexcept {
  static const Kernels kKernels = [] {
    Kernels kernels = Avx512Bf16Kernels();
    kernels.product_bf16 = &AmxProduct;
    kernels.rest = &ReleaseShapes;
    return kernels;
  }();
  return kKernels;
}

}  // namespace derin::cpu
