#pragma once

#include <cstddef>
#include <cstdint>

#include "model/backend/cpu/instruction_set.h"

namespace derin::cpu {

// The inner loops that are built once for each instruction set. Pointers are to the elements named
// in comments; strides count elements. A *word* is what one lane of a vector holds of a product's
// factor: an f32, or two bfloat16 that are neighbours along k.

inline constexpr int kLanes = 16;         // columns of a vector, whatever the registers' width
inline constexpr int kPanelColumns = 64;  // columns of a panel at most: 4 vectors

// C[r][c] = start[r][c] + sum over k of A[r][k] B[k][c], for one panel of columns: one accumulator
// for each output, k ascending, by fused multiply-add. So the bits of an output depend on nothing
// but its own row and column.
struct ProductArgs {
  const void* a =
      nullptr;          // words; A[r][k] at r * a_row + (k / block) * a_block + (k % block) * a_k
  ptrdiff_t a_row = 0;  // one of a_row and a_k is 1
  ptrdiff_t a_k = 1;
  ptrdiff_t a_block = 0;
  int64_t block = 0;
  const void* b = nullptr;  // words; row k of the panel at k * b_k, readable for whole vectors
  ptrdiff_t b_k = 0;
  int64_t k = 0;  // words

  const float* start = nullptr;  // null: zeros
  ptrdiff_t start_row = 0;       // 0: one row for all, a bias
  // Row r starts from row start_rows[r] of start; null: from row r.
  const int32_t* start_rows = nullptr;
  float* c = nullptr;
  ptrdiff_t c_row = 0;
  int64_t rows = 0;
  int columns =
      0;  // 1 to kPanelColumns; beyond them nothing of C is written and nothing of start read
};

// Rows of logits[r][v] = bias[v] + sum over k of top[r][k] weight[v][k], for both factors
// contiguous along k: 16 partial sums over k modulo 16, added as a tree.
struct LogitsArgs {
  const float* top = nullptr;     // [rows, hidden]
  const float* weight = nullptr;  // [vocabulary, hidden]
  const float* bias = nullptr;    // [vocabulary]
  float* logits = nullptr;
  ptrdiff_t logits_row = 0;
  int64_t rows = 0, hidden = 0, vocabulary = 0;
};

// One step of some rows of 16 units, `vectors` times side by side (vanilla cells; 1 otherwise).
// Each row of `gates` has kPanelColumns elements, 16 of each: LSTM i, f, g, o; GRU nx, r, z, nh,
// where nx is n's part from the input and nh the one from the state; vanilla the units themselves.
// Forward turns sums into activations; GRU leaves n in place of nx and keeps nh.
struct CellForwardArgs {
  float* gates = nullptr;           // [rows, kPanelColumns]
  const float* h_before = nullptr;  // GRU: [rows, stride]
  const float* c_before = nullptr;  // LSTM: [rows, stride]
  float* c = nullptr;               // LSTM
  float* tanh_c = nullptr;          // LSTM; null: not wanted
  float* h = nullptr;               // null: not wanted
  uint16_t* h_bf16 = nullptr;       // bfloat16 [rows, stride]; null: not wanted
  uint32_t* h_pairs = nullptr;  // of rows 2r and 2r + 1 at [r, stride]; rows even; null: not wanted
  ptrdiff_t stride = 0;
  int64_t rows = 0;
  int vectors = 1;
};

// Back through the same step. `gates` has the activations and gets the gradients of the sums (GRU:
// of nx, r, z, nh).
struct CellBackwardArgs {
  float* gates = nullptr;     // [rows, kPanelColumns]
  const float* dh = nullptr;  // [rows, dh_row]: d(loss)/dh
  ptrdiff_t dh_row = 0;
  const float* h_before = nullptr;  // GRU: [rows, stride]
  const float* c_before = nullptr;  // LSTM: [rows, stride]
  const float* tanh_c = nullptr;    // LSTM: [rows, stride]
  float* dc = nullptr;         // LSTM: [rows, stride], of the new c on entry, of c_before on return
  float* dh_before = nullptr;  // GRU: [rows, stride], what does not pass through sums is added
                               // here; null: not wanted
  uint16_t* d_bf16 = nullptr;  // the gradients as bfloat16, [rows, kPanelColumns]; null: not wanted
  uint32_t* d_pairs =
      nullptr;  // of rows 2r and 2r + 1 at [r, kPanelColumns]; rows even; null: not wanted
  ptrdiff_t stride = 0;
  int64_t rows = 0;
  int vectors = 1;
};

// The largest of some logits, and the sum of all exp(logit - highest), in f64 over chunks of 1,024.
struct SoftmaxSum {
  float highest;
  double sum;
};

// The functions of one instruction set.
struct Kernels {
  void (*product)(const ProductArgs&);       // of f32
  void (*product_bf16)(const ProductArgs&);  // of bfloat16 pairs; null where there is none
  void (*logits)(const LogitsArgs&);

  void (*lstm_forward)(const CellForwardArgs&);
  void (*gru_forward)(const CellForwardArgs&);
  void (*tanh_forward)(const CellForwardArgs&);
  void (*relu_forward)(const CellForwardArgs&);
  void (*lstm_backward)(const CellBackwardArgs&);
  void (*gru_backward)(const CellBackwardArgs&);
  void (*tanh_backward)(const CellBackwardArgs&);
  void (*relu_backward)(const CellBackwardArgs&);

  // logits[0 ... count - 1] become exp(logit - highest).
  SoftmaxSum (*exponentials)(float* logits, int64_t count);
  // Of a thread that has done its products and will wait or do something else: frees what of the
  // processor they hold. Null where they hold nothing.
  void (*rest)();

  // Element by element; for tests of the functions that the cells use.
  void (*exp)(const float* x, float* y, int64_t count);
  void (*tanh)(const float* x, float* y, int64_t count);
  void (*sigmoid)(const float* x, float* y, int64_t count);
};

const Kernels& KernelsFor(InstructionSet set);

// Each in a source of its own. One that may throw would bring symbols that the linker shares out.
const Kernels& Avx2Kernels() noexcept;
const Kernels& Avx512Kernels() noexcept;
const Kernels& Avx512Bf16Kernels() noexcept;
const Kernels& AmxBf16Kernels() noexcept;

}  // namespace derin::cpu
