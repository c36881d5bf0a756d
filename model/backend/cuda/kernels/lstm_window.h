#pragma once

#include <cstdint>

#include "model/backend/cuda/kernels/lstm_cell.h"
#include "model/backend/cuda/kernels/sliced_product.h"

// An LSTM layer over a whole window in one launch. Its recurrent weights stay in the registers of
// the blocks for all steps, each block owning the gates of kUnits units for kRows sequences, so
// that a step costs no more than the product and the way of h from block to block.
//
// The blocks of a launch wait for each other, so they have to be on the device at once.

namespace derin::cuda {

// Which part of a layer and of the batch a block has.
template <int kRows, int kUnits>
struct WindowShare {
  int32_t batch, hidden;

  struct Place {
    int row, unit;
    bool real;
  };

  DERIN_HOST_DEVICE int64_t unit_blocks() const { return (hidden + kUnits - 1) / kUnits; }
  DERIN_HOST_DEVICE int64_t blocks() const { return unit_blocks() * ((batch + kRows - 1) / kRows); }
  DERIN_HOST_DEVICE int FirstRow(const Block& block) const {
    return static_cast<int>(block.index / unit_blocks()) * kRows;
  }
  DERIN_HOST_DEVICE int FirstUnit(const Block& block) const {
    return static_cast<int>(block.index % unit_blocks()) * kUnits;
  }
  // What a thread does of the cell.
  DERIN_HOST_DEVICE Place PlaceOf(const Block& block, int thread) const {
    const int row = FirstRow(block) + thread / kUnits, unit = FirstUnit(block) + thread % kUnits;
    return {row, unit, thread < kRows * kUnits && row < batch && unit < hidden};
  }
};

// h and c begin with the states before the window, so that step t's are at t + 1.
struct LstmForwardViews {
  const float* weight_hh;  // [4H, H]
  // The input's part of the gates with both biases, [inputs, 4H]: row tokens[t, b] of it, or row
  // t * batch + b where there are no tokens.
  const float* input;
  const int32_t* tokens;  // [steps, batch], or null
  int32_t vocabulary;     // of the tokens
  FaultWord* fault;
  const float* h_before;         // [batch, H]
  const float* c_before;         // [batch, H]
  float* h;                      // [1 + steps, batch, H], all bits set
  float* c;                      // [1 + steps, batch, H]
  float* gates;                  // [steps, batch, 4H]: i, f, g, o
  float* top;                    // [steps, batch, H], h once more, or null
  float* h_after;                // [batch, H]
  float* c_after;                // [batch, H]
  int32_t steps, batch, hidden;  // a multiple of four
};

// h, c and the gates of a layer, step by step.
template <int kRowsOfBlock, int kTileRows, int kSlice, int kSub>
struct LstmWindowForward : LstmForwardViews {
  static constexpr const char* kName = "LstmWindowForward";
  using Product = SlicedProduct<kRowsOfBlock, kTileRows, kSlice, kSub>;
  static constexpr int kThreads = Product::kThreads, kRows = kRowsOfBlock;
  static constexpr int kUnits = Product::kLanes;  // a lane has a unit's four gates
  static constexpr int kMostHidden = Product::kDepth;
  static_assert(kRows * kUnits <= kThreads);
  using Share = WindowShare<kRows, kUnits>;
  using Shared = typename Product::Shared;
  struct Registers {
    typename Product::Registers product;
    float c, input[4];
  };

  DERIN_HOST_DEVICE Share share() const { return {batch, hidden}; }
  DERIN_HOST_DEVICE int64_t blocks() const { return share().blocks(); }

  template <class RegistersOf>
  DERIN_HOST_DEVICE void Begin(const Block& block, Shared&, const RegistersOf& of) const {
    block.ForEachThreadOfWarps([&](int thread) {
      Registers& registers = of(thread);
      const auto at = share().PlaceOf(block, thread);
      if (at.real) {
        const int64_t element = int64_t{at.row} * hidden + at.unit;
        WriteShared(h + element, h_before[element]);
        registers.c = c[element] = c_before[element];
        ReadInput(at, 0, registers);
      }
      const int first = share().FirstUnit(block);
      Product::Load(thread, registers.product, [&](int k, int column) {
        const int unit = first + column / 4, gate = column % 4;
        return k < hidden && unit < hidden ? weight_hh[(int64_t{gate} * hidden + unit) * hidden + k]
                                           : 0.0f;
      });
    });
  }

  template <class RegistersOf>
  DERIN_HOST_DEVICE void Step(const Block& block, Shared& shared, const RegistersOf& of,
                              int step) const {
    const int first = share().FirstRow(block);
    const float* before = h + (int64_t{step} * batch + first) * hidden;
    Product::Multiply(block, shared, [&](int thread) -> auto& { return of(thread).product; },
                      {before, hidden, hidden, batch - first});
    block.ForEachThreadOfWarps([&](int thread) {
      const auto at = share().PlaceOf(block, thread);
      if (!at.real) return;
      Registers& registers = of(thread);
      Quad sum = Product::SumOfFour(shared, thread / kUnits, thread % kUnits);
      for (int gate = 0; gate < 4; ++gate) sum.of[gate] += registers.input[gate];
      const LstmGates made = Activated({sum.of[0], sum.of[1], sum.of[2], sum.of[3]});
      const LstmState state = StateAfter(made, registers.c);
      registers.c = state.c;
      const int64_t place = int64_t{step} * batch + at.row;
      // What the other blocks wait for comes first.
      WriteShared(h + (place + batch) * hidden + at.unit, state.h);
      c[(place + batch) * hidden + at.unit] = state.c;
      WriteGates(made, at.unit, hidden, gates + place * 4 * hidden);
      if (top != nullptr) top[place * hidden + at.unit] = state.h;
      if (step + 1 < steps) {
        ReadInput(at, step + 1, registers);
      } else {
        h_after[int64_t{at.row} * hidden + at.unit] = state.h;
        c_after[int64_t{at.row} * hidden + at.unit] = registers.c;
      }
    });
  }

 private:
  DERIN_HOST_DEVICE void ReadInput(const typename Share::Place& at, int step,
                                   Registers& registers) const {
    const int64_t from = InputRow(tokens, vocabulary, int64_t{step} * batch + at.row, fault);
    const float* of_gates = input + from * 4 * hidden + at.unit;
    for (int gate = 0; gate < 4; ++gate) registers.input[gate] = of_gates[gate * hidden];
  }
};

struct LstmBackwardViews {
  const float* weight_hh;        // [4H, H]
  const float* gates;            // [steps, batch, 4H]: i, f, g, o
  const float* c;                // [1 + steps, batch, H]
  const float* d_h;              // [steps, batch, H], from above
  float* d_gates;                // [steps, batch, 4H], before the activations; all bits set
  int32_t steps, batch, hidden;  // a multiple of four
};

// The gradients of a layer's gates, from the last step to the first.
template <int kRowsOfBlock, int kTileRows, int kSlice, int kSub>
struct LstmWindowBackward : LstmBackwardViews {
  static constexpr const char* kName = "LstmWindowBackward";
  using Product = SlicedProduct<kRowsOfBlock, kTileRows, kSlice, kSub>;
  static constexpr int kThreads = Product::kThreads, kRows = kRowsOfBlock;
  static constexpr int kUnits = Product::kWidth;
  static constexpr int kMostHidden = Product::kDepth / 4;
  static_assert(kRows * kUnits <= kThreads);
  using Share = WindowShare<kRows, kUnits>;
  using Shared = typename Product::Shared;
  struct Registers {
    typename Product::Registers product;
    float d_c;  // of the step after, through its f
    // Of the step that is next.
    LstmGates gates;
    float c, c_before, d_h;
  };

  DERIN_HOST_DEVICE Share share() const { return {batch, hidden}; }
  DERIN_HOST_DEVICE int64_t blocks() const { return share().blocks(); }

  template <class RegistersOf>
  DERIN_HOST_DEVICE void Begin(const Block& block, Shared&, const RegistersOf& of) const {
    block.ForEachThreadOfWarps([&](int thread) {
      Registers& registers = of(thread);
      registers.d_c = 0;
      const auto at = share().PlaceOf(block, thread);
      if (at.real) ReadStep(at, steps - 1, registers);
      const int first = share().FirstUnit(block);
      Product::Load(thread, registers.product, [&](int k, int column) {
        const int unit = first + column;
        return k < 4 * hidden && unit < hidden ? weight_hh[int64_t{k} * hidden + unit] : 0.0f;
      });
    });
  }

  // `done` steps have been.
  template <class RegistersOf>
  DERIN_HOST_DEVICE void Step(const Block& block, Shared& shared, const RegistersOf& of,
                              int done) const {
    const int step = steps - 1 - done, first = share().FirstRow(block);
    if (done > 0) {
      const float* after = d_gates + (int64_t{step + 1} * batch + first) * 4 * hidden;
      Product::Multiply(block, shared, [&](int thread) -> auto& { return of(thread).product; },
                        {after, int64_t{4} * hidden, 4 * hidden, batch - first});
    }
    block.ForEachThreadOfWarps([&](int thread) {
      const auto at = share().PlaceOf(block, thread);
      if (!at.real) return;
      Registers& registers = of(thread);
      float d_h = registers.d_h;
      if (done > 0) d_h += Product::Sum(shared, thread / kUnits, thread % kUnits);
      const LstmGates made =
          GradientsOfSums(registers.gates, registers.c_before, registers.c, d_h, registers.d_c);
      float* to = d_gates + (int64_t{step} * batch + at.row) * 4 * hidden + at.unit;
      WriteShared(to, made.i);
      WriteShared(to + hidden, made.f);
      WriteShared(to + 2 * hidden, made.g);
      WriteShared(to + 3 * hidden, made.o);
      if (step > 0) ReadStep(at, step - 1, registers);
    });
  }

 private:
  DERIN_HOST_DEVICE void ReadStep(const typename Share::Place& at, int step,
                                  Registers& registers) const {
    const int64_t place = int64_t{step} * batch + at.row;
    registers.gates = ReadGates(gates + place * 4 * hidden, at.unit, hidden);
    registers.c_before = c[place * hidden + at.unit];
    registers.c = c[(place + batch) * hidden + at.unit];
    registers.d_h = d_h[place * hidden + at.unit];
  }
};

// table[token] = the gates of a first layer whose input is the token: [V, 4H].
struct InputTable {
  static constexpr const char* kName = "InputTable";
  const float* weight_ih;  // [4H, V]
  const float* bias;       // [4H]
  float* table;            // [V, 4H]
  int64_t vocabulary, gates;

  DERIN_HOST_DEVICE int64_t items() const { return vocabulary * gates; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t gate = item % gates;
    table[item] = weight_ih[gate * vocabulary + item / gates] + bias[gate];
  }
};

// sum = a + b
struct SumOfTwo {
  static constexpr const char* kName = "SumOfTwo";
  const float* a;  // [count]
  const float* b;  // [count]
  float* sum;      // [count]
  int64_t count;

  DERIN_HOST_DEVICE int64_t items() const { return count; }
  DERIN_HOST_DEVICE void operator()(int64_t i) const { sum[i] = a[i] + b[i]; }
};

// The shapes that are compiled, and of which the first that can serve is taken: for the layer's
// size, then for the fewest sequences in a block.
template <class... Variant>
struct WindowVariants {};
using LstmForwardVariants =
    WindowVariants<LstmWindowForward<4, 4, 16, 2>, LstmWindowForward<8, 4, 16, 2>,
                   LstmWindowForward<16, 4, 16, 2>, LstmWindowForward<8, 4, 32, 2>,
                   LstmWindowForward<16, 4, 32, 2>, LstmWindowForward<32, 2, 32, 4>>;
using LstmBackwardVariants =
    WindowVariants<LstmWindowBackward<4, 4, 16, 8>, LstmWindowBackward<8, 2, 16, 8>,
                   LstmWindowBackward<16, 2, 16, 8>, LstmWindowBackward<8, 2, 32, 8>,
                   LstmWindowBackward<16, 2, 32, 8>, LstmWindowBackward<32, 1, 32, 16>>;

}  // namespace derin::cuda
