#include "model/backend/cpu/stack_memory.h"

#include "absl/strings/str_format.h"
#include "model/backend/host_backend.h"

namespace derin::cpu {

StackMemory::StackMemory(const StackConfig& config, const StackExtent& extent, int workers)
    : panels(config.cell, config.hidden),
      bf16(config.precision == Precision::kBf16),
      rows(bf16 ? RoundUp(extent.batch, 2) : extent.batch),
      layers(config.layers),
      slot_bytes_(StateElements(config) * static_cast<int64_t>(sizeof(float))) {
  for (Layer& layer : layers) MeasureLayer(layer, &layer == &layers.front(), config, extent);

  const int64_t T = extent.steps, P = panels.count(), units = UnitColumns();
  const auto workspace = &StackPlan::workspace_bytes;
  Measure(tokens, workspace, T * rows, sizeof(int32_t));
  if (extent.training) {
    Measure(d_output, workspace, T * rows * units, sizeof(float));
    if (config.cell == Cell::kLstm) Measure(dc, workspace, rows * units, sizeof(float));
    if (bf16) {
      Measure(d_bf16, workspace, P * T * rows * kPanelColumns, sizeof(uint16_t));
      Measure(d_pairs, workspace, P * T * rows / 2 * kPanelColumns, sizeof(uint32_t));
    }
    Measure(by_token, workspace, P * config.vocabulary * kPanelColumns, sizeof(float));
  }
  Measure(sums, workspace, int64_t{workers} * kTaskRows * kPanelColumns, sizeof(float));
}

void StackMemory::MeasureLayer(Layer& layer, bool first, const StackConfig& config,
                               const StackExtent& extent) {
  const int64_t T = extent.steps, N = extent.step_rows, Hp = panels.padded(), P = panels.count();
  const int64_t units = UnitColumns();
  const int64_t words = bf16 ? 2 : 1;  // elements in one
  const bool lstm = config.cell == Cell::kLstm;

  const auto weight = &StackPlan::weight_bytes;
  const int64_t packed = panels.AllProductColumns() * Hp / words;
  Measure(layer.start, weight, P * (first ? config.vocabulary : 1) * kPanelColumns, sizeof(float));
  Measure(layer.forward, weight, (first ? 1 : 2) * packed, sizeof(uint32_t));
  if (extent.training) {
    Measure(layer.back_recurrent, weight, packed, sizeof(uint32_t));
    if (!first) Measure(layer.back_input, weight, packed, sizeof(uint32_t));
  }

  const auto reserve = &StackPlan::reserve_bytes;
  if (T > 0) {
    Measure(layer.gates, reserve, P * T * rows * kPanelColumns, sizeof(float));
    Measure(layer.h, reserve, (T + 1) * rows * units, sizeof(float));
    if (lstm) Measure(layer.c, reserve, (T + 1) * rows * units, sizeof(float));
    if (lstm && extent.training) Measure(layer.tanh_c, reserve, T * rows * units, sizeof(float));
    if (bf16) Measure(layer.h_bf16, reserve, (T + 1) * rows * units, sizeof(uint16_t));
    if (bf16 && extent.training) {
      Measure(layer.h_pairs, reserve, (T + 1) * rows / 2 * units, sizeof(uint32_t));
    }
    const bool drops = Drops(config, extent) && !first;
    if (drops && !bf16) Measure(layer.below, reserve, T * rows * units, sizeof(float));
    if (drops && bf16) {
      Measure(layer.below_bf16, reserve, T * rows * units, sizeof(uint16_t));
      Measure(layer.below_pairs, reserve, T * rows / 2 * units, sizeof(uint32_t));
    }
  }

  const auto workspace = &StackPlan::workspace_bytes;
  for (Array* array : {&layer.step_h, &layer.step_new_h}) {
    Measure(*array, workspace, N * Hp, sizeof(float));
  }
  if (lstm) {
    for (Array* array : {&layer.step_c, &layer.step_new_c}) {
      Measure(*array, workspace, N * Hp, sizeof(float));
    }
  }
  if (bf16) {
    for (Array* array : {&layer.step_h_bf16, &layer.step_new_h_bf16}) {
      Measure(*array, workspace, N * Hp, sizeof(uint16_t));
    }
  }
}

void StackMemory::Measure(Array& array, int64_t StackPlan::*part, int64_t count,
                          int64_t element_bytes) {
  array.bytes = count * element_bytes;
  measured_.push_back({&array, part});
}

StackPlan StackMemory::Plan() const {
  StackPlan plan;
  for (const Measured& one : measured_) plan.*one.part += one.array->bytes;
  plan.slot_bytes = slot_bytes_;
  return plan;
}

absl::Status StackMemory::Allocate() {
  // Each array is readable beyond its end, as a piece of its own would be.
  const auto place = [](int64_t bytes) {
    return RoundUp(bytes + static_cast<int64_t>(kReadableBeyond), 64);
  };
  int64_t whole = 0;
  for (const Measured& one : measured_) whole += place(one.array->bytes);
  memory_ = AllocateZeroed(whole);
  if (memory_ == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("wanted %d bytes of memory, got none", whole));
  }
  auto* next = static_cast<std::byte*>(memory_.get());
  for (const Measured& one : measured_) {
    if (one.array->bytes > 0) one.array->data_ = next;
    next += place(one.array->bytes);
  }
  return absl::OkStatus();
}

}  // namespace derin::cpu
