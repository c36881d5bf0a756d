// One step of independent sequences through CpuStack: their states are gathered from the pool, and
// scattered after the last layer; between steps of a run they stay where they are.

#include <algorithm>
#include <chrono>

#include "absl/time/time.h"
#include "model/backend/cpu/bf16.h"
#include "model/backend/cpu/cpu_stack.h"
#include "model/check.h"

namespace derin::cpu {
void CpuStack::Step(Queue& queue, View tokens, View slots, View pool, View top, StepOfRun of) {
  DERIN_CHECK(static_cast<int>(tokens.count) <= extent_.step_rows);
  if (!static_cast<CpuQueue&>(queue).ok()) return;
  live_.clear();
  live_tokens_.clear();
  for (size_t row = 0; row < slots.count; ++row) {
    if (slots.As<int32_t>()[row] < 0) continue;
    live_.push_back(static_cast<int32_t>(row));
    live_tokens_.push_back(tokens.As<int32_t>()[row]);
  }
  Turn turn(static_cast<CpuQueue&>(queue));
  const StepViews views{slots.As<int32_t>(), pool.As<float>(), top.As<float>(), of};
  if (!of.first) {
    for (Layer& layer : memory_.layers) layer.SwapStepStates();
  }
  const auto rows = static_cast<int64_t>(live_.size());
  if (rows < turn.workers()) return StepByPanels(turn, views);

  // Both give the same bits. A task of some rows through the whole step waits for nobody between
  // layers, and the rows' states stay with one worker; a task of a panel reads its own part of the
  // weights only, which matters where a core's cache does not hold all of them.
  const bool by_rows = step_ways_.Choose(rows) == 1;
  const auto start = std::chrono::steady_clock::now();
  if (by_rows) {
    StepByRows(turn, views);
  } else {
    StepByPanels(turn, views);
  }
  if (!step_ways_.Tries(rows)) return;
  step_ways_.Took(rows, absl::FromChrono(std::chrono::steady_clock::now() - start));
}

void CpuStack::StepByRows(Turn& turn, const StepViews& views) {
  const auto rows = static_cast<int64_t>(live_.size());
  const int64_t workers = turn.workers();
  const int64_t blocks = CeilDivide(rows, workers * StackMemory::kTaskRows) * workers;
  turn.ForEach(blocks, 0, [&](int64_t block, int worker) {
    const int64_t first = block * rows / blocks, count = (block + 1) * rows / blocks - first;
    if (views.of.first) GatherStates(views, first, count);
    for (int l = 0; l < config_.layers; ++l) {
      for (int panel = 0; panel < panels_.count(); ++panel) {
        StepPanel(l, panel, views, first, count, Sums(worker));
      }
    }
    if (views.of.last) ScatterStates(views, first, count);
  });
}

void CpuStack::StepByPanels(Turn& turn, const StepViews& views) {
  const auto rows = static_cast<int64_t>(live_.size());
  // So few are copied before anybody else has begun.
  constexpr int64_t kRowsWorthSharing = 8;
  const int64_t shares = rows < kRowsWorthSharing ? 1 : turn.workers();
  const auto for_shares = [&](const auto& body) {
    turn.ForEach(shares, 0, [&](int64_t share, int) {
      const int64_t first = share * rows / shares;
      body(first, (share + 1) * rows / shares - first);
    });
  };
  if (views.of.first) {
    for_shares([&](int64_t first, int64_t count) { GatherStates(views, first, count); });
  }
  const Tasks tasks = TasksFor(rows, panels_.count());
  for (int l = 0; l < config_.layers; ++l) {
    turn.ForEach(tasks.count, 0, [&](int64_t task, int worker) {
      const int64_t first = task % tasks.blocks * tasks.rows;
      StepPanel(l, static_cast<int>(task / tasks.blocks), views, first,
                std::min(tasks.rows, rows - first), Sums(worker));
    });
  }
  if (views.of.last) {
    for_shares([&](int64_t first, int64_t count) { ScatterStates(views, first, count); });
  }
}

// With zeros behind: a row that was here before may have left what is not finite there.
void CpuStack::CopyPadded(const float* state, float* to) const {
  std::copy_n(state, config_.hidden, to);
  std::fill(to + config_.hidden, to + Hp_, 0.0f);
}

void CpuStack::GatherStates(const StepViews& views, int64_t first, int64_t count) {
  const int64_t H = config_.hidden, S = StateVectors(config_.cell);
  for (int64_t row = first; row < first + count; ++row) {
    const float* state =
        views.pool + int64_t{views.slots[live_[row]]} * config_.layers * S * H;  // [L, S, H]
    for (const Layer& layer : memory_.layers) {
      CopyPadded(state, layer.step_h.f32() + row * Hp_);
      if (S == 2) CopyPadded(state + H, layer.step_c.f32() + row * Hp_);
      state += S * H;
      if (!memory_.bf16) continue;
      const float* h = layer.step_h.f32() + row * Hp_;
      uint16_t* h_bf16 = layer.step_h_bf16.As<uint16_t>() + row * Hp_;
      for (int64_t unit = 0; unit < Hp_; ++unit) h_bf16[unit] = RoundToBf16(h[unit]);
    }
  }
}

// The rows [first, first + count) of a layer's panel: sums from the tokens or the layer below, from
// the states before, and the cell, whose h goes to the top from the last layer.
void CpuStack::StepPanel(int l, int panel, const StepViews& views, int64_t first, int64_t count,
                         float* sums) {
  const Layer& layer = memory_.layers[l];
  const bool bf16 = memory_.bf16;
  const auto words_of = [&](const Array& h, const Array& h_bf16) {
    return (bf16 ? h_bf16 : h).As<uint32_t>() + first * k_words_;
  };
  const uint32_t* own = words_of(layer.step_h, layer.step_h_bf16);
  const FactorRows own_rows{own, k_words_, k_words_, 0};
  if (l == 0) {
    ProductFromTokens(panel, live_tokens_.data() + first, own_rows, count, sums);
  } else {
    const Layer& layer_below = memory_.layers[l - 1];
    const uint32_t* below = words_of(layer_below.step_new_h, layer_below.step_new_h_bf16);
    const bool both = config_.cell != Cell::kGru;
    ProductArgs args = PanelProduct(l, panel, both ? Factor::kBelowAndOwn : Factor::kBelow,
                                    {below, k_words_, k_words_, own - below}, count, sums);
    args.start = layer.start.f32() + panel * kPanelColumns;
    args.start_row = 0;
    Product(args);
    if (!both) {
      StartStatePart(layer, panel, count, sums);
      Product(PanelProduct(l, panel, Factor::kOwn, own_rows, count, sums));
    }
  }

  const int64_t at = first * Hp_ + int64_t{panel} * panels_.units();
  CellForwardArgs cell;
  cell.gates = sums;
  cell.h_before = layer.step_h.f32() + at;
  cell.h = layer.step_new_h.f32() + at;
  if (config_.cell == Cell::kLstm) {
    cell.c_before = layer.step_c.f32() + at;
    cell.c = layer.step_new_c.f32() + at;
  }
  if (bf16) cell.h_bf16 = layer.step_new_h_bf16.As<uint16_t>() + at;
  cell.stride = Hp_;
  cell.rows = count;
  cell.vectors = panels_.UnitVectors(panel);
  cell_forward_(cell);
  if (l + 1 < config_.layers) return;
  const int64_t H = config_.hidden, unit = int64_t{panel} * panels_.units();
  for (int64_t row = 0; row < count; ++row) {
    std::copy_n(cell.h + row * Hp_, std::min<int64_t>(panels_.units(), H - unit),
                views.top + live_[first + row] * H + unit);
  }
}

void CpuStack::ScatterStates(const StepViews& views, int64_t first, int64_t count) {
  const int64_t H = config_.hidden, S = StateVectors(config_.cell);
  for (int64_t row = first; row < first + count; ++row) {
    float* state = views.pool + int64_t{views.slots[live_[row]]} * config_.layers * S * H;
    for (const Layer& layer : memory_.layers) {
      std::copy_n(layer.step_new_h.f32() + row * Hp_, H, state);
      if (S == 2) std::copy_n(layer.step_new_c.f32() + row * Hp_, H, state + H);
      state += S * H;
    }
  }
}

}  // namespace derin::cpu
