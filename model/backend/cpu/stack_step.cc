// One step of independent sequences through CpuStack: their states are gathered from the pool, and
// scattered after the last layer.

#include <algorithm>
#include <cstring>

#include "model/backend/cpu/bf16.h"
#include "model/backend/cpu/cpu_stack.h"
#include "model/check.h"

namespace derin::cpu {
namespace {

// Rows that one task gathers or scatters.
constexpr int64_t kMovedRows = 16;

}  // namespace

void CpuStack::Step(Queue& queue, View tokens, View slots, View pool, View top) {
  DERIN_CHECK(static_cast<int>(tokens.count) <= extent_.step_rows);
  if (!static_cast<CpuQueue&>(queue).ok()) return;
  live_.clear();
  for (size_t row = 0; row < slots.count; ++row) {
    if (slots.As<int32_t>()[row] >= 0) live_.push_back(static_cast<int32_t>(row));
  }
  Turn turn(static_cast<CpuQueue&>(queue));
  GatherStates(turn, slots.As<int32_t>(), pool.As<float>());
  for (int l = 0; l < config_.layers; ++l) StepLayer(turn, l, tokens.As<int32_t>());
  ScatterStates(turn, slots.As<int32_t>(), pool.As<float>(), top.As<float>());
}

void CpuStack::GatherStates(Turn& turn, const int32_t* slots, const float* pool) {
  const int64_t H = config_.hidden, S = StateVectors(config_.cell), rows = live_.size();
  const auto gather = [&](int64_t task, int) {
    for (int64_t i = task * kMovedRows; i < std::min(rows, (task + 1) * kMovedRows); ++i) {
      const float* state = pool + slots[live_[i]] * config_.layers * S * H;  // [L, S, H]
      for (const Layer& layer : memory_.layers) {
        std::copy_n(state, H, layer.step_h.f32() + i * Hp_);
        if (S == 2) std::copy_n(state + H, H, layer.step_c.f32() + i * Hp_);
        state += S * H;
        if (!memory_.bf16) continue;
        const float* h = layer.step_h.f32() + i * Hp_;
        uint16_t* h_bf16 = layer.step_h_bf16.As<uint16_t>() + i * Hp_;
        for (int64_t unit = 0; unit < Hp_; ++unit) h_bf16[unit] = RoundToBf16(h[unit]);
      }
    }
  };
  if (rows <= kMovedRows) return gather(0, 0);
  turn.ForEach((rows + kMovedRows - 1) / kMovedRows, 0, gather);
}

void CpuStack::StepLayer(Turn& turn, int l, const int32_t* tokens) {
  const Layer& layer = memory_.layers[l];
  const int64_t rows = live_.size(), V = config_.vocabulary;
  const bool bf16 = memory_.bf16;
  const auto factor = [&](const Array& h, const Array& h_bf16, int64_t row) {
    const void* data =
        bf16 ? static_cast<const void*>(h_bf16.As<uint16_t>() + row * Hp_) : h.f32() + row * Hp_;
    return FactorRows{data, k_words_, k_words_, 0};
  };
  const Tasks tasks = TasksFor(rows, panels_.count());
  turn.ForEach(tasks.count, 2 * Flops(tasks.rows, Hp_), [&](int64_t task, int worker) {
    const int panel = static_cast<int>(task / tasks.blocks);
    const int64_t first = task % tasks.blocks * tasks.rows;
    const int64_t count = std::min(tasks.rows, rows - first);
    float* sums = Sums(worker);
    if (l == 0) {
      const float* starts = layer.start.f32() + panel * V * kPanelColumns;
      for (int64_t row = 0; row < count; ++row) {
        std::memcpy(sums + row * kPanelColumns, starts + tokens[live_[first + row]] * kPanelColumns,
                    kPanelColumns * sizeof(float));
      }
    } else {
      const Layer& below = memory_.layers[l - 1];
      ProductArgs args =
          PanelProduct(layer.input, panel, panels_.Input(panel),
                       factor(below.step_new_h, below.step_new_h_bf16, first), count, sums);
      args.start = layer.start.f32() + panel * kPanelColumns;
      args.start_row = 0;
      Product(args);
      StartStatePart(layer, panel, count, sums);
    }
    Product(PanelProduct(layer.recurrent, panel, panels_.Recurrent(panel),
                         factor(layer.step_h, layer.step_h_bf16, first), count, sums));

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
  });
}

void CpuStack::ScatterStates(Turn& turn, const int32_t* slots, float* pool, float* top) {
  const int64_t H = config_.hidden, S = StateVectors(config_.cell), rows = live_.size();
  const auto scatter = [&](int64_t task, int) {
    for (int64_t i = task * kMovedRows; i < std::min(rows, (task + 1) * kMovedRows); ++i) {
      float* state = pool + slots[live_[i]] * config_.layers * S * H;
      for (const Layer& layer : memory_.layers) {
        std::copy_n(layer.step_new_h.f32() + i * Hp_, H, state);
        if (S == 2) std::copy_n(layer.step_new_c.f32() + i * Hp_, H, state + H);
        state += S * H;
      }
      std::copy_n(memory_.layers.back().step_new_h.f32() + i * Hp_, H, top + live_[i] * H);
    }
  };
  if (rows <= kMovedRows) return scatter(0, 0);
  turn.ForEach((rows + kMovedRows - 1) / kMovedRows, 0, scatter);
}

}  // namespace derin::cpu
