#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "model/backend/backend.h"
#include "model/backend/cpu/gate_panels.h"

namespace derin::cpu {

// A part of a StackMemory, zeroed; null before it is allocated and when it is empty.
class Array {
 public:
  template <typename T>
  T* As() const {
    return static_cast<T*>(data_);
  }
  float* f32() const { return As<float>(); }

  int64_t bytes = 0;

 private:
  friend struct StackMemory;
  void* data_ = nullptr;
};

// All memory of a stack, taken at once: as one piece it comes in huge pages, whose addresses do not
// compete for the same places of a cache. T, B and N are those of the StackExtent, Hp is the hidden
// size to a multiple of 16, P the panels of GatePanels, J the panels of 64 units in which a layer's
// h and whatever has its shape lies, so that products read both factors from front to back.  With
// bf16 rows come in pairs, so B is even there.
struct StackMemory {
  // Only measures.
  StackMemory(const StackConfig& config, const StackExtent& extent, int workers);
  StackMemory(const StackMemory&) = delete;
  StackMemory& operator=(const StackMemory&) = delete;

  StackPlan Plan() const;
  // J * 64.
  int64_t UnitColumns() const { return RoundUp(panels.padded(), kPanelColumns); }
  // RESOURCE_EXHAUSTED when there is not enough.
  absl::Status Allocate();

  // Rows of B or N that one task takes at most: of its sums a worker keeps so many.
  static constexpr int kTaskRows = 48;

  GatePanels panels;
  bool bf16;
  int64_t rows;  // B, with bf16 to an even number

  struct Layer {
    // What sums start from. Layer 0: for each token bias + W_ih x, [P, V, 64]; others the bias,
    // [P, 64]. GRU's nh starts from its own bias.
    Array start;
    // For x W^T, words [P, K, columns]: of a panel first the weights of what is below, none in
    // layer 0, then those of the layer's own h, each Hp / words of K.
    Array forward;
    Array back_input, back_recurrent;  // words [J, gate columns, columns], for d W

    // Kept from Forward for Backward. Block t of h and c is the state before step t.
    Array gates;    // f32 [P, T, B, 64]: sums, then activations, then gradients of the sums
    Array h, c;     // f32 [J, T + 1, B, 64]
    Array tanh_c;   // f32 [J, T, B, 64]
    Array h_bf16;   // [J, T + 1, B, 64]
    Array h_pairs;  // words [J, T + 1, B / 2, 64], pairs of rows
    // What dropout leaves of the layer below: f32 [J, T, B, 64], or with bf16 in its two layouts.
    Array below, below_bf16, below_pairs;
    Array step_h, step_c;          // f32 [N, Hp] of Step, the states before
    Array step_new_h, step_new_c;  // and after
    Array step_h_bf16, step_new_h_bf16;

    // The states after a step are those before the next.
    void SwapStepStates() {
      std::swap(step_h, step_new_h);
      std::swap(step_c, step_new_c);
      std::swap(step_h_bf16, step_new_h_bf16);
    }
  };
  std::vector<Layer> layers;
  Array tokens;    // i32 [T, B]
  Array d_output;  // f32 [J, T, B, 64]
  Array dc;        // f32 [J, B, 64]
  Array d_bf16;    // [P, T, B, 64]
  Array d_pairs;   // words [P, T, B / 2, 64]
  Array by_token;  // f32 [P, V, 64]
  Array sums;      // f32 [workers, kTaskRows, 64]

 private:
  void MeasureLayer(Layer& layer, bool first, const StackConfig& config, const StackExtent& extent);
  // Notes the size of an array, and which part of the plan it belongs to.
  void Measure(Array& array, int64_t StackPlan::*part, int64_t count, int64_t element_bytes);

  struct Measured {
    Array* array;
    int64_t StackPlan::*part;
  };
  std::vector<Measured> measured_;
  std::shared_ptr<void> memory_;
  int64_t slot_bytes_;
};

}  // namespace derin::cpu
