// exp, tanh and the logistic function on vectors, of IEEE operations alone: the same bits on every
// instruction set.

#pragma once

#include "hwy/highway.h"
#include "model/backend/cpu/product-inl.h"

namespace derin::cpu {
namespace {

HWY_INLINE Vector Constant(float value) { return hn::Set(kTag, value); }

// A power of two as 2^n (1 + less_one), with n an integer.
struct Power {
  Vector whole;     // 2^n
  Vector less_one;  // 2^f - 1 for |f| <= 1/2, with a relative error below 5e-7 however small f is
};

// 2^(x log2) for a logarithm in two parts; n must be from -126 to 127.
HWY_INLINE Power PowerOf(Vector x, float log2_high, float log2_low) {
  // Adding it rounds, since numbers near it have no fraction, and leaves n with a float's bias in
  // the lowest bits.
  const Vector rounder = Constant(0x1.8p23f + 127);
  const Vector rounded = hn::MulAdd(x, Constant(log2_high), rounder);
  const Vector n = hn::Sub(rounded, rounder);
  const Vector f = hn::MulAdd(x, Constant(log2_low), hn::MulSub(x, Constant(log2_high), n));

  // (2^f - 1) / f, the polynomial of the smallest relative error.
  Vector slope = Constant(0.001333353866f);
  slope = hn::MulAdd(slope, f, Constant(0.009666245595f));
  slope = hn::MulAdd(slope, f, Constant(0.05550500214f));
  slope = hn::MulAdd(slope, f, Constant(0.2402235134f));
  slope = hn::MulAdd(slope, f, Constant(0.6931471435f));
  const hn::RebindToSigned<VectorTag> integers;
  return {hn::BitCast(kTag, hn::ShiftLeft<23>(hn::BitCast(integers, rounded))), hn::Mul(slope, f)};
}

constexpr float kLog2EHigh = 1.44269502f, kLog2ELow = 1.925963033e-8f;

// x86's minimum and maximum return their second operand when one is NaN, so NaN is not clamped
// away.
HWY_INLINE Vector ClampForExp(Vector x) {
  return hn::Min(Constant(87.0f), hn::Max(Constant(-87.0f), x));
}

// e^x; below -87 e^-87, above 87 e^87. Relative error below 1e-6, as of all functions here.
HWY_INLINE Vector Exp(Vector x) {
  const Power power = PowerOf(ClampForExp(x), kLog2EHigh, kLog2ELow);
  return hn::MulAdd(power.whole, power.less_one, power.whole);
}

// 1 / (1 + e^-x)
HWY_INLINE Vector Sigmoid(Vector x) {
  const Vector one = Constant(1.0f);
  const Power power = PowerOf(ClampForExp(x), -kLog2EHigh, -kLog2ELow);
  return hn::Div(one, hn::MulAdd(power.whole, power.less_one, hn::Add(power.whole, one)));
}

// e / (e + 2) with e = e^2|x| - 1, and x's sign. From 10 on it is 1.
HWY_INLINE Vector Tanh(Vector x) {
  const Vector magnitude = hn::Min(Constant(10.0f), hn::Abs(x));
  const Power power = PowerOf(magnitude, 2 * kLog2EHigh, 2 * kLog2ELow);
  const Vector e = hn::MulAdd(power.whole, power.less_one, hn::Sub(power.whole, Constant(1.0f)));
  return hn::CopySignToAbs(hn::Div(e, hn::Add(e, Constant(2.0f))), x);
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
