#include "model/backend/reference/reference_head.h"

#include <cmath>

#include "model/backend/host_backend.h"
#include "model/backend/reference/matrix.h"

namespace derin::reference {
namespace {

// O = H W^T + b, with zero rows up to PaddedRows in H.
template <typename Real>
Matrix<Real> PaddedLogits(const Matrix<Real>& top, const HeadViews& head) {
  const Index V = head.bias.count, H = top.cols();
  Matrix<Real> logits = top * ConstMatrixMap<Real>(head.weight.As<Real>(), V, H).transpose();
  logits.rowwise() += ConstMatrixMap<Real>(head.bias.As<Real>(), 1, V).row(0);
  return logits;
}

// -log softmax(row)[target] in nats; turns `row` into softmax(row).
template <typename Real, typename Row>
double CrossEntropyInPlace(Row row, Index target) {
  const Real highest = row.maxCoeff();
  const double of_target = static_cast<double>(row(target) - highest);
  row.array() = (row.array() - highest).exp();
  const Real sum = row.sum();
  row /= sum;
  return std::log(static_cast<double>(sum)) - of_target;
}

}  // namespace

template <typename Real>
void Logits(View top, const HeadViews& head, View logits) {
  const Index V = head.bias.count, H = head.weight.count / V, rows = top.count / H;
  MatrixMap<Real>(logits.As<Real>(), rows, V) =
      PaddedLogits<Real>(Padded<Real>(top.As<Real>(), rows, H), head).topRows(rows);
}

template <typename Real>
void LogitsBackward(View top, const HeadViews& head, View d_logits, View d_top, View d_weight,
                    GradientMode mode) {
  const Index V = head.bias.count, H = head.weight.count / V, rows = top.count / H;
  const ConstMatrixMap<Real> d(d_logits.As<Real>(), rows, V), h(top.As<Real>(), rows, H);
  MatrixMap<Real>(d_top.As<Real>(), rows, H).noalias() =
      d * ConstMatrixMap<Real>(head.weight.As<Real>(), V, H);
  MatrixMap<Real> to(d_weight.As<Real>(), V, H);
  if (mode == GradientMode::kWrite) to.setZero();
  to.noalias() += d.transpose() * h;
}

template <typename Real>
absl::Status ProjectAndLoss(View top, const HeadViews& head, View targets, View loss, View d_top,
                            const HeadViews& d_head) {
  const Index V = head.bias.count, H = head.weight.count / V, rows = top.count / H;
  const int32_t* target = targets.As<int32_t>();
  if (absl::Status status = CheckTargets(target, rows, V); !status.ok()) return status;

  const Matrix<Real> h = Padded<Real>(top.As<Real>(), rows, H);
  Matrix<Real> d_logits =
      PaddedLogits<Real>(h, head);  // logits, then probabilities, then gradients
  double nats = 0;
  int64_t counted = 0;
  for (Index row = 0; row < d_logits.rows(); ++row) {
    if (row >= rows || target[row] < 0) {
      d_logits.row(row).setZero();
      continue;
    }
    nats += CrossEntropyInPlace<Real>(d_logits.row(row), target[row]);
    d_logits(row, target[row]) -= 1;
    ++counted;
  }
  loss.As<double>()[0] = nats;
  loss.As<double>()[1] = static_cast<double>(counted);
  if (d_top.empty()) return absl::OkStatus();

  if (counted > 0) d_logits /= static_cast<Real>(counted);
  const ConstMatrixMap<Real> weight(head.weight.As<Real>(), V, H);
  MatrixMap<Real>(d_top.As<Real>(), rows, H) = (d_logits * weight).topRows(rows);
  MatrixMap<Real>(d_head.weight.As<Real>(), V, H).noalias() = d_logits.transpose() * h;
  MatrixMap<Real>(d_head.bias.As<Real>(), 1, V) = d_logits.colwise().sum();
  return absl::OkStatus();
}

template <typename Real>
void Update(const OptimizerConfig& config, const UpdateViews& views) {
  const int64_t step = ++*views.step.As<int64_t>();
  const auto factors = MakeUpdateFactors<Real>(config, *views.learning_rate.As<double>(),
                                               *views.squared_norm.As<double>(), step);
  Real* weight = views.parameters.As<Real>();
  const Real* gradient = views.gradients.As<Real>();
  const int moments = MomentCount(config.kind);
  Real* moment1 = moments > 0 ? views.moment1.As<Real>() : nullptr;
  Real* moment2 = moments > 1 ? views.moment2.As<Real>() : nullptr;
  for (size_t i = 0; i < views.parameters.count; ++i) {
    switch (config.kind) {
      case OptimizerKind::kSgd:
        weight[i] = SgdUpdate(weight[i], gradient[i], factors);
        break;
      case OptimizerKind::kMomentum:
        weight[i] = MomentumUpdate(weight[i], gradient[i], moment1[i], factors);
        break;
      case OptimizerKind::kAdam:
        weight[i] = AdamUpdate(weight[i], gradient[i], moment1[i], moment2[i], factors);
        break;
    }
  }
}

template <typename Real>
double SquaredNorm(View gradients) {
  const Real* gradient = gradients.As<Real>();
  double sum = 0;
  for (size_t i = 0; i < gradients.count; ++i) {
    sum = std::fma(static_cast<double>(gradient[i]), static_cast<double>(gradient[i]), sum);
  }
  return sum;
}

#define DERIN_INSTANTIATE(Real)                                                               \
  template void Logits<Real>(View, const HeadViews&, View);                                   \
  template void LogitsBackward<Real>(View, const HeadViews&, View, View, View, GradientMode); \
  template absl::Status ProjectAndLoss<Real>(View, const HeadViews&, View, View, View,        \
                                             const HeadViews&);                               \
  template void Update<Real>(const OptimizerConfig&, const UpdateViews&);                     \
  template double SquaredNorm<Real>(View);
DERIN_INSTANTIATE(float)
DERIN_INSTANTIATE(double)
#undef DERIN_INSTANTIATE

}  // namespace derin::reference
