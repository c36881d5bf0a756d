#include "model/backend/cpu/cpu_stack.h"

#include <algorithm>
#include <cstring>

#include "model/backend/cpu/bf16.h"
#include "model/backend/cpu/packing.h"
#include "model/check.h"

namespace derin::cpu {
namespace {

auto CellForwardOf(const Kernels& kernels, Cell cell) {
  switch (cell) {
    case Cell::kVanillaTanh:
      return kernels.tanh_forward;
    case Cell::kVanillaRelu:
      return kernels.relu_forward;
    case Cell::kGru:
      return kernels.gru_forward;
    case Cell::kLstm:
      return kernels.lstm_forward;
  }
  return kernels.lstm_forward;
}

auto CellBackwardOf(const Kernels& kernels, Cell cell) {
  switch (cell) {
    case Cell::kVanillaTanh:
      return kernels.tanh_backward;
    case Cell::kVanillaRelu:
      return kernels.relu_backward;
    case Cell::kGru:
      return kernels.gru_backward;
    case Cell::kLstm:
      return kernels.lstm_backward;
  }
  return kernels.lstm_backward;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CpuStack>> CpuStack::Create(Device& device,
                                                           const StackConfig& config,
                                                           const StackExtent& extent) {
  std::unique_ptr<CpuStack> stack(new CpuStack(device, config, extent));
  if (absl::Status status = stack->memory_.Allocate(); !status.ok()) return status;
  return stack;
}

CpuStack::CpuStack(Device& device, const StackConfig& config, const StackExtent& extent)
    : device_(device),
      kernels_(device.kernels),
      config_(config),
      extent_(extent),
      slices_(StackSlices(config)),
      memory_(config, extent, device.workers.threads()),
      panels_(memory_.panels),
      Hp_(panels_.padded()),
      words_(memory_.bf16 ? 2 : 1),
      k_words_(Hp_ / words_),
      cell_forward_(CellForwardOf(kernels_, config.cell)),
      cell_backward_(CellBackwardOf(kernels_, config.cell)),
      step_ways_(extent.step_rows) {
  live_.reserve(extent.step_rows);
  live_tokens_.reserve(extent.step_rows);
}

CpuStack::Tasks CpuStack::TasksFor(int64_t rows, int panels) const {
  // Panels alone, where they can be shared out evenly; otherwise also the rows, a task's share even
  // since bf16 pairs rows.
  const int64_t workers = device_.workers.threads();
  const int64_t shares = std::max<int64_t>(CeilDivide(rows, StackMemory::kTaskRows),
                                           panels % workers == 0 ? 1 : workers);
  const int64_t task_rows = std::max<int64_t>(2, RoundUp(CeilDivide(rows, shares), 2));
  const int64_t blocks = CeilDivide(rows, task_rows);
  return {task_rows, blocks, blocks * panels};
}

void CpuStack::SetParameters(Queue& queue, View parameters) {
  if (!static_cast<CpuQueue&>(queue).ok()) return;
  Turn turn(static_cast<CpuQueue&>(queue));
  for (int l = 0; l < config_.layers; ++l) PackLayer(turn, l, parameters.As<float>());
}

void CpuStack::PackLayer(Turn& turn, int l, const float* flat) {
  const LayerSlices at(l);
  const int H = config_.hidden, V = config_.vocabulary;
  const float* weight_ih = flat + slices_[at.weight_ih].offset;
  const float* weight_hh = flat + slices_[at.weight_hh].offset;
  const float* bias_ih = flat + slices_[at.bias_ih].offset;
  const float* bias_hh = flat + slices_[at.bias_hh].offset;
  Layer& layer = memory_.layers[l];
  const bool bf16 = memory_.bf16;

  const double moved = static_cast<double>(H + (l > 0 ? H : V)) * kPanelColumns;
  turn.ForEach(panels_.count(), kFlopsOfPacked * moved, [&](int64_t task, int) {
    const int panel = static_cast<int>(task);
    const GatePanels::Range input = panels_.Input(panel), recurrent = panels_.Recurrent(panel);
    PackForward(panels_, panel, recurrent, weight_hh, H, bf16,
                ForwardWeights(l, panel, Factor::kOwn));
    float bias[kPanelColumns] = {};
    for (int v = 0; v < kPanelColumns / kLanes; ++v) {
      const bool from_input = v >= input.first && v < input.first + input.vectors;
      const bool from_state = v >= recurrent.first && v < recurrent.first + recurrent.vectors;
      if (!from_input && !from_state) continue;
      const auto [row, rows] = panels_.RowsOf(panel, v);
      for (int i = 0; i < rows; ++i) {
        bias[v * kLanes + i] =
            (from_input ? bias_ih[row + i] : 0) + (from_state ? bias_hh[row + i] : 0);
      }
    }
    if (l > 0) {
      PackForward(panels_, panel, input, weight_ih, H, bf16,
                  ForwardWeights(l, panel, Factor::kBelow));
      std::copy_n(bias, kPanelColumns, layer.start.f32() + panel * kPanelColumns);
    } else {
      PackTokens(panels_, panel, weight_ih, V, bias,
                 layer.start.f32() + int64_t{panel} * V * kPanelColumns);
    }
  });
  if (!extent_.training) return;
  const int64_t gate_words = panels_.AllProductColumns() * k_words_ / Hp_;
  const int64_t back_panels = RoundUp(Hp_, kPanelColumns) / kPanelColumns;
  const auto moved_back =
      static_cast<double>(panels_.AllProductColumns() * kPanelColumns * (l > 0 ? 2 : 1));
  turn.ForEach(back_panels, kFlopsOfPacked * moved_back, [&](int64_t task, int) {
    const int first = static_cast<int>(task) * kPanelColumns;
    const int columns = std::min<int>(kPanelColumns, static_cast<int>(Hp_) - first);
    PackBackward(panels_, /*recurrent=*/true, weight_hh, H, first, columns, bf16,
                 layer.back_recurrent.As<uint32_t>() + first * gate_words);
    if (l > 0) {
      PackBackward(panels_, /*recurrent=*/false, weight_ih, H, first, columns, bf16,
                   layer.back_input.As<uint32_t>() + first * gate_words);
    }
  });
}

uint32_t* CpuStack::ForwardWeights(int l, int panel, Factor factor) const {
  const int64_t below = l > 0 ? k_words_ : 0;
  uint32_t* of_panel = memory_.layers[l].forward.As<uint32_t>() +
                       panel * panels_.ProductColumns() * (below + k_words_);
  return of_panel + (factor == Factor::kOwn ? below * panels_.Input(panel).columns() : 0);
}

ProductArgs CpuStack::PanelProduct(int l, int panel, Factor factor, const FactorRows& a,
                                   int64_t rows, float* sums) const {
  const GatePanels::Range range =
      factor == Factor::kOwn ? panels_.Recurrent(panel) : panels_.Input(panel);
  ProductArgs args;
  args.a = a.data;
  args.a_row = a.row;
  args.block = a.block;
  args.a_block = a.next_block;
  args.k = (factor == Factor::kBelowAndOwn ? 2 : 1) * k_words_;
  args.b = ForwardWeights(l, panel, factor);
  args.b_k = range.columns();
  args.c = sums + range.first_column();
  args.c_row = kPanelColumns;
  args.start = args.c;
  args.start_row = args.c_row;
  args.rows = rows;
  args.columns = range.columns();
  return args;
}

CpuStack::FactorRows CpuStack::FactorH(const Layer& layer, int64_t row) const {
  const void* data =
      memory_.bf16 ? static_cast<const void*>(layer.h_bf16.As<uint16_t>() + row * kPanelColumns)
                   : layer.h.f32() + row * kPanelColumns;
  const int64_t panel_words = kPanelColumns / words_;
  return {data, panel_words, panel_words, h_rows_ * panel_words};
}

void CpuStack::StartStatePart(const Layer& layer, int panel, int64_t rows, float* sums) const {
  if (config_.cell != Cell::kGru) return;
  const int column = 3 * kLanes;
  const float* bias = layer.start.f32() + panel * kPanelColumns + column;
  for (int64_t row = 0; row < rows; ++row) {
    std::memcpy(sums + row * kPanelColumns + column, bias, kLanes * sizeof(float));
  }
}

void CpuStack::ProductFromTokens(int panel, const int32_t* tokens, const FactorRows& own,
                                 int64_t rows, float* sums) const {
  const float* starts =
      memory_.layers[0].start.f32() + int64_t{panel} * config_.vocabulary * kPanelColumns;
  // The product does not reach the columns before these.
  const int first = panels_.Recurrent(panel).first_column();
  for (int64_t row = 0; first > 0 && row < rows; ++row) {
    std::copy_n(starts + tokens[row] * kPanelColumns, first, sums + row * kPanelColumns);
  }
  ProductArgs args = PanelProduct(0, panel, Factor::kOwn, own, rows, sums);
  args.start = starts + first;
  args.start_row = kPanelColumns;
  args.start_rows = tokens;
  Product(args);
}

void CpuStack::LoadTokens(const int32_t* tokens) {
  int32_t* to = memory_.tokens.As<int32_t>();
  for (int64_t t = 0; t < steps_; ++t) {
    std::copy_n(tokens + t * batch_, batch_, to + t * rows_);
    std::fill(to + t * rows_ + batch_, to + (t + 1) * rows_, 0);
  }
}

// From [S, L, B, H] to step 0 of h and c, with zeros around.
void CpuStack::LoadState(int l, const float* states) {
  const int64_t H = config_.hidden;
  const Layer& layer = memory_.layers[l];
  const bool pairs = layer.h_pairs.bytes > 0;
  for (int64_t b = 0; b < rows_; ++b) {
    const float* from = states + (l * batch_ + b) * H;
    for (int64_t unit = 0; unit < Hp_; ++unit) {
      const bool there = b < batch_ && unit < H;
      const float h = there ? from[unit] : 0;
      const int64_t at = UnitOffset(unit, b, h_rows_);
      layer.h.f32()[at] = h;
      if (config_.cell == Cell::kLstm) {
        layer.c.f32()[at] = there ? from[config_.layers * batch_ * H + unit] : 0;
      }
      if (!memory_.bf16) continue;
      layer.h_bf16.As<uint16_t>()[at] = RoundToBf16(h);
      if (!pairs) continue;
      layer.h_pairs.As<uint16_t>()[2 * UnitOffset(unit, b / 2, h_rows_ / 2) + b % 2] =
          RoundToBf16(h);
    }
  }
}

void CpuStack::StoreState(int l, float* states) const {
  const int64_t H = config_.hidden, last = steps_ * rows_;
  const Layer& layer = memory_.layers[l];
  for (int64_t b = 0; b < batch_; ++b) {
    float* to = states + (l * batch_ + b) * H;
    CopyUnits(layer.h.f32(), last + b, to);
    if (config_.cell == Cell::kLstm) {
      CopyUnits(layer.c.f32(), last + b, to + config_.layers * batch_ * H);
    }
  }
}

// A row of [J, T + 1, B, 64] as H elements.
void CpuStack::CopyUnits(const float* from, int64_t row, float* to) const {
  const int64_t H = config_.hidden;
  for (int64_t unit = 0; unit < H; unit += kPanelColumns) {
    std::copy_n(from + UnitOffset(unit, row, h_rows_), std::min<int64_t>(kPanelColumns, H - unit),
                to + unit);
  }
}

void CpuStack::InputProducts(Turn& turn, int l) {
  const Layer& layer = memory_.layers[l];
  const int64_t rows = gate_rows_;
  const Tasks tasks = TasksFor(rows, panels_.count());
  turn.ForEach(tasks.count, Flops(tasks.rows, Hp_), [&](int64_t task, int) {
    const int panel = static_cast<int>(task / tasks.blocks);
    const int64_t first = task % tasks.blocks * tasks.rows;
    const int64_t count = std::min(tasks.rows, rows - first);
    float* sums = Gates(layer, panel, first);
    ProductArgs args = PanelProduct(l, panel, Factor::kBelow, FactorBelow(l, first), count, sums);
    args.start = layer.start.f32() + panel * kPanelColumns;
    args.start_row = 0;
    Product(args);
    StartStatePart(layer, panel, count, sums);
  });
}

void CpuStack::ForwardStep(Turn& turn, int l, int t, ForwardMode mode) {
  const Layer& layer = memory_.layers[l];
  const int64_t before = t * rows_, after = before + rows_;
  const bool training = mode == ForwardMode::kTraining, lstm = config_.cell == Cell::kLstm;
  const int32_t* tokens = memory_.tokens.As<int32_t>() + before;
  const Tasks tasks = TasksFor(rows_, panels_.count());
  turn.ForEach(tasks.count, Flops(tasks.rows, Hp_), [&](int64_t task, int) {
    const int panel = static_cast<int>(task / tasks.blocks);
    const int64_t first = task % tasks.blocks * tasks.rows;
    const int64_t count = std::min(tasks.rows, rows_ - first);
    float* sums = Gates(layer, panel, before + first);
    const FactorRows own = FactorH(layer, before + first);
    if (l == 0) {
      ProductFromTokens(panel, tokens + first, own, count, sums);
    } else {
      Product(PanelProduct(l, panel, Factor::kOwn, own, count, sums));
    }

    const int64_t unit = int64_t{panel} * panels_.units();
    const int64_t old = UnitOffset(unit, before + first, h_rows_);
    const int64_t now = UnitOffset(unit, after + first, h_rows_);
    CellForwardArgs cell;
    cell.gates = sums;
    cell.h_before = layer.h.f32() + old;
    cell.h = layer.h.f32() + now;
    if (lstm) {
      cell.c_before = layer.c.f32() + old;
      cell.c = layer.c.f32() + now;
      if (training) {
        cell.tanh_c = layer.tanh_c.f32() + UnitOffset(unit, before + first, gate_rows_);
      }
    }
    if (memory_.bf16) {
      cell.h_bf16 = layer.h_bf16.As<uint16_t>() + now;
      if (training) {
        cell.h_pairs =
            layer.h_pairs.As<uint32_t>() + UnitOffset(unit, (after + first) / 2, h_rows_ / 2);
      }
    }
    cell.stride = kPanelColumns;
    cell.rows = count;
    cell.vectors = panels_.UnitVectors(panel);
    cell_forward_(cell);
  });
}

void CpuStack::Forward(Queue& queue, ForwardMode mode, int steps, int batch, View tokens,
                       View state_in, View state_out, View top, View dropout) {
  DERIN_CHECK(steps <= extent_.steps && batch <= extent_.batch);
  DERIN_CHECK(mode == ForwardMode::kInference || extent_.training);
  if (!static_cast<CpuQueue&>(queue).ok()) return;
  steps_ = steps;
  batch_ = batch;
  rows_ = RoundUp(batch, words_);
  h_rows_ = (steps_ + 1) * rows_;
  gate_rows_ = steps_ * rows_;
  SetDropout(mode, dropout);
  Turn turn(static_cast<CpuQueue&>(queue));
  LoadTokens(tokens.As<int32_t>());
  for (int l = 0; l < config_.layers; ++l) {
    LoadState(l, state_in.As<float>());
    if (l > 0 && drops_) DropBelow(turn, l);
    if (l > 0) InputProducts(turn, l);
    for (int t = 0; t < steps; ++t) ForwardStep(turn, l, t, mode);
    StoreState(l, state_out.As<float>());
  }
  const int64_t H = config_.hidden;
  const float* h = memory_.layers.back().h.f32();
  turn.ForEach(steps, 0, [&](int64_t t, int) {
    for (int64_t b = 0; b < batch_; ++b) {
      CopyUnits(h, (t + 1) * rows_ + b, top.As<float>() + (t * batch_ + b) * H);
    }
  });
}

}  // namespace derin::cpu
