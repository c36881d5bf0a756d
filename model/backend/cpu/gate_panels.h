#pragma once

#include <algorithm>
#include <cstdint>

#include "model/backend/cpu/kernels.h"
#include "model/backend/stack_config.h"

namespace derin::cpu {

constexpr int64_t CeilDivide(int64_t value, int64_t divisor) {
  return (value + divisor - 1) / divisor;
}

constexpr int64_t RoundUp(int64_t value, int64_t multiple) {
  return CeilDivide(value, multiple) * multiple;
}

// How a layer's gates lie side by side: panels of at most 4 vectors of 16 columns, so that all that
// one unit's cell needs is in one panel.
//   LSTM     16 units: i, f, g, o
//   GRU      16 units: nx, r, z, nh. The input's product reaches the first three, the state's the
//   last three. vanilla  64 units, fewer in the last panel
// Units beyond `hidden`, up to a multiple of 16, have no weights; all their values are 0.
class GatePanels {
 public:
  GatePanels(Cell cell, int hidden)
      : cell_(cell),
        hidden_(hidden),
        padded_(static_cast<int>(RoundUp(hidden, kLanes))),
        units_(GateCount(cell) == 1 ? kPanelColumns : kLanes),
        count_(static_cast<int>(RoundUp(padded_, units_) / units_)) {}

  Cell cell() const { return cell_; }
  int hidden() const { return hidden_; }
  int padded() const { return padded_; }  // units, to a multiple of 16
  int count() const { return count_; }    // panels
  int units() const { return units_; }    // of a panel
  // Vectors of 16 units in panel `panel`.
  int UnitVectors(int panel) const { return std::min(units_, padded_ - panel * units_) / kLanes; }

  // The vectors of a panel that a product reaches.
  struct Range {
    int first, vectors;
    int first_column() const { return first * kLanes; }
    int columns() const { return vectors * kLanes; }
  };
  Range Input(int panel) const { return {0, ProductVectors(panel)}; }
  Range Recurrent(int panel) const { return {cell_ == Cell::kGru ? 1 : 0, ProductVectors(panel)}; }
  // Columns that one product reaches: of a whole panel, and of all panels.
  int64_t ProductColumns() const { return Input(0).columns(); }
  int64_t AllProductColumns() const {
    return ProductColumns() * (count_ - 1) + Input(count_ - 1).columns();
  }

  // Where the columns of a vector are in PyTorch's tensors: from this row on, the first `rows` of
  // them.
  struct Rows {
    int64_t first;
    int count;
  };
  Rows RowsOf(int panel, int vector) const {
    constexpr int kGruGates[] = {2, 0, 1, 2};
    const int gate = cell_ == Cell::kLstm ? vector : cell_ == Cell::kGru ? kGruGates[vector] : 0;
    const int unit = panel * units_ + (GateCount(cell_) == 1 ? vector * kLanes : 0);
    return {int64_t{gate} * hidden_ + unit, std::clamp(hidden_ - unit, 0, kLanes)};
  }

 private:
  int ProductVectors(int panel) const {
    return GateCount(cell_) == 1 ? UnitVectors(panel) : GateCount(cell_);
  }

  Cell cell_;
  int hidden_, padded_, units_, count_;
};

}  // namespace derin::cpu
