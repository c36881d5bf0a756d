#pragma once

#include <vector>

#include "model/backend/backend.h"
#include "model/backend/reference/cell_equations.h"
#include "model/backend/reference/matrix.h"
#include "model/backend/stack_layout.h"

namespace derin::reference {

// The stack as the equations of cell_equations.h say it, layer by layer and step by step: the
// oracle of every other backend.
template <typename Real>
class ReferenceStack : public RecurrentStack {
 public:
  ReferenceStack(const StackConfig& config, const StackExtent& extent);

  const StackConfig& config() const override { return config_; }
  void SetParameters(Queue& queue, View parameters) override;
  using RecurrentStack::Forward;
  void Forward(Queue& queue, ForwardMode mode, int steps, int batch, View tokens, View state_in,
               View state_out, View top, View dropout) override;
  void Backward(Queue& queue, View d_top, View loss_scale, View gradients) override;
  void Step(Queue& queue, View tokens, View slots, View pool, View top, StepOfRun of) override;

 private:
  struct Layer {
    Matrix<Real> weight_ih;  // [G*H, in]; layer 0: transposed, [V, G*H], a row for each token
    Matrix<Real> weight_hh;  // [G*H, H]
    RowVector<Real> bias_ih, bias_hh;

    // Of the last Forward, kept for Backward; rows are padded. Block t of `h` and `c` is the state
    // before step t.
    Matrix<Real> h, c;   // [(T+1)*B, H]
    Matrix<Real> below;  // [T*B, H], the layer below's h, less what was dropped; not in layer 0
    Matrix<Real> kept;   // [T*B, H], what that was multiplied by
    std::vector<CellActivations<Real>> steps;  // [T]
  };

  // a = x W_ih^T + b_ih for whatever `rows` lie below `layer`: tokens for layer 0, else the h of
  // the layer below.
  Matrix<Real> InputPart(const Layer& layer, const int32_t* tokens, Index rows,
                         Index padded_rows) const;
  Matrix<Real> InputPart(const Layer& layer, ConstRows<Real> below) const;
  // One step of one layer from the state (h, c), with the input's part `a` of its gates.
  void StepLayer(const Layer& layer, ConstRows<Real> a, ConstRows<Real> h, ConstRows<Real> c,
                 CellActivations<Real>& out) const;
  // What the output of the layer below `layer` is multiplied by: ones where nothing is dropped.
  // `dropout` as in Forward, or empty.
  Matrix<Real> DropoutFactors(int layer, View dropout) const;
  // Through one layer's steps, from `d_output` [T*B, H]; leaves d_a and d_u for all steps.
  void BackwardThroughTime(const Layer& layer, const Matrix<Real>& d_output, Matrix<Real>& d_a,
                           Matrix<Real>& d_u) const;
  void WriteGradients(int layer_index, const Matrix<Real>& d_a, const Matrix<Real>& d_u,
                      Real* gradients) const;

  const StackConfig config_;
  const StackExtent extent_;
  const std::vector<Slice> slices_;
  std::vector<Layer> layers_;

  int steps_ = 0, batch_ = 0;    // T and B of the last Forward
  std::vector<int32_t> tokens_;  // and its tokens, [T, B]
};

extern template class ReferenceStack<float>;
extern template class ReferenceStack<double>;

}  // namespace derin::reference
