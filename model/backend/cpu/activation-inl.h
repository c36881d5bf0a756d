// exp, tanh and the logistic function on vectors, of IEEE operations alone: the same bits on every
// instruction set.

#pragma once

#include "hwy/highway.h"
#include "model/backend/cpu/product-inl.h"

namespace derin::cpu {
namespace {

HWY_INLINE Vector Constant(float value) { return hn::Set(kTag, value); }

// e^x for |x| <= 87, with model/sampling/exponential.h's steps and error (below 1e-6); NaN stays
// NaN.
HWY_INLINE Vector ExpInRange(Vector x) {
  const hn::RebindToSigned<VectorTag> integers;
  const Vector rounder =
      Constant(0x1.8p23f);  // numbers near it have no fraction, so adding it rounds
  const Vector rounded = hn::MulAdd(x, Constant(1.44269502f), rounder);
  const Vector n = hn::Sub(rounded, rounder);
  const Vector f =
      hn::MulAdd(x, Constant(1.925963033e-8f), hn::MulSub(x, Constant(1.44269502f), n));

  Vector power = Constant(1.525273380e-5f);  // ln(2)^k / k! for k = 7 ... 0
  power = hn::MulAdd(power, f, Constant(1.540353039e-4f));
  power = hn::MulAdd(power, f, Constant(1.333355815e-3f));
  power = hn::MulAdd(power, f, Constant(9.618129108e-3f));
  power = hn::MulAdd(power, f, Constant(5.550410866e-2f));
  power = hn::MulAdd(power, f, Constant(2.402265070e-1f));
  power = hn::MulAdd(power, f, Constant(6.931471806e-1f));
  power = hn::MulAdd(power, f, Constant(1.0f));
  // Times 2^n by adding n to the exponent.
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(integers, rounded));
  return hn::BitCast(kTag, hn::Add(hn::BitCast(integers, power), exponent));
}

// x86's minimum and maximum return their second operand when one is NaN, so NaN is not clamped
// away.
HWY_INLINE Vector ClampForExp(Vector x) {
  return hn::Min(Constant(87.0f), hn::Max(Constant(-87.0f), x));
}

// e^x; below -87 e^-87, above 87 e^87.
HWY_INLINE Vector Exp(Vector x) { return ExpInRange(ClampForExp(x)); }

// 1 / (1 + e^-x)
HWY_INLINE Vector Sigmoid(Vector x) {
  const Vector one = Constant(1.0f);
  return hn::Div(one, hn::Add(one, Exp(hn::Neg(x))));
}

// Relative error below 1e-6. From 0.625 on 1 - 2 / (e^2|x| + 1), with x's sign; below it that loses
// digits, so an odd polynomial, fitted by weighted least squares with a relative error below 5e-9.
HWY_INLINE Vector Tanh(Vector x) {
  const Vector one = Constant(1.0f), two = Constant(2.0f), magnitude = hn::Abs(x);
  const Vector e = Exp(hn::Add(magnitude, magnitude));
  const Vector far = hn::CopySignToAbs(hn::Sub(one, hn::Div(two, hn::Add(e, one))), x);

  const Vector z = hn::Mul(x, x);
  Vector near = Constant(-0.0057049887f);
  near = hn::MulAdd(near, z, Constant(0.0206390899f));
  near = hn::MulAdd(near, z, Constant(-0.0537397154f));
  near = hn::MulAdd(near, z, Constant(0.1333144158f));
  near = hn::MulAdd(near, z, Constant(-0.3333328068f));
  near = hn::MulAdd(hn::Mul(near, z), x, x);
  return hn::IfThenElse(hn::Lt(magnitude, Constant(0.625f)), near, far);
}

template <Vector (*kFunction)(Vector)>
void ForEach(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; i += kRegister) {
    const auto some = hn::FirstN(kTag, count - i);
    hn::BlendedStore(kFunction(hn::MaskedLoad(some, kTag, x + i)), some, kTag, y + i);
  }
}

}  // namespace
}  // namespace derin::cpu
