#include "model/backend/reference/reference_stack.h"

#include "model/backend/dropout.h"
#include "model/backend/stack_layout.h"
#include "model/check.h"

namespace derin::reference {

template <typename Real>
ReferenceStack<Real>::ReferenceStack(const StackConfig& config, const StackExtent& extent)
    : config_(config), extent_(extent), slices_(StackSlices(config)), layers_(config.layers) {}

template <typename Real>
void ReferenceStack<Real>::SetParameters(Queue&, View parameters) {
  const Real* flat = parameters.As<Real>();
  const Index gates = GateCount(config_.cell) * config_.hidden;
  for (int l = 0; l < config_.layers; ++l) {
    const LayerSlices at(l);
    Layer& layer = layers_[l];
    const Slice& w_ih = slices_[at.weight_ih];
    layer.weight_ih = ConstMatrixMap<Real>(flat + w_ih.offset, gates, w_ih.shape[1]);
    if (l == 0) layer.weight_ih = layer.weight_ih.transpose().eval();
    layer.weight_hh =
        ConstMatrixMap<Real>(flat + slices_[at.weight_hh].offset, gates, config_.hidden);
    layer.bias_ih = ConstMatrixMap<Real>(flat + slices_[at.bias_ih].offset, 1, gates);
    layer.bias_hh = ConstMatrixMap<Real>(flat + slices_[at.bias_hh].offset, 1, gates);
  }
}

template <typename Real>
Matrix<Real> ReferenceStack<Real>::InputPart(const Layer& layer, const int32_t* tokens, Index rows,
                                             Index padded_rows) const {
  // The product with a one-hot row is a row of the weights.
  Matrix<Real> a = Matrix<Real>::Zero(padded_rows, layer.bias_ih.cols());
  for (Index row = 0; row < rows; ++row) {
    a.row(row) = layer.weight_ih.row(tokens[row]) + layer.bias_ih;
  }
  return a;
}

template <typename Real>
Matrix<Real> ReferenceStack<Real>::InputPart(const Layer& layer, ConstRows<Real> below) const {
  Matrix<Real> a = below * layer.weight_ih.transpose();
  a.rowwise() += layer.bias_ih;
  return a;
}

template <typename Real>
void ReferenceStack<Real>::StepLayer(const Layer& layer, ConstRows<Real> a, ConstRows<Real> h,
                                     ConstRows<Real> c, CellActivations<Real>& out) const {
  Matrix<Real> u = h * layer.weight_hh.transpose();
  u.rowwise() += layer.bias_hh;
  CellForward<Real>(config_.cell, a, u, h, c, out);
}

template <typename Real>
Matrix<Real> ReferenceStack<Real>::DropoutFactors(int layer, View dropout) const {
  const Index H = config_.hidden, rows = PaddedRows(batch_);
  Matrix<Real> factors = Matrix<Real>::Ones(steps_ * rows, H);
  if (dropout.empty()) return factors;
  const DropoutDraw draw{.share = extent_.dropout,
                         .seed = static_cast<uint64_t>(dropout.As<int64_t>()[0]),
                         .step = static_cast<uint64_t>(dropout.As<int64_t>()[1]),
                         .layer = layer - 1};
  for (Index t = 0; t < steps_; ++t) {
    for (Index b = 0; b < batch_; ++b) {
      for (Index unit = 0; unit < H; ++unit) {
        const Index element = (t * batch_ + b) * H + unit;  // of [T, B, H]
        factors(t * rows + b, unit) = DropoutFactorsOf<Real>(draw, element / 4).of[element % 4];
      }
    }
  }
  return factors;
}

template <typename Real>
void ReferenceStack<Real>::Forward(Queue&, ForwardMode mode, int steps, int batch, View tokens,
                                   View state_in, View state_out, View top, View dropout) {
  DERIN_CHECK(steps <= extent_.steps && batch <= extent_.batch);
  DERIN_CHECK(mode == ForwardMode::kInference || extent_.training);
  const Index H = config_.hidden, T = steps, B = batch, rows = PaddedRows(B);
  const int S = StateVectors(config_.cell);
  steps_ = steps;
  batch_ = batch;
  tokens_.assign(tokens.As<int32_t>(), tokens.As<int32_t>() + T * B);
  const bool drops = mode == ForwardMode::kTraining && Drops(config_, extent_);
  DERIN_CHECK(!drops || dropout.count == 2);
  const auto state = [&](View view, int vector, int l) {  // [S, L, B, H]
    return MatrixMap<Real>(view.As<Real>() + (vector * config_.layers + l) * B * H, B, H);
  };

  for (int l = 0; l < config_.layers; ++l) {
    Layer& layer = layers_[l];
    layer.steps.resize(T);
    layer.h.setZero((T + 1) * rows, H);
    layer.h.topRows(B) = state(state_in, 0, l);
    layer.c.setZero(S == 2 ? (T + 1) * rows : rows, H);
    if (S == 2) layer.c.topRows(B) = state(state_in, 1, l);

    Matrix<Real> a_all;
    if (l > 0) {
      layer.kept = DropoutFactors(l, drops ? dropout : View{});
      layer.below = layers_[l - 1].h.bottomRows(T * rows).cwiseProduct(layer.kept);
      a_all = InputPart(layer, layer.below);
    }
    for (Index t = 0; t < T; ++t) {
      const Matrix<Real> a = l > 0 ? Matrix<Real>(a_all.middleRows(t * rows, rows))
                                   : InputPart(layer, &tokens_[t * B], B, rows);
      CellActivations<Real>& now = layer.steps[t];
      StepLayer(layer, a, layer.h.middleRows(t * rows, rows),
                layer.c.middleRows(S == 2 ? t * rows : 0, rows), now);
      layer.h.middleRows((t + 1) * rows, rows) = now.h;
      if (S == 2) layer.c.middleRows((t + 1) * rows, rows) = now.c;
    }
    state(state_out, 0, l) = layer.h.middleRows(T * rows, B);
    if (S == 2) state(state_out, 1, l) = layer.c.middleRows(T * rows, B);
  }
  MatrixMap<Real> out(top.As<Real>(), T * B, H);
  for (Index t = 0; t < T; ++t) {
    out.middleRows(t * B, B) = layers_.back().h.middleRows((t + 1) * rows, B);
  }
}

template <typename Real>
void ReferenceStack<Real>::BackwardThroughTime(const Layer& layer, const Matrix<Real>& d_output,
                                               Matrix<Real>& d_a, Matrix<Real>& d_u) const {
  const Index H = config_.hidden, rows = PaddedRows(batch_);
  const bool lstm = config_.cell == Cell::kLstm;
  CellGradients<Real> now;
  Matrix<Real> dh_later = Matrix<Real>::Zero(rows, H), dc_later = dh_later;
  for (Index t = steps_ - 1; t >= 0; --t) {
    const Matrix<Real> dh = d_output.middleRows(t * rows, rows) + dh_later;
    CellBackward<Real>(config_.cell, layer.steps[t], layer.h.middleRows(t * rows, rows),
                       layer.c.middleRows(lstm ? t * rows : 0, rows), dh, dc_later, now);
    d_a.middleRows(t * rows, rows) = now.d_a;
    d_u.middleRows(t * rows, rows) = now.d_u;
    dh_later = now.d_u * layer.weight_hh;
    dh_later += now.dh_before;
    if (lstm) dc_later = now.dc_before;
  }
}

template <typename Real>
void ReferenceStack<Real>::WriteGradients(int layer_index, const Matrix<Real>& d_a,
                                          const Matrix<Real>& d_u, Real* gradients) const {
  const Index H = config_.hidden, gates = d_a.cols(), rows = PaddedRows(batch_),
              all = steps_ * rows;
  const LayerSlices at(layer_index);
  const auto slice = [&](int index, Index r, Index columns) {
    return MatrixMap<Real>(gradients + slices_[index].offset, r, columns);
  };
  slice(at.weight_hh, gates, H).noalias() = d_u.transpose() * layers_[layer_index].h.topRows(all);
  slice(at.bias_ih, 1, gates) = d_a.colwise().sum();
  slice(at.bias_hh, 1, gates) = d_u.colwise().sum();
  if (layer_index > 0) {
    slice(at.weight_ih, gates, H).noalias() = d_a.transpose() * layers_[layer_index].below;
    return;
  }
  Matrix<Real> by_token = Matrix<Real>::Zero(config_.vocabulary, gates);
  for (Index t = 0; t < steps_; ++t) {
    for (Index b = 0; b < batch_; ++b) {
      by_token.row(tokens_[t * batch_ + b]) += d_a.row(t * rows + b);
    }
  }
  slice(at.weight_ih, gates, config_.vocabulary) = by_token.transpose();
}

template <typename Real>
void ReferenceStack<Real>::Backward(Queue&, View d_top, View loss_scale, View gradients) {
  DERIN_CHECK(loss_scale.empty());
  const Index H = config_.hidden, T = steps_, B = batch_, rows = PaddedRows(B);
  // Padding rows get no gradient from above, so they add nothing to any sum.
  Matrix<Real> d_output = Matrix<Real>::Zero(T * rows, H);
  for (Index t = 0; t < T; ++t) {
    d_output.middleRows(t * rows, B) = ConstMatrixMap<Real>(d_top.As<Real>() + t * B * H, B, H);
  }
  Matrix<Real> d_a(T * rows, GateCount(config_.cell) * H), d_u(d_a.rows(), d_a.cols());
  for (int l = config_.layers - 1; l >= 0; --l) {
    BackwardThroughTime(layers_[l], d_output, d_a, d_u);
    WriteGradients(l, d_a, d_u, gradients.As<Real>());
    if (l > 0) d_output = (d_a * layers_[l].weight_ih).cwiseProduct(layers_[l].kept);
  }
}

template <typename Real>
void ReferenceStack<Real>::Step(Queue&, View tokens, View slots, View pool, View top, StepOfRun) {
  const Index H = config_.hidden, N = tokens.count, rows = PaddedRows(N);
  DERIN_CHECK(N <= extent_.step_rows);
  const int S = StateVectors(config_.cell);
  const int32_t* slot = slots.As<int32_t>();
  const auto state = [&](Index row, int l, int vector) {  // [slots, L, S, H]
    const int64_t vectors = int64_t{config_.layers} * S;
    return MatrixMap<Real>(pool.As<Real>() + (slot[row] * vectors + l * S + vector) * H, 1, H);
  };
  const auto live = [&](Index row) { return slot[row] >= 0; };

  std::vector<CellActivations<Real>> now(config_.layers);
  for (int l = 0; l < config_.layers; ++l) {
    Matrix<Real> h = Matrix<Real>::Zero(rows, H), c = h;
    for (Index row = 0; row < N; ++row) {
      if (!live(row)) continue;
      h.row(row) = state(row, l, 0);
      if (S == 2) c.row(row) = state(row, l, 1);
    }
    std::vector<int32_t> ids(tokens.As<int32_t>(), tokens.As<int32_t>() + N);
    for (Index row = 0; row < N; ++row) {
      if (!live(row)) ids[row] = 0;
    }
    const Matrix<Real> a =
        l > 0 ? InputPart(layers_[l], now[l - 1].h) : InputPart(layers_[l], ids.data(), N, rows);
    StepLayer(layers_[l], a, h, c, now[l]);
  }
  MatrixMap<Real> out(top.As<Real>(), N, H);
  for (Index row = 0; row < N; ++row) {
    if (!live(row)) continue;
    for (int l = 0; l < config_.layers; ++l) {
      state(row, l, 0) = now[l].h.row(row);
      if (S == 2) state(row, l, 1) = now[l].c.row(row);
    }
    out.row(row) = now.back().h.row(row);
  }
}

template class ReferenceStack<float>;
template class ReferenceStack<double>;

}  // namespace derin::reference
