#pragma once

#include <cmath>
#include <cstdint>

#include "model/backend/cuda/kernels/activation.h"
#include "model/backend/cuda/kernels/block.h"
#include "model/backend/cuda/kernels/fault.h"
#include "model/backend/cuda/kernels/half.h"
#include "model/backend/stack_config.h"

// What the kernels of a single step have in common, whatever they multiply with.
//
// The weights of a layer are packed so that a unit's gates are neighbours: packed column
// unit * PackedGates + gate. Products come in two parts, W_ih x (not in the first layer, whose
// input is a look-up) and then W_hh h, each with k ascending from 0 into one accumulator.

namespace derin::cuda {

// GRU's new gate takes two columns, the input's part and the state's, since the reset gate comes
// between them.
DERIN_HOST_DEVICE constexpr int PackedGates(Cell cell) { return GateCount(cell) == 1 ? 1 : 4; }

// Packed columns and k are padded with zeros to a multiple of it, and every tile multiplies all of
// that: it is the same work whatever the tile.
inline constexpr int64_t kStepPadding = 128;
DERIN_HOST_DEVICE constexpr int64_t StepPadded(int64_t count) {
  return (count + kStepPadding - 1) / kStepPadding * kStepPadding;
}
DERIN_HOST_DEVICE constexpr int64_t PackedColumns(Cell cell, int64_t hidden) {
  return StepPadded(hidden * PackedGates(cell));
}
DERIN_HOST_DEVICE constexpr int StepParts(int layer) { return layer == 0 ? 1 : 2; }

// One tensor of a layer's weights where a packed column looks for its row.
struct GateRows {
  Cell cell;
  int64_t hidden;
  bool of_input;  // W_ih's, else W_hh's

  // -1: this column has no part of the tensor.
  DERIN_HOST_DEVICE int64_t operator()(int64_t column) const {
    const int64_t gates = PackedGates(cell), unit = column / gates, gate = column % gates;
    if (unit >= hidden) return -1;
    if (cell != Cell::kGru || gate < 2) return gate * hidden + unit;
    return (gate == 2) == of_input ? 2 * hidden + unit : -1;
  }
};

// A layer's weights as f32 in rows of k.
struct PackStepRows {
  static constexpr const char* kName = "PackStepRows";
  Cell cell;
  bool of_input;
  int64_t hidden;
  const float* weight;  // [G*H, H]
  float* packed;        // [Kp, C]

  DERIN_HOST_DEVICE int64_t items() const {
    return StepPadded(hidden) * PackedColumns(cell, hidden);
  }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t columns = PackedColumns(cell, hidden), k = item / columns;
    const int64_t row = k < hidden ? GateRows{cell, hidden, of_input}(item % columns) : -1;
    packed[item] = row < 0 ? 0 : weight[row * hidden + k];
  }
};

// Where the accumulators start: at the biases; in the first layer with the token's column of W_ih
// on top, rounded as the other factors are.
template <class Element>
struct StepStarts {
  static constexpr const char* kName = "StepStarts";
  Cell cell;
  int64_t hidden, vocabulary;  // of the first layer; else no vocabulary
  const float* weight_ih;      // [G*H, V]
  const float* bias_ih;        // [G*H]
  const float* bias_hh;        // [G*H]
  float* starts;               // [V, C], [1, C] without a vocabulary

  DERIN_HOST_DEVICE int64_t items() const {
    return (vocabulary > 0 ? vocabulary : 1) * PackedColumns(cell, hidden);
  }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t columns = PackedColumns(cell, hidden), token = item / columns;
    const int64_t in = GateRows{cell, hidden, true}(item % columns);
    const int64_t state = GateRows{cell, hidden, false}(item % columns);
    float sum = in < 0 ? 0 : bias_ih[in];
    if (state >= 0) sum = in < 0 ? bias_hh[state] : sum + bias_hh[state];
    if (vocabulary > 0 && in >= 0) {
      sum += ToFloat(RoundTo<Element>(weight_ih[in * vocabulary + token]));
    }
    starts[item] = sum;
  }
};

// One layer's part of a step, but for its products. Reads old states from the pool and writes new
// ones beside it.
struct LayerStep {
  Cell cell;
  int32_t layer, layers, hidden, vocabulary;
  int64_t rows;
  const float* starts;    // of StepStarts
  const int32_t* tokens;  // [rows]; the first layer's input
  const int32_t* slots;   // [rows]; negative is padding
  const float* pool;      // [slots, L, S, H]
  float* states;  // [rows, L, S, H]: new states; the input of other layers is h of the one below
  float* top;     // [rows, H] in the top layer, else null
  FaultWord* fault;

  DERIN_HOST_DEVICE int64_t columns() const { return PackedColumns(cell, hidden); }
  DERIN_HOST_DEVICE int parts() const { return StepParts(layer); }

  // The row's slot; -1 when nothing is to be computed for it.
  DERIN_HOST_DEVICE int32_t SlotOf(int64_t row) const {
    if (row >= rows || slots[row] < 0) return -1;
    const int32_t token = tokens[row];
    if (token >= 0 && token < vocabulary) return slots[row];
    if (layer == 0) RaiseFault(fault, FaultKind::kToken, token);
    return -1;
  }

  // The four sums of a row's columns 4 quad ... 4 quad + 3, before any product; of row -1 some.
  DERIN_HOST_DEVICE Quad Start(int64_t row, int64_t quad) const {
    const int64_t of_token = layer == 0 && row >= 0 ? tokens[row] * columns() : 0;
    return *reinterpret_cast<const Quad*>(starts + of_token + 4 * quad);
  }

  // Where the [H] lie that a part's products take for a row, from InputBase(part) on. A row without
  // a slot has another's, for nothing.
  DERIN_HOST_DEVICE int64_t InputAt(int part, int64_t row, int32_t slot) const {
    if (part + 1 < parts()) return At(slot < 0 ? 0 : row, layer - 1);
    return At(slot < 0 ? 0 : slot, layer);
  }
  DERIN_HOST_DEVICE const float* InputBase(int part) const {
    return part + 1 < parts() ? states : pool;
  }

  // The new state of the units whose sums these are; see reference/cell_equations.h.
  DERIN_HOST_DEVICE void Finish(int64_t row, int32_t slot, int64_t quad, const float* sum) const {
    if (PackedGates(cell) == 4) {
      if (quad < hidden) FinishUnit(row, slot, quad, sum);
      return;
    }
    for (int i = 0; i < 4; ++i) {
      if (4 * quad + i < hidden) FinishUnit(row, slot, 4 * quad + i, sum + i);
    }
  }

 private:
  DERIN_HOST_DEVICE int64_t At(int64_t slot, int of_layer) const {
    return (slot * layers + of_layer) * StateVectors(cell) * hidden;
  }
  DERIN_HOST_DEVICE void FinishUnit(int64_t row, int32_t slot, int64_t unit,
                                    const float* sum) const {
    const float* before = pool + At(slot, layer) + unit;
    float* after = states + At(row, layer) + unit;
    float h;
    if (cell == Cell::kLstm) {
      const float i = Sigmoid(sum[0]), f = Sigmoid(sum[1]), g = Tanh(sum[2]), o = Sigmoid(sum[3]);
      const float c = std::fma(f, before[hidden], i * g);
      after[hidden] = c;
      h = o * Tanh(c);
    } else if (cell == Cell::kGru) {
      const float r = Sigmoid(sum[0]), z = Sigmoid(sum[1]);
      const float n = Tanh(std::fma(r, sum[3], sum[2]));
      h = std::fma(z, *before - n, n);
    } else if (cell == Cell::kVanillaTanh) {
      h = Tanh(sum[0]);
    } else {
      h = sum[0] < 0 ? 0 : sum[0];
    }
    *after = h;
    if (top != nullptr) top[row * hidden + unit] = h;
  }
};

// What a block knows of each of its rows.
template <int kRows>
struct StepRows {
  int64_t input_at[2][kRows];  // of each part
  int32_t slots[kRows];

  DERIN_HOST_DEVICE void Read(const LayerStep& step, int64_t first_row, int row) {
    const int32_t slot = step.SlotOf(first_row + row);
    slots[row] = slot;
    for (int part = 0; part < step.parts(); ++part) {
      input_at[part][row] = step.InputAt(part, first_row + row, slot);
    }
  }
};

// Which part of a layer's sums a block computes: Tile::kRows rows by Tile::kColumns packed columns,
// going along k in chunks of Tile::kChunk, first through one part's products and then the other's.
template <class Tile>
struct StepShare {
  DERIN_HOST_DEVICE static int64_t BlocksOf(const LayerStep& step) {
    return (step.rows + Tile::kRows - 1) / Tile::kRows * (step.columns() / Tile::kColumns);
  }
  DERIN_HOST_DEVICE StepShare(const LayerStep& step, const Block& block)
      : step(step), chunks_of_part(static_cast<int>(StepPadded(step.hidden)) / Tile::kChunk) {
    const int across = static_cast<int>(step.columns()) / Tile::kColumns;
    const int index = static_cast<int>(block.index);  // a division of 64 bits is a long routine
    first_row = int64_t{index / across} * Tile::kRows;
    first_column = index % across * Tile::kColumns;
  }

  DERIN_HOST_DEVICE int chunks() const { return step.parts() * chunks_of_part; }
  DERIN_HOST_DEVICE int PartOf(int chunk) const { return chunk >= chunks_of_part ? 1 : 0; }
  // Where the chunk begins in its part.
  DERIN_HOST_DEVICE int KOf(int chunk) const {
    return (chunk - PartOf(chunk) * chunks_of_part) * Tile::kChunk;
  }

  DERIN_HOST_DEVICE void ReadRows(const Block& block, StepRows<Tile::kRows>& rows) const {
    block.ForEachThread([&](int thread) {
      for (int row = thread; row < Tile::kRows; row += Tile::kThreads) {
        rows.Read(step, first_row, row);
      }
    });
  }
  // Where the sums of a row's quad start, the quads counting from the block's first.
  DERIN_HOST_DEVICE Quad Start(const StepRows<Tile::kRows>& rows, int row, int quad) const {
    return step.Start(rows.slots[row] < 0 ? -1 : first_row + row, first_column / 4 + quad);
  }
  // From sums in the shared memory, so that neighbouring threads have neighbouring units.
  DERIN_HOST_DEVICE void Finish(const Block& block, const StepRows<Tile::kRows>& rows,
                                const Quad (&sums)[Tile::kRows][Tile::kColumns / 4]) const {
    constexpr int kQuads = Tile::kColumns / 4;
    block.ForEachThread([&](int thread) {
      DERIN_NOT_UNROLLED
      for (int i = thread; i < Tile::kRows * kQuads; i += Tile::kThreads) {
        const int row = i / kQuads, quad = i % kQuads;
        if (rows.slots[row] < 0) continue;
        step.Finish(first_row + row, rows.slots[row], first_column / 4 + quad, sums[row][quad].of);
      }
    });
  }

  const LayerStep& step;
  const int chunks_of_part;
  int64_t first_row;
  int first_column;
};

// A thread's share of the inputs of a block's rows from k on, a chunk of each: quads, row by row,
// dealt to the threads in turn; 0 beyond the last input.
template <int kRows, int kThreads, int kChunk>
struct StepInputs {
  static constexpr int kRowQuads = kChunk / 4, kLoads = kRows * kRowQuads / kThreads;
  static_assert(kRows * kRowQuads % kThreads == 0);
  Quad quads[kLoads];

  DERIN_HOST_DEVICE static int RowOf(int thread, int load) {
    return (load * kThreads + thread) / kRowQuads;
  }
  DERIN_HOST_DEVICE static int KOf(int thread, int load) {
    return (load * kThreads + thread) % kRowQuads * 4;
  }

  DERIN_HOST_DEVICE void Read(const LayerStep& step, const StepRows<kRows>& rows, int thread,
                              int part, int k) {
    const float* base = step.InputBase(part);
    if (step.hidden % 4 == 0) {
      DERIN_UNROLLED
      for (int i = 0; i < kLoads; ++i) {
        const int from = k + KOf(thread, i);
        Quad quad = {};
        if (from < step.hidden) {
          quad =
              *reinterpret_cast<const Quad*>(base + rows.input_at[part][RowOf(thread, i)] + from);
        }
        quads[i] = quad;
      }
      return;
    }
    DERIN_UNROLLED
    for (int i = 0; i < kLoads; ++i) {
      const float* row = base + rows.input_at[part][RowOf(thread, i)];
      DERIN_UNROLLED
      for (int j = 0; j < 4; ++j) {
        const int from = k + KOf(thread, i) + j;
        quads[i].of[j] = from < step.hidden ? row[from] : 0;
      }
    }
  }
};

// What the layers left beside the pool goes into it: a row a block.
struct FinishStep {
  static constexpr const char* kName = "FinishStep";
  static constexpr int kThreads = 256;
  struct Shared {};

  const float* states;    // [rows, L, S, H]
  const int32_t* slots;   // [rows]; negative is padding
  const int32_t* tokens;  // [rows]; a row whose token is none, a fault, keeps its state
  float* pool;            // [slots, L, S, H]
  int64_t rows, slot_elements;
  int32_t vocabulary;

  DERIN_HOST_DEVICE int64_t blocks() const { return rows; }
  DERIN_HOST_DEVICE void operator()(const Block& block, Shared&) const {
    const int64_t row = block.index;
    if (slots[row] < 0 || tokens[row] < 0 || tokens[row] >= vocabulary) return;
    const float* from = states + row * slot_elements;
    float* to = pool + slots[row] * slot_elements;
    block.ForEachThread([&](int thread) {
      if (slot_elements % 4 == 0) {
        for (int64_t i = 4 * thread; i < slot_elements; i += 4 * kThreads) {
          *reinterpret_cast<Quad*>(to + i) = *reinterpret_cast<const Quad*>(from + i);
        }
      } else {
        for (int64_t i = thread; i < slot_elements; i += kThreads) to[i] = from[i];
      }
    });
  }
};

}  // namespace derin::cuda
