// The way back through CpuStack: step by step the gradients of the gates' sums, then each weight
// gradient as one product over all steps.

#include <algorithm>

#include "model/backend/cpu/cpu_stack.h"
#include "model/backend/cpu/packing.h"
#include "model/check.h"

namespace derin::cpu {
namespace {

// Rows of [T, B] that one product of a weight gradient takes at a time: both factors' parts stay in
// the cache meanwhile.
constexpr int64_t kGradientRows = 2048;

}  // namespace

void CpuStack::Backward(Queue& queue, View d_top, View gradients) {
  if (!static_cast<CpuQueue&>(queue).ok()) return;
  Turn turn(static_cast<CpuQueue&>(queue));
  float* to = gradients.As<float>();
  const float* d_output = TopGradient(turn, d_top);
  for (int l = config_.layers - 1; l >= 0; --l) {
    if (config_.cell == Cell::kLstm) std::fill_n(memory_.dc.f32(), rows_ * Hp_, 0.0f);
    for (int64_t t = steps_ - 1; t >= 0; --t) BackwardStep(turn, l, static_cast<int>(t), d_output);
    const LayerSlices at(l);
    WeightGradients(turn, l, /*recurrent=*/true, to + slices_[at.weight_hh].offset);
    BiasGradients(turn, l, to);
    if (l == 0) {
      TokenGradients(turn, to + slices_[at.weight_ih].offset);
    } else {
      WeightGradients(turn, l, /*recurrent=*/false, to + slices_[at.weight_ih].offset);
      OutputGradient(turn, l);
      d_output = memory_.d_output.f32();
    }
  }
}

// d_top as [T, B, Hp], with zeros around; itself where it is that already and stays as it is.
const float* CpuStack::TopGradient(Turn& turn, View d_top) {
  const int64_t H = config_.hidden;
  DERIN_CHECK(static_cast<int64_t>(d_top.count) == steps_ * batch_ * H);
  const float* from = d_top.As<float>();
  if (H == Hp_ && batch_ == rows_ && config_.cell != Cell::kGru) return from;
  float* to = memory_.d_output.f32();
  turn.ForEach(steps_, 0, [&](int64_t t, int) {
    float* step = to + t * rows_ * Hp_;
    std::fill_n(step, rows_ * Hp_, 0.0f);
    for (int64_t b = 0; b < batch_; ++b) {
      std::copy_n(from + (t * batch_ + b) * H, H, step + b * Hp_);
    }
  });
  return to;
}

// dh of step t is what comes from above and, through the recurrent weights, from step t + 1.
void CpuStack::BackwardStep(Turn& turn, int l, int t, const float* d_output) {
  const Layer& layer = memory_.layers[l];
  const bool lstm = config_.cell == Cell::kLstm, bf16 = memory_.bf16, last = t == steps_ - 1;
  const int64_t all_rows = steps_ * rows_, now = t * rows_, later = now + rows_;
  const int64_t words = bf16 ? 2 : 1;  // elements in one
  const int64_t gate_words = panels_.AllProductColumns() / words;
  const int column_panels = static_cast<int>(RoundUp(Hp_, kPanelColumns) / kPanelColumns);
  const Tasks tasks = TasksFor(rows_, column_panels);
  turn.ForEach(tasks.count, Flops(tasks.rows, gate_words * words), [&](int64_t task, int worker) {
    const int64_t unit = task / tasks.blocks * kPanelColumns;
    const int64_t first = task % tasks.blocks * tasks.rows;
    const int64_t count = std::min(tasks.rows, rows_ - first);
    const float* dh = d_output + (now + first) * Hp_ + unit;
    int64_t dh_row = Hp_;
    if (!last) {
      const int recurrent_column = panels_.Recurrent(0).first_column();
      ProductArgs args;
      args.start = dh;
      args.start_row = dh_row;
      args.a = bf16 ? static_cast<const void*>(memory_.d_bf16.As<uint16_t>() +
                                               (later + first) * kPanelColumns + recurrent_column)
                    : Gates(layer, 0, later + first) + recurrent_column;
      args.a_row = kPanelColumns / words;
      args.block = panels_.ProductColumns() / words;
      args.a_block = all_rows * kPanelColumns / words;
      args.k = gate_words;
      args.b = layer.back_recurrent.As<uint32_t>() + unit * gate_words;
      args.columns = static_cast<int>(std::min<int64_t>(kPanelColumns, Hp_ - unit));
      args.b_k = args.columns;
      args.c = Sums(worker);
      args.c_row = kPanelColumns;
      args.rows = count;
      Product(args);
      dh = args.c;
      dh_row = kPanelColumns;
    }

    const int64_t end = std::min(unit + kPanelColumns, Hp_);
    for (int64_t panel = unit / panels_.units(); panel * panels_.units() < end; ++panel) {
      const int64_t panel_unit = panel * panels_.units();
      const int64_t at = (now + first) * Hp_ + panel_unit;
      CellBackwardArgs cell;
      cell.gates = Gates(layer, static_cast<int>(panel), now + first);
      cell.dh = dh + (panel_unit - unit);
      cell.dh_row = dh_row;
      cell.h_before = layer.h.f32() + at;
      if (lstm) {
        cell.c_before = layer.c.f32() + at;
        cell.tanh_c = layer.tanh_c.f32() + at;
        cell.dc = memory_.dc.f32() + first * Hp_ + panel_unit;
      }
      if (config_.cell == Cell::kGru && t > 0) {
        cell.dh_before = memory_.d_output.f32() + at - rows_ * Hp_;
      }
      if (bf16) {
        const int64_t row = panel * all_rows + now + first;
        cell.d_bf16 = memory_.d_bf16.As<uint16_t>() + row * kPanelColumns;
        cell.d_pairs = memory_.d_pairs.As<uint32_t>() + row / 2 * kPanelColumns;
      }
      cell.stride = Hp_;
      cell.rows = count;
      cell.vectors = panels_.UnitVectors(static_cast<int>(panel));
      cell_backward_(cell);
    }
  });
}

// d(weight)[g, i] = sum over rows of d(sums)[row, g] * input[row, i]: a product whose k is the
// rows, so neither factor needs to be transposed.
void CpuStack::WeightGradients(Turn& turn, int l, bool recurrent, float* gradient) {
  const int64_t H = config_.hidden;
  const int64_t words = memory_.bf16 ? 2 : 1;  // rows in one
  const int64_t all_rows = steps_ * rows_;
  const Layer& layer = memory_.layers[l];
  // The state before each step, or the output of the layer below after it.
  const Layer& input = recurrent ? layer : memory_.layers[l - 1];
  const int64_t input_row = recurrent ? 0 : rows_ / words;
  const float* inputs = (memory_.bf16 ? input.h_pairs : input.h).f32() + input_row * Hp_;
  const int64_t input_panels = RoundUp(H, kPanelColumns) / kPanelColumns;
  for (int64_t first = 0; first < all_rows; first += kGradientRows) {
    const int64_t rows = std::min(kGradientRows, all_rows - first);
    turn.ForEach(panels_.count() * input_panels, Flops(kPanelColumns, rows),
                 [&](int64_t task, int) {
                   const int panel = static_cast<int>(task / input_panels);
                   const int64_t column = task % input_panels * kPanelColumns;
                   const float* d = memory_.bf16 ? memory_.d_pairs.f32() : layer.gates.f32();
                   ProductArgs args;
                   args.a_row = 1;
                   args.a_k = kPanelColumns;
                   args.k = args.block = rows / words;
                   args.b = inputs + first / words * Hp_ + column;
                   args.b_k = Hp_;
                   args.columns = static_cast<int>(std::min<int64_t>(kPanelColumns, H - column));
                   args.c_row = H;
                   const GatePanels::Range range =
                       recurrent ? panels_.Recurrent(panel) : panels_.Input(panel);
                   for (int v = range.first; v < range.first + range.vectors; ++v) {
                     const auto [row, count] = panels_.RowsOf(panel, v);
                     args.a = d + (panel * all_rows + first) / words * kPanelColumns + v * kLanes;
                     args.c = gradient + row * H + column;
                     args.start = first == 0 ? nullptr : args.c;
                     args.start_row = H;
                     args.rows = count;
                     Product(args);
                   }
                 });
  }
}

// Sums over the rows, 1,024 at a time.
void CpuStack::BiasGradients(Turn& turn, int l, float* gradients) {
  constexpr int64_t kChunk = 1024;
  const LayerSlices at(l);
  const int64_t all_rows = steps_ * rows_;
  turn.ForEach(panels_.count(), Flops(1, all_rows), [&](int64_t task, int) {
    const int panel = static_cast<int>(task);
    float sum[kPanelColumns] = {};
    for (int64_t chunk = 0; chunk < all_rows; chunk += kChunk) {
      float part[kPanelColumns] = {};
      for (int64_t row = chunk; row < std::min(all_rows, chunk + kChunk); ++row) {
        const float* d = Gates(memory_.layers[l], panel, row);
        for (int column = 0; column < kPanelColumns; ++column) part[column] += d[column];
      }
      for (int column = 0; column < kPanelColumns; ++column) sum[column] += part[column];
    }
    const auto store = [&](GatePanels::Range range, float* bias) {
      for (int v = range.first; v < range.first + range.vectors; ++v) {
        const auto [row, count] = panels_.RowsOf(panel, v);
        std::copy_n(sum + v * kLanes, count, bias + row);
      }
    };
    store(panels_.Input(panel), gradients + slices_[at.bias_ih].offset);
    store(panels_.Recurrent(panel), gradients + slices_[at.bias_hh].offset);
  });
}

// With one-hot input a weight's gradient is the sum over the rows that have its token.
void CpuStack::TokenGradients(Turn& turn, float* gradient) {
  const int64_t all_rows = steps_ * rows_, V = config_.vocabulary;
  const int32_t* tokens = memory_.tokens.As<int32_t>();
  turn.ForEach(panels_.count(), Flops(1, all_rows), [&](int64_t task, int) {
    const int panel = static_cast<int>(task);
    float* by_token = memory_.by_token.f32() + panel * V * kPanelColumns;
    std::fill_n(by_token, V * kPanelColumns, 0.0f);
    for (int64_t row = 0; row < all_rows; ++row) {
      const float* d = Gates(memory_.layers[0], panel, row);
      float* sum = by_token + tokens[row] * kPanelColumns;
      for (int column = 0; column < kPanelColumns; ++column) sum[column] += d[column];
    }
    UnpackByToken(panels_, panel, by_token, static_cast<int>(V), gradient);
  });
}

// d(loss)/dh of the layer below, through the input's weights.
void CpuStack::OutputGradient(Turn& turn, int l) {
  const Layer& layer = memory_.layers[l];
  const int64_t words = memory_.bf16 ? 2 : 1;
  const int64_t all_rows = steps_ * rows_, gate_words = panels_.AllProductColumns() / words;
  const int column_panels = static_cast<int>(RoundUp(Hp_, kPanelColumns) / kPanelColumns);
  const Tasks tasks = TasksFor(all_rows, column_panels);
  turn.ForEach(tasks.count, Flops(tasks.rows, gate_words * words), [&](int64_t task, int) {
    const int64_t unit = task / tasks.blocks * kPanelColumns;
    const int64_t first = task % tasks.blocks * tasks.rows;
    ProductArgs args;
    args.a = memory_.bf16
                 ? static_cast<const void*>(memory_.d_bf16.As<uint16_t>() + first * kPanelColumns)
                 : Gates(layer, 0, first);
    args.a_row = kPanelColumns / words;
    args.block = panels_.ProductColumns() / words;
    args.a_block = all_rows * kPanelColumns / words;
    args.k = gate_words;
    args.b = layer.back_input.As<uint32_t>() + unit * gate_words;
    args.columns = static_cast<int>(std::min<int64_t>(kPanelColumns, Hp_ - unit));
    args.b_k = args.columns;
    args.c = memory_.d_output.f32() + first * Hp_ + unit;
    args.c_row = Hp_;
    args.rows = std::min(tasks.rows, all_rows - first);
    Product(args);
  });
}

}  // namespace derin::cpu
