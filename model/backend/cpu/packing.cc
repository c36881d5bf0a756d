#include "model/backend/cpu/packing.h"

#include <algorithm>
#include <cstring>

#include "hwy/highway.h"
#include "model/backend/cpu/bf16.h"

namespace derin::cpu {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// to[j * to_row + i] = from[i * from_row + j] for i and j below 8.
void Transpose8x8(const uint32_t* from, int64_t from_row, uint32_t* to, int64_t to_row) {
  const hn::FixedTag<uint32_t, 8> d;
  const hn::FixedTag<uint64_t, 4> d64;
  using V = hn::Vec<decltype(d)>;
  V row[8], pair[8], four[8];
  for (int i = 0; i < 8; ++i) row[i] = hn::LoadU(d, from + i * from_row);
  for (int i = 0; i < 8; i += 2) {
    pair[i] = hn::InterleaveLower(d, row[i], row[i + 1]);
    pair[i + 1] = hn::InterleaveUpper(d, row[i], row[i + 1]);
  }
  const auto wide = [&](V v) { return hn::BitCast(d64, v); };
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; ++j) {
      four[i + 2 * j] =
          hn::BitCast(d, hn::InterleaveLower(d64, wide(pair[i + j]), wide(pair[i + 2 + j])));
      four[i + 2 * j + 1] =
          hn::BitCast(d, hn::InterleaveUpper(d64, wide(pair[i + j]), wide(pair[i + 2 + j])));
    }
  }
  for (int j = 0; j < 4; ++j) {
    hn::StoreU(hn::ConcatLowerLower(d, four[4 + j], four[j]), d, to + j * to_row);
    hn::StoreU(hn::ConcatUpperUpper(d, four[4 + j], four[j]), d, to + (4 + j) * to_row);
  }
}

// to[j * to_row + i] = from[i * from_row + j] for i below `rows`, at most 16, and j below
// `columns`; zeros for the other i below 16.
void TransposeInto(const uint32_t* from, int64_t from_row, int rows, int64_t columns, uint32_t* to,
                   int64_t to_row) {
  for (int64_t j = 0; j < columns; j += 8) {
    for (int i = 0; i < kLanes; i += 8) {
      if (i + 8 <= rows && j + 8 <= columns) {
        Transpose8x8(from + i * from_row + j, from_row, to + j * to_row + i, to_row);
        continue;
      }
      for (int64_t jj = j; jj < std::min(j + 8, columns); ++jj) {
        for (int ii = i; ii < i + 8; ++ii) {
          to[jj * to_row + ii] = ii < rows ? from[ii * from_row + jj] : 0;
        }
      }
    }
  }
}

}  // namespace

void PackForward(const GatePanels& panels, int panel, GatePanels::Range range, const float* weight,
                 int inputs, bool bf16, void* packed) {
  constexpr int64_t kInputs =
      2 * kPanelColumns;  // at a time, so that what was rounded is still near
  uint32_t pairs[kLanes][kInputs / 2];
  auto* to = static_cast<uint32_t*>(packed);
  const int64_t row_words = range.columns();
  for (int v = 0; v < range.vectors; ++v) {
    const auto [first, rows] = panels.RowsOf(panel, range.first + v);
    const float* from = weight + first * inputs;
    for (int64_t k = 0; k < inputs; k += kInputs) {
      const int64_t some = std::min(kInputs, inputs - k);
      if (!bf16) {
        TransposeInto(reinterpret_cast<const uint32_t*>(from + k), inputs, rows, some,
                      to + k * row_words + v * kLanes, row_words);
        continue;
      }
      for (int row = 0; row < rows; ++row) {
        const float* of_row = from + row * inputs + k;
        for (int64_t i = 0; i < some / 2; ++i) {
          pairs[row][i] = Bf16Pair(of_row[2 * i], of_row[2 * i + 1]);
        }
        if (some % 2 == 1) pairs[row][some / 2] = Bf16Pair(of_row[some - 1], 0);
      }
      TransposeInto(pairs[0], kInputs / 2, rows, (some + 1) / 2,
                    to + k / 2 * row_words + v * kLanes, row_words);
    }
  }
}

void PackBackward(const GatePanels& panels, bool recurrent, const float* weight, int inputs,
                  int first, int columns, bool bf16, void* packed) {
  const int valid = std::min(columns, inputs - first);
  auto* to = static_cast<uint32_t*>(packed);
  for (int panel = 0; panel < panels.count(); ++panel) {
    const GatePanels::Range range = recurrent ? panels.Recurrent(panel) : panels.Input(panel);
    for (int v = range.first; v < range.first + range.vectors; ++v) {
      const auto [row, rows] = panels.RowsOf(panel, v);
      const float* from = weight + row * inputs + first;
      if (!bf16) {
        for (int i = 0; i < rows; ++i) {
          std::memcpy(to + i * columns, from + i * inputs, valid * sizeof(float));
        }
        to += int64_t{kLanes} * columns;
        continue;
      }
      for (int i = 0; i < rows; i += 2) {
        const float* even = from + i * inputs;
        const float* odd = i + 1 < rows ? even + inputs : nullptr;
        for (int c = 0; c < valid; ++c) {
          to[i / 2 * columns + c] = Bf16Pair(even[c], odd != nullptr ? odd[c] : 0);
        }
      }
      to += int64_t{kLanes / 2} * columns;
    }
  }
}

void PackTokens(const GatePanels& panels, int panel, const float* weight, int vocabulary,
                const float* bias, float* by_token) {
  for (int token = 0; token < vocabulary; ++token) {
    std::copy_n(bias, kPanelColumns, by_token + int64_t{token} * kPanelColumns);
  }
  const GatePanels::Range range = panels.Input(panel);
  for (int v = range.first; v < range.first + range.vectors; ++v) {
    const auto [row, rows] = panels.RowsOf(panel, v);
    for (int i = 0; i < rows; ++i) {
      const float* from = weight + (row + i) * vocabulary;
      float* to = by_token + v * kLanes + i;
      for (int token = 0; token < vocabulary; ++token) {
        to[int64_t{token} * kPanelColumns] += from[token];
      }
    }
  }
}

void UnpackByToken(const GatePanels& panels, int panel, const float* by_token, int vocabulary,
                   float* weight) {
  const GatePanels::Range range = panels.Input(panel);
  for (int v = range.first; v < range.first + range.vectors; ++v) {
    const auto [row, rows] = panels.RowsOf(panel, v);
    for (int i = 0; i < rows; ++i) {
      const float* from = by_token + v * kLanes + i;
      float* to = weight + (row + i) * vocabulary;
      for (int token = 0; token < vocabulary; ++token) {
        to[token] = from[int64_t{token} * kPanelColumns];
      }
    }
  }
}

}  // namespace derin::cpu
