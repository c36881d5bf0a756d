#pragma once

#include "model/backend/reference/matrix.h"
#include "model/backend/stack_config.h"
#include "model/check.h"

namespace derin::reference {

// The equations of one layer at one time step, for all rows at once, as torch.nn.RNN, nn.GRU and
// nn.LSTM document them.
//
// Matrices are [rows, H]. Given are the input's and the state's part of the gates, both [rows,
// G*H],
//   a = x W_ih^T + b_ih,    u = h' W_hh^T + b_hh,
// and the state before, h' and c'. Products of matrices here are element by element.
template <typename Real>
struct CellActivations {
  Matrix<Real> gate[4];  // LSTM: i, f, g, o.  GRU: r, z, n.  Vanilla: none
  Matrix<Real> u_n;      // GRU: the n part of u.
  Matrix<Real> tanh_c;   // LSTM
  Matrix<Real> c;        // LSTM: the new cell state
  Matrix<Real> h;        // the new hidden state
};

// What flows back through one step: given d(loss)/dh and, for LSTM, d(loss)/dc of the new state.
template <typename Real>
struct CellGradients {
  Matrix<Real> d_a;        // [rows, G*H]
  Matrix<Real> d_u;        // [rows, G*H]
  Matrix<Real> dh_before;  // through other paths than u; GRU only, else zero
  Matrix<Real> dc_before;  // LSTM
};

// The k-th gate's columns.
template <typename M>
auto Gate(M& gates, int k, Index hidden) {
  return gates.middleCols(k * hidden, hidden);
}

template <typename Real>
void VanillaForward(bool relu, ConstRows<Real> a, ConstRows<Real> u, CellActivations<Real>& out) {
  if (relu) {
    out.h = (a + u).cwiseMax(Real{0});
  } else {
    out.h = Tanh<Real>(a + u);
  }
}

template <typename Real>
void VanillaBackward(bool relu, const CellActivations<Real>& at, ConstRows<Real> dh,
                     CellGradients<Real>& out) {
  const auto h = at.h.array();
  if (relu) {
    out.d_a = (h > 0).select(dh, Real{0});
  } else {
    out.d_a = dh.array() * (1 - h * h);
  }
  out.d_u = out.d_a;
  out.dh_before.setZero(dh.rows(), dh.cols());
}

//   r = sigmoid(a_r + u_r),  z = sigmoid(a_z + u_z),  n = tanh(a_n + r u_n),  h = (1 - z) n + z h'
template <typename Real>
void GruForward(ConstRows<Real> a, ConstRows<Real> u, ConstRows<Real> h_before,
                CellActivations<Real>& out) {
  const Index hidden = h_before.cols();
  auto& [r, z, n, unused] = out.gate;
  r = Sigmoid<Real>(Gate(a, 0, hidden) + Gate(u, 0, hidden));
  z = Sigmoid<Real>(Gate(a, 1, hidden) + Gate(u, 1, hidden));
  out.u_n = Gate(u, 2, hidden);
  n = Tanh<Real>(Gate(a, 2, hidden) + r.cwiseProduct(out.u_n));
  out.h = (1 - z.array()) * n.array() + z.array() * h_before.array();
}

template <typename Real>
void GruBackward(const CellActivations<Real>& at, ConstRows<Real> h_before, ConstRows<Real> dh,
                 CellGradients<Real>& out) {
  const Index hidden = h_before.cols();
  const auto r = at.gate[0].array(), z = at.gate[1].array(), n = at.gate[2].array();
  const Matrix<Real> dn_in = dh.array() * (1 - z) * (1 - n * n);  // into tanh
  out.d_a.resize(dh.rows(), 3 * hidden);
  Gate(out.d_a, 0, hidden) = dn_in.array() * at.u_n.array() * r * (1 - r);
  Gate(out.d_a, 1, hidden) = dh.array() * (h_before.array() - n) * z * (1 - z);
  Gate(out.d_a, 2, hidden) = dn_in;
  out.d_u = out.d_a;
  Gate(out.d_u, 2, hidden) = dn_in.array() * r;
  out.dh_before = dh.array() * z;
}

//   i = sigmoid(a_i + u_i),  f = sigmoid(a_f + u_f),  g = tanh(a_g + u_g),  o = sigmoid(a_o + u_o),
//   c = f c' + i g,  h = o tanh(c)
template <typename Real>
void LstmForward(ConstRows<Real> a, ConstRows<Real> u, ConstRows<Real> c_before,
                 CellActivations<Real>& out) {
  const Index hidden = c_before.cols();
  auto& [i, f, g, o] = out.gate;
  i = Sigmoid<Real>(Gate(a, 0, hidden) + Gate(u, 0, hidden));
  f = Sigmoid<Real>(Gate(a, 1, hidden) + Gate(u, 1, hidden));
  g = Tanh<Real>(Gate(a, 2, hidden) + Gate(u, 2, hidden));
  o = Sigmoid<Real>(Gate(a, 3, hidden) + Gate(u, 3, hidden));
  out.c = f.cwiseProduct(c_before) + i.cwiseProduct(g);
  out.tanh_c = Tanh<Real>(out.c);
  out.h = o.cwiseProduct(out.tanh_c);
}

template <typename Real>
void LstmBackward(const CellActivations<Real>& at, ConstRows<Real> c_before, ConstRows<Real> dh,
                  ConstRows<Real> dc, CellGradients<Real>& out) {
  const Index hidden = c_before.cols();
  const auto i = at.gate[0].array(), f = at.gate[1].array(), g = at.gate[2].array(),
             o = at.gate[3].array(), tanh_c = at.tanh_c.array();
  const Matrix<Real> dc_all = dc.array() + dh.array() * o * (1 - tanh_c * tanh_c);
  out.d_a.resize(dh.rows(), 4 * hidden);
  Gate(out.d_a, 0, hidden) = dc_all.array() * g * i * (1 - i);
  Gate(out.d_a, 1, hidden) = dc_all.array() * c_before.array() * f * (1 - f);
  Gate(out.d_a, 2, hidden) = dc_all.array() * i * (1 - g * g);
  Gate(out.d_a, 3, hidden) = dh.array() * tanh_c * o * (1 - o);
  out.d_u = out.d_a;
  out.dh_before.setZero(dh.rows(), dh.cols());
  out.dc_before = dc_all.array() * f;
}

template <typename Real>
void CellForward(Cell cell, ConstRows<Real> a, ConstRows<Real> u, ConstRows<Real> h_before,
                 ConstRows<Real> c_before, CellActivations<Real>& out) {
  switch (cell) {
    case Cell::kVanillaTanh:
    case Cell::kVanillaRelu:
      return VanillaForward<Real>(cell == Cell::kVanillaRelu, a, u, out);
    case Cell::kGru:
      return GruForward<Real>(a, u, h_before, out);
    case Cell::kLstm:
      return LstmForward<Real>(a, u, c_before, out);
  }
}

template <typename Real>
void CellBackward(Cell cell, const CellActivations<Real>& at, ConstRows<Real> h_before,
                  ConstRows<Real> c_before, ConstRows<Real> dh, ConstRows<Real> dc,
                  CellGradients<Real>& out) {
  switch (cell) {
    case Cell::kVanillaTanh:
    case Cell::kVanillaRelu:
      return VanillaBackward<Real>(cell == Cell::kVanillaRelu, at, dh, out);
    case Cell::kGru:
      return GruBackward<Real>(at, h_before, dh, out);
    case Cell::kLstm:
      return LstmBackward<Real>(at, c_before, dh, dc, out);
  }
}

}  // namespace derin::reference
