#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/backend/cpu/quicker_way.h"
#include "model/backend/cpu/stack_memory.h"
#include "model/backend/cpu/turn.h"
#include "model/backend/dropout.h"
#include "model/backend/stack_layout.h"

namespace derin::cpu {

// The stack in f32 or bf16. Layer after layer: the input's products of all steps at once, then step
// by step the state's product and the cell, each task a panel of columns and some rows.
class CpuStack : public RecurrentStack {
 public:
  // The caller has checked the precision and that the memory of the plan is free.
  static absl::StatusOr<std::unique_ptr<CpuStack>> Create(Device& device, const StackConfig& config,
                                                          const StackExtent& extent);

  const StackConfig& config() const override { return config_; }
  void SetParameters(Queue& queue, View parameters) override;
  using RecurrentStack::Forward;
  void Forward(Queue& queue, ForwardMode mode, int steps, int batch, View tokens, View state_in,
               View state_out, View top, View dropout) override;
  void Backward(Queue& queue, View d_top, View loss_scale, View gradients) override;
  void Step(Queue& queue, View tokens, View slots, View pool, View top, StepOfRun of) override;

 private:
  using Layer = StackMemory::Layer;

  CpuStack(Device& device, const StackConfig& config, const StackExtent& extent);

  // The left side of a product: rows whose k runs through blocks, all strides in words.
  struct FactorRows {
    const void* data;
    int64_t row, block, next_block;
  };

  // How rows and columns are shared out: a task is up to `rows` rows of one panel.
  struct Tasks {
    int64_t rows, blocks, count;
  };
  Tasks TasksFor(int64_t rows, int panels) const;
  int UnitPanels() const { return static_cast<int>(memory_.UnitColumns() / kPanelColumns); }
  double Flops(int64_t rows, int64_t k) const { return 2.0 * rows * k * kPanelColumns; }

  // cpu_stack.cc
  void PackLayer(Turn& turn, int l, const float* flat);
  void LoadTokens(const int32_t* tokens);
  void LoadState(int l, const float* states);
  void StoreState(int l, float* states) const;
  void CopyUnits(const float* from, int64_t row, float* to) const;
  void InputProducts(Turn& turn, int l);
  void ForwardStep(Turn& turn, int l, int t, ForwardMode mode);

  // stack_dropout.cc
  void SetDropout(ForwardMode mode, View dropout);
  template <class Body>
  void ForEachFactor(Turn& turn, int l, const Body& body) const;
  void DropBelow(Turn& turn, int l);
  void DropGradient(Turn& turn, int l);

  // stack_step.cc
  struct StepViews {
    const int32_t* slots;  // [N]
    float *pool, *top;     // [slots, L, S, H], [N, H]
    StepOfRun of;
  };
  void StepByRows(Turn& turn, const StepViews& views);
  void StepByPanels(Turn& turn, const StepViews& views);
  void CopyPadded(const float* state, float* to) const;
  void GatherStates(const StepViews& views, int64_t first, int64_t count);
  void StepPanel(int l, int panel, const StepViews& views, int64_t first, int64_t count,
                 float* sums);
  void ScatterStates(const StepViews& views, int64_t first, int64_t count);

  // stack_backward.cc
  void LoadTopGradient(Turn& turn, View d_top);
  ProductArgs UnitProduct(const Array& weights, int64_t unit, const FactorRows& a, int64_t rows,
                          float* c) const;
  void BackwardStep(Turn& turn, int l, int t);
  void WeightGradients(Turn& turn, int l, bool recurrent, float* gradient);
  void BiasGradients(Turn& turn, int l, float* gradients);
  void TokenGradients(Turn& turn, float* gradient);
  void OutputGradient(Turn& turn, int l);

  // Rows of `a` times a panel's forward weights, to be added to `sums`, rows of kPanelColumns. `a`
  // is the output of the layer below, the layer's own h, or, for cells whose two products reach the
  // same columns, the one block after the other.
  enum class Factor { kBelow, kOwn, kBelowAndOwn };
  ProductArgs PanelProduct(int l, int panel, Factor factor, const FactorRows& a, int64_t rows,
                           float* sums) const;
  // The first layer's sums in place: what its tokens bring, and the product with its own h.
  void ProductFromTokens(int panel, const int32_t* tokens, const FactorRows& own, int64_t rows,
                         float* sums) const;
  uint32_t* ForwardWeights(int l, int panel, Factor factor) const;
  void Product(const ProductArgs& args) const {
    (memory_.bf16 ? kernels_.product_bf16 : kernels_.product)(args);
  }
  // Where an element of [J, rows, 64] is.
  static int64_t UnitOffset(int64_t unit, int64_t row, int64_t rows) {
    return (unit / kPanelColumns * rows + row) * kPanelColumns + unit % kPanelColumns;
  }
  // What products read of a layer's h from row `row` of [T + 1, B] on.
  FactorRows FactorH(const Layer& layer, int64_t row) const;
  // Of what layer l reads of the one below, from row `row` of [T, B] on.
  FactorRows FactorBelow(int l, int64_t row) const;
  // And of its gates' gradients, from row `row` of [T, B] and column `column` of each panel on.
  FactorRows FactorGates(const Layer& layer, int64_t row, int column) const;
  // Row `row` of [T, B] in a panel of a layer's gates.
  float* Gates(const Layer& layer, int panel, int64_t row) const {
    return layer.gates.f32() + (panel * gate_rows_ + row) * kPanelColumns;
  }
  // The starts of GRU's nh in `rows` rows of sums; nothing for other cells.
  void StartStatePart(const Layer& layer, int panel, int64_t rows, float* sums) const;
  float* Sums(int worker) const {
    return memory_.sums.f32() + worker * StackMemory::kTaskRows * kPanelColumns;
  }

  Device& device_;
  const Kernels& kernels_;
  const StackConfig config_;
  const StackExtent extent_;
  const std::vector<Slice> slices_;
  StackMemory memory_;
  const GatePanels& panels_;
  const int64_t Hp_;       // hidden units to a multiple of 16
  const int64_t words_;    // elements of a word: 2 with bf16
  const int64_t k_words_;  // words of a row of h
  void (*const cell_forward_)(const CellForwardArgs&);
  void (*const cell_backward_)(const CellBackwardArgs&);

  // Of the last Forward: T, B, B to an even number with bf16, and the rows of [T + 1, B] and [T,
  // B].
  int64_t steps_ = 0, batch_ = 0, rows_ = 0, h_rows_ = 0, gate_rows_ = 0;

  bool drops_ = false;  // in the last Forward
  DropoutDraw draw_;    // and what, but for the layer

  QuickerWay step_ways_;  // StepByPanels and StepByRows
  // Of a Step, the rows that are no padding, and their tokens.
  std::vector<int32_t> live_, live_tokens_;
};

}  // namespace derin::cpu
