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

void CpuStack::Backward(Queue& queue, View d_top, View loss_scale, View gradients) {
  DERIN_CHECK(loss_scale.empty());
  if (!static_cast<CpuQueue&>(queue).ok()) return;
  Turn turn(static_cast<CpuQueue&>(queue));
  float* to = gradients.As<float>();
  LoadTopGradient(turn, d_top);
  for (int l = config_.layers - 1; l >= 0; --l) {
    if (config_.cell == Cell::kLstm) {
      std::fill_n(memory_.dc.f32(), rows_ * memory_.UnitColumns(), 0.0f);
    }
    for (int64_t t = steps_ - 1; t >= 0; --t) BackwardStep(turn, l, static_cast<int>(t));
    const LayerSlices at(l);
    WeightGradients(turn, l, /*recurrent=*/true, to + slices_[at.weight_hh].offset);
    BiasGradients(turn, l, to);
    if (l == 0) {
      TokenGradients(turn, to + slices_[at.weight_ih].offset);
    } else {
      WeightGradients(turn, l, /*recurrent=*/false, to + slices_[at.weight_ih].offset);
      OutputGradient(turn, l);
      if (drops_) DropGradient(turn, l);
    }
  }
}

// d_top as [J, T, B, 64], with zeros around.
void CpuStack::LoadTopGradient(Turn& turn, View d_top) {
  const int64_t H = config_.hidden;
  DERIN_CHECK(static_cast<int64_t>(d_top.count) == steps_ * batch_ * H);
  turn.ForEach(steps_, 0, [&](int64_t t, int) {
    for (int64_t b = 0; b < rows_; ++b) {
      const float* from = d_top.As<float>() + (t * batch_ + b) * H;
      for (int64_t unit = 0; unit < Hp_; unit += kPanelColumns) {
        float* to = memory_.d_output.f32() + UnitOffset(unit, t * rows_ + b, gate_rows_);
        const int64_t count = b < batch_ ? std::min<int64_t>(kPanelColumns, H - unit) : 0;
        std::copy_n(from + unit, count, to);
        std::fill(to + count, to + kPanelColumns, 0.0f);
      }
    }
  });
}

CpuStack::FactorRows CpuStack::FactorGates(const Layer& layer, int64_t row, int column) const {
  const void* data =
      memory_.bf16
          ? static_cast<const void*>(memory_.d_bf16.As<uint16_t>() + row * kPanelColumns + column)
          : Gates(layer, 0, row) + column;
  return {data, kPanelColumns / words_, panels_.ProductColumns() / words_,
          gate_rows_ * kPanelColumns / words_};
}

// Rows of the gates' gradients times the weights of 64 units from `unit` on.
ProductArgs CpuStack::UnitProduct(const Array& weights, int64_t unit, const FactorRows& a,
                                  int64_t rows, float* c) const {
  const int64_t gate_words = panels_.AllProductColumns() / words_;
  ProductArgs args;
  args.a = a.data;
  args.a_row = a.row;
  args.block = a.block;
  args.a_block = a.next_block;
  args.k = gate_words;
  args.b = weights.As<uint32_t>() + unit * gate_words;
  args.columns = static_cast<int>(std::min<int64_t>(kPanelColumns, Hp_ - unit));
  args.b_k = args.columns;
  args.c = c;
  args.c_row = kPanelColumns;
  args.rows = rows;
  return args;
}

// dh of step t is what comes from above and, through the recurrent weights, from step t + 1.
void CpuStack::BackwardStep(Turn& turn, int l, int t) {
  const Layer& layer = memory_.layers[l];
  const bool lstm = config_.cell == Cell::kLstm, bf16 = memory_.bf16, last = t == steps_ - 1;
  const int64_t now = t * rows_;
  const Tasks tasks = TasksFor(rows_, UnitPanels());
  const double flops = Flops(tasks.rows, panels_.AllProductColumns());
  turn.ForEach(tasks.count, flops, [&](int64_t task, int worker) {
    const int64_t unit = task / tasks.blocks * kPanelColumns;
    const int64_t first = task % tasks.blocks * tasks.rows;
    const int64_t count = std::min(tasks.rows, rows_ - first);
    const float* dh = memory_.d_output.f32() + UnitOffset(unit, now + first, gate_rows_);
    if (!last) {
      const int column = panels_.Recurrent(0).first_column();
      ProductArgs args =
          UnitProduct(layer.back_recurrent, unit, FactorGates(layer, now + rows_ + first, column),
                      count, Sums(worker));
      args.start = dh;
      args.start_row = kPanelColumns;
      Product(args);
      dh = args.c;
    }

    const int64_t end = std::min(unit + kPanelColumns, Hp_);
    for (int64_t panel = unit / panels_.units(); panel * panels_.units() < end; ++panel) {
      const int64_t panel_unit = panel * panels_.units();
      const int64_t before = UnitOffset(panel_unit, now + first, h_rows_);
      const int64_t at = UnitOffset(panel_unit, now + first, gate_rows_);
      CellBackwardArgs cell;
      cell.gates = Gates(layer, static_cast<int>(panel), now + first);
      cell.dh = dh + (panel_unit - unit);
      cell.dh_row = kPanelColumns;
      cell.h_before = layer.h.f32() + before;
      if (lstm) {
        cell.c_before = layer.c.f32() + before;
        cell.tanh_c = layer.tanh_c.f32() + at;
        cell.dc = memory_.dc.f32() + UnitOffset(panel_unit, first, rows_);
      }
      if (config_.cell == Cell::kGru && t > 0) {
        cell.dh_before = memory_.d_output.f32() + at - rows_ * kPanelColumns;
      }
      if (bf16) {
        const int64_t row = panel * gate_rows_ + now + first;
        cell.d_bf16 = memory_.d_bf16.As<uint16_t>() + row * kPanelColumns;
        cell.d_pairs = memory_.d_pairs.As<uint32_t>() + row / 2 * kPanelColumns;
      }
      cell.stride = kPanelColumns;
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
  const Layer& layer = memory_.layers[l];
  // The state before each step, or the output of the layer below after it.
  const Layer& input = recurrent ? layer : memory_.layers[l - 1];
  int64_t input_row = recurrent ? 0 : rows_, input_rows = h_rows_;
  const float* inputs = (memory_.bf16 ? input.h_pairs : input.h).f32();
  if (!recurrent && drops_) {
    inputs = (memory_.bf16 ? layer.below_pairs : layer.below).f32();
    input_row = 0;
    input_rows = gate_rows_;
  }
  const float* d = memory_.bf16 ? memory_.d_pairs.f32() : layer.gates.f32();
  for (int64_t first = 0; first < gate_rows_; first += kGradientRows) {
    const int64_t rows = std::min(kGradientRows, gate_rows_ - first);
    const double flops = Flops(kPanelColumns, rows);
    turn.ForEach(panels_.count() * UnitPanels(), flops, [&](int64_t task, int) {
      const int panel = static_cast<int>(task / UnitPanels());
      const int64_t unit = task % UnitPanels() * kPanelColumns;
      ProductArgs args;
      args.a_row = 1;
      args.a_k = kPanelColumns;
      args.k = args.block = rows / words_;
      args.b = inputs + UnitOffset(unit, (input_row + first) / words_, input_rows / words_);
      args.b_k = kPanelColumns;
      args.columns = static_cast<int>(std::min<int64_t>(kPanelColumns, H - unit));
      args.c_row = H;
      const GatePanels::Range range = recurrent ? panels_.Recurrent(panel) : panels_.Input(panel);
      for (int v = range.first; v < range.first + range.vectors; ++v) {
        const auto [row, count] = panels_.RowsOf(panel, v);
        args.a = d + (panel * gate_rows_ + first) / words_ * kPanelColumns + v * kLanes;
        args.c = gradient + row * H + unit;
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
  const double flops = kFlopsOfStreamed * static_cast<double>(gate_rows_) * kPanelColumns;
  turn.ForEach(panels_.count(), flops, [&](int64_t task, int) {
    const int panel = static_cast<int>(task);
    float sum[kPanelColumns] = {};
    for (int64_t chunk = 0; chunk < gate_rows_; chunk += kChunk) {
      float part[kPanelColumns] = {};
      for (int64_t row = chunk; row < std::min(gate_rows_, chunk + kChunk); ++row) {
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
  const int64_t V = config_.vocabulary;
  const int32_t* tokens = memory_.tokens.As<int32_t>();
  const double flops = (kFlopsOfStreamed * static_cast<double>(gate_rows_) +
                        kFlopsOfPacked * static_cast<double>(V)) *
                       kPanelColumns;
  turn.ForEach(panels_.count(), flops, [&](int64_t task, int) {
    const int panel = static_cast<int>(task);
    float* by_token = memory_.by_token.f32() + panel * V * kPanelColumns;
    std::fill_n(by_token, V * kPanelColumns, 0.0f);
    for (int64_t row = 0; row < gate_rows_; ++row) {
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
  const Tasks tasks = TasksFor(gate_rows_, UnitPanels());
  const double flops = Flops(tasks.rows, panels_.AllProductColumns());
  turn.ForEach(tasks.count, flops, [&](int64_t task, int) {
    const int64_t unit = task / tasks.blocks * kPanelColumns;
    const int64_t first = task % tasks.blocks * tasks.rows;
    Product(UnitProduct(layer.back_input, unit, FactorGates(layer, first, 0),
                        std::min(tasks.rows, gate_rows_ - first),
                        memory_.d_output.f32() + UnitOffset(unit, first, gate_rows_)));
  });
}

}  // namespace derin::cpu
