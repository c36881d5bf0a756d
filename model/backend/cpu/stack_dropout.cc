// Dropout between the layers of CpuStack: what a layer reads is a copy of what the one below left,
// and the gradient on its way down loses the same elements.

#include <algorithm>

#include "model/backend/cpu/bf16.h"
#include "model/backend/cpu/cpu_stack.h"
#include "model/check.h"

namespace derin::cpu {

void CpuStack::SetDropout(ForwardMode mode, View dropout) {
  drops_ = mode == ForwardMode::kTraining && Drops(config_, extent_);
  if (!drops_) return;
  DERIN_CHECK(dropout.count == 2);
  draw_ = {.share = extent_.dropout,
           .seed = static_cast<uint64_t>(dropout.As<int64_t>()[0]),
           .step = static_cast<uint64_t>(dropout.As<int64_t>()[1])};
}

// Calls body(row, unit, factor) for each element of layer l - 1's output, with its row of [T, B]
// as it lies here.
template <class Body>
void CpuStack::ForEachFactor(Turn& turn, int l, const Body& body) const {
  const int64_t H = config_.hidden;
  DropoutDraw draw = draw_;
  draw.layer = l - 1;
  turn.ForEach(steps_, Flops(static_cast<int64_t>(batch_), H), [&](int64_t t, int) {
    DropoutFactors<float> factors{};
    // Of [T, B, H]; a step may begin and end within four.
    const int64_t first = t * batch_ * H, end = first + batch_ * H;
    int64_t b = 0, unit = 0;
    for (int64_t element = first; element < end; ++element) {
      if (element == first || element % 4 == 0) {
        factors = DropoutFactorsOf<float>(draw, element / 4);
      }
      body(t * rows_ + b, unit, factors.of[element % 4]);
      if (++unit == H) {
        unit = 0;
        ++b;
      }
    }
  });
}

void CpuStack::DropBelow(Turn& turn, int l) {
  const Layer &layer = memory_.layers[l], &below = memory_.layers[l - 1];
  const float* h = below.h.f32();
  if (memory_.bf16) {
    auto* rows = layer.below_bf16.As<uint16_t>();
    auto* pairs = layer.below_pairs.As<uint16_t>();
    ForEachFactor(turn, l, [&](int64_t row, int64_t unit, float factor) {
      // What is below is after its step, so a block further.
      const uint16_t kept = RoundToBf16(h[UnitOffset(unit, rows_ + row, h_rows_)] * factor);
      rows[UnitOffset(unit, row, gate_rows_)] = kept;
      pairs[2 * UnitOffset(unit, row / 2, gate_rows_ / 2) + row % 2] = kept;
    });
    return;
  }
  float* to = layer.below.f32();
  ForEachFactor(turn, l, [&](int64_t row, int64_t unit, float factor) {
    to[UnitOffset(unit, row, gate_rows_)] = h[UnitOffset(unit, rows_ + row, h_rows_)] * factor;
  });
}

void CpuStack::DropGradient(Turn& turn, int l) {
  float* d = memory_.d_output.f32();
  ForEachFactor(turn, l, [&](int64_t row, int64_t unit, float factor) {
    d[UnitOffset(unit, row, gate_rows_)] *= factor;
  });
}

CpuStack::FactorRows CpuStack::FactorBelow(int l, int64_t row) const {
  // What is below is after its step, so a block further.
  if (!drops_) return FactorH(memory_.layers[l - 1], rows_ + row);
  const Layer& layer = memory_.layers[l];
  const void* data =
      memory_.bf16 ? static_cast<const void*>(layer.below_bf16.As<uint16_t>() + row * kPanelColumns)
                   : layer.below.f32() + row * kPanelColumns;
  const int64_t panel_words = kPanelColumns / words_;
  return {data, panel_words, panel_words, gate_rows_ * panel_words};
}

}  // namespace derin::cpu
