#pragma once

#include <Eigen/Core>
#include <algorithm>

namespace derin::reference {

using Eigen::Index;

template <typename Real>
using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename Real>
using RowVector = Eigen::Matrix<Real, 1, Eigen::Dynamic>;
// A matrix that lies in somebody else's memory, and some rows of a matrix.
template <typename Real>
using MatrixMap = Eigen::Map<Matrix<Real>>;
template <typename Real>
using ConstMatrixMap = Eigen::Map<const Matrix<Real>>;
template <typename Real>
using ConstRows = Eigen::Ref<const Matrix<Real>>;

// How many rows a matrix of `rows` sequences gets. The bits of Eigen's products and vector
// functions depend on where a row stands relative to the end of the matrix: with zero rows up to a
// multiple of 8 (16 at least, below which Eigen takes another path) every row is computed the same
// way, however many there are.
inline Index PaddedRows(Index rows) { return std::max<Index>(16, (rows + 7) / 8 * 8); }

// `rows` rows of `columns` at `data`, with zero rows up to PaddedRows.
template <typename Real>
Matrix<Real> Padded(const Real* data, Index rows, Index columns) {
  Matrix<Real> padded(PaddedRows(rows), columns);
  padded.topRows(rows) = ConstMatrixMap<Real>(data, rows, columns);
  padded.bottomRows(padded.rows() - rows).setZero();
  return padded;
}

// Functions over a whole matrix in memory of its own, so that Eigen treats all of its elements
// alike.
template <typename Real, typename Expression>
Matrix<Real> Sigmoid(const Expression& expression) {
  Matrix<Real> result = expression;
  result.array() = result.array().logistic();
  return result;
}

template <typename Real, typename Expression>
Matrix<Real> Tanh(const Expression& expression) {
  Matrix<Real> result = expression;
  result.array() = result.array().tanh();
  return result;
}

}  // namespace derin::reference
