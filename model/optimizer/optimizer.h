#pragma once

#include <cmath>
#include <cstdint>

#include "model/host_device.h"

namespace derin {

enum class OptimizerKind {
  kSgd,       // w -= lr * g
  kMomentum,  // v = momentum * v + g; w -= lr * v, as torch.optim.SGD
  // Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, with bias correction. With a
  // weight decay it is AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
  kAdam,
};

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kSgd;
  // Gradients are scaled down to this global norm when theirs is above it; above 0.
  double clip = 1;
  // kMomentum only, in [0, 1).
  double momentum = 0;
  // kAdam only.
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  // all weights, biases too, shrink by lr times this at each step
};

// How many buffers of the parameters' size an optimiser keeps.
inline int MomentCount(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::kSgd:
      return 0;
    case OptimizerKind::kMomentum:
      return 1;
    case OptimizerKind::kAdam:
      return 2;
  }
  return 0;
}

// The factor min(1, clip / (norm + 1e-6)) of torch.nn.utils.clip_grad_norm_.
DERIN_HOST_DEVICE inline double ClipFactor(double squared_norm, double clip) {
  const double factor = clip / (std::sqrt(squared_norm) + 1e-6);
  return factor < 1 ? factor : 1;
}

// base^exponent by repeated squaring, so that every device gets the same bits.
DERIN_HOST_DEVICE inline double IntegerPower(double base, int64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent >>= 1, base *= base) {
    if (exponent & 1) result *= base;
  }
  return result;
}

// The dynamic loss scale of f16: gradients are computed that many times as large, so that half
// precision holds the small ones too. As torch.amp.GradScaler by default, but with bounds.
struct LossScale {
  static constexpr double kFirst = 65536;
  static constexpr double kLeast = 1;
  static constexpr double kMost = 1 << 24;
  static constexpr int kGrowthInterval = 2000;  // good steps in a row
};

// Moves `scale`, {the factor, a power of two; good steps in a row}, past a step of this norm. False
// when the norm is not finite: the step is to be skipped.
DERIN_HOST_DEVICE inline bool AdvanceLossScale(double squared_norm, double* scale) {
  const bool finite = squared_norm - squared_norm == 0;
  scale[1] = finite ? scale[1] + 1 : 0;
  if (!finite) {
    scale[0] = scale[0] / 2 > LossScale::kLeast ? scale[0] / 2 : LossScale::kLeast;
  } else if (scale[1] >= LossScale::kGrowthInterval) {
    scale[0] = scale[0] * 2 < LossScale::kMost ? scale[0] * 2 : LossScale::kMost;
    scale[1] = 0;
  }
  return finite;
}

// What is the same for every element in one step.
template <typename Real>
struct UpdateFactors {
  Real learning_rate;
  Real clip;      // of ClipFactor
  Real momentum;  // kMomentum only
  // kAdam only.
  Real beta1, beta2, epsilon;
  Real correction1, correction2;  // 1 - beta^step, step counting from 1
  Real kept;                      // share of a weight that its decay leaves
};

template <typename Real>
DERIN_HOST_DEVICE inline UpdateFactors<Real> MakeUpdateFactors(const OptimizerConfig& config,
                                                               double learning_rate,
                                                               double squared_norm, int64_t step) {
  return {static_cast<Real>(learning_rate),
          static_cast<Real>(ClipFactor(squared_norm, config.clip)),
          static_cast<Real>(config.momentum),
          static_cast<Real>(config.beta1),
          static_cast<Real>(config.beta2),
          static_cast<Real>(config.epsilon),
          static_cast<Real>(1 - IntegerPower(config.beta1, step)),
          static_cast<Real>(1 - IntegerPower(config.beta2, step)),
          static_cast<Real>(1 - learning_rate * config.weight_decay)};
}

template <typename Real>
DERIN_HOST_DEVICE inline Real SgdUpdate(Real weight, Real gradient, const UpdateFactors<Real>& f) {
  return std::fma(-f.learning_rate, f.clip * gradient, weight);
}

template <typename Real>
DERIN_HOST_DEVICE inline Real MomentumUpdate(Real weight, Real gradient, Real& moment1,
                                             const UpdateFactors<Real>& f) {
  moment1 = std::fma(f.momentum, moment1, f.clip * gradient);
  return std::fma(-f.learning_rate, moment1, weight);
}

template <typename Real>
DERIN_HOST_DEVICE inline Real AdamUpdate(Real weight, Real gradient, Real& moment1, Real& moment2,
                                         const UpdateFactors<Real>& f) {
  const Real g = f.clip * gradient;
  moment1 = std::fma(f.beta1, moment1, (1 - f.beta1) * g);
  moment2 = std::fma(f.beta2, moment2, (1 - f.beta2) * g * g);
  const Real denominator = std::sqrt(moment2 / f.correction2) + f.epsilon;
  return f.kept * weight - f.learning_rate * (moment1 / f.correction1) / denominator;
}

}  // namespace derin
