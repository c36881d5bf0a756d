// The cells of reference/cell_equations.h on vectors of 16 units.

#pragma once

#include "hwy/highway.h"
#include "model/backend/cpu/activation-inl.h"

namespace derin::cpu {
namespace {

HWY_INLINE Vector Load(const float* from) { return hn::LoadU(kTag, from); }
HWY_INLINE void Store(Vector value, float* to) { hn::StoreU(value, kTag, to); }

// x (1 - x), the derivative of the logistic function by its value.
HWY_INLINE Vector SigmoidSlope(Vector x) { return hn::NegMulAdd(x, x, x); }
// 1 - x^2, the derivative of tanh by its value.
HWY_INLINE Vector TanhSlope(Vector x) { return hn::NegMulAdd(x, x, Constant(1.0f)); }

using Words = hn::Vec<hn::RebindToUnsigned<VectorTag>>;
constexpr hn::RebindToUnsigned<VectorTag> kWordTag;

// Rounds to bfloat16, to nearest even, in the upper half of each lane; the lower half is zero. NaN
// stays NaN.
HWY_INLINE Words RoundToBf16(Vector value) {
#ifdef __AVX512BF16__  // one instruction, which Highway 1.0 does not have
  const __m256i halves = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value.raw));
  return Words{_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16)};
#else
  const Words bits = hn::BitCast(kWordTag, value);
  const Words odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(kWordTag, 1u));
  const Words rounded = hn::Add(hn::Add(bits, hn::Set(kWordTag, 0x7fffu)), odd);
  const Words quiet = hn::Or(bits, hn::Set(kWordTag, 0x400000u));
  const Words result = hn::IfThenElse(hn::RebindMask(kWordTag, hn::IsNaN(value)), quiet, rounded);
  return hn::And(result, hn::Set(kWordTag, 0xffff0000u));
#endif
}

// Where what a product reads is written as bfloat16, in both layouts: `rows` along the columns and
// `pairs` along the rows. Rows come in order.
struct Bf16Sink {
  uint16_t* rows;
  uint32_t* pairs;
  ptrdiff_t stride;

  HWY_INLINE void Put(Vector value, int64_t row, ptrdiff_t column) const {
    if (rows == nullptr) return;
    const Words rounded = RoundToBf16(value), lower = hn::ShiftRight<16>(rounded);
    const hn::Rebind<uint16_t, VectorTag> halves;
    hn::StoreU(hn::TruncateTo(halves, lower), halves, rows + row * stride + column);
    if (pairs == nullptr) return;
    uint32_t* pair = pairs + (row / 2) * stride + column;
    const bool even = row % 2 == 0;
    hn::StoreU(even ? lower : hn::Or(hn::LoadU(kWordTag, pair), rounded), kWordTag, pair);
  }
};

// Calls body(row, column) for each register's worth of 16 units times `vectors`.
template <class Body>
HWY_INLINE void ForEachRegister(int64_t rows, int vectors, const Body& body) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int column = 0; column < vectors * kLanes; column += kRegister) body(row, column);
  }
}

HWY_INLINE void PutH(const CellForwardArgs& args, Vector h, int64_t row, int column) {
  if (args.h != nullptr) Store(h, args.h + row * args.stride + column);
  Bf16Sink{args.h_bf16, args.h_pairs, args.stride}.Put(h, row, column);
}

void LstmForward(const CellForwardArgs& args) {
  ForEachRegister(args.rows, 1, [&](int64_t row, int column) {
    float* gate = args.gates + row * kPanelColumns + column;
    const ptrdiff_t at = row * args.stride + column;
    const Vector i = Sigmoid(Load(gate)), f = Sigmoid(Load(gate + kLanes)),
                 g = Tanh(Load(gate + 2 * kLanes)), o = Sigmoid(Load(gate + 3 * kLanes));
    const Vector c = hn::MulAdd(f, Load(args.c_before + at), hn::Mul(i, g));
    const Vector tanh_c = Tanh(c);
    Store(c, args.c + at);
    if (args.tanh_c != nullptr) {
      Store(i, gate);
      Store(f, gate + kLanes);
      Store(g, gate + 2 * kLanes);
      Store(o, gate + 3 * kLanes);
      Store(tanh_c, args.tanh_c + at);
    }
    PutH(args, hn::Mul(o, tanh_c), row, column);
  });
}

void LstmBackward(const CellBackwardArgs& args) {
  const Bf16Sink sink{args.d_bf16, args.d_pairs, kPanelColumns};
  ForEachRegister(args.rows, 1, [&](int64_t row, int column) {
    float* gate = args.gates + row * kPanelColumns + column;
    const ptrdiff_t at = row * args.stride + column;
    const Vector i = Load(gate), f = Load(gate + kLanes), g = Load(gate + 2 * kLanes),
                 o = Load(gate + 3 * kLanes);
    const Vector dh = Load(args.dh + row * args.dh_row + column), tanh_c = Load(args.tanh_c + at);
    const Vector dc = hn::MulAdd(hn::Mul(dh, o), TanhSlope(tanh_c), Load(args.dc + at));
    const Vector d[4] = {hn::Mul(hn::Mul(dc, g), SigmoidSlope(i)),
                         hn::Mul(hn::Mul(dc, Load(args.c_before + at)), SigmoidSlope(f)),
                         hn::Mul(hn::Mul(dc, i), TanhSlope(g)),
                         hn::Mul(hn::Mul(dh, tanh_c), SigmoidSlope(o))};
    Store(hn::Mul(dc, f), args.dc + at);
    for (int k = 0; k < 4; ++k) {
      Store(d[k], gate + k * kLanes);
      sink.Put(d[k], row, column + k * kLanes);
    }
  });
}

void GruForward(const CellForwardArgs& args) {
  ForEachRegister(args.rows, 1, [&](int64_t row, int column) {
    float* gate = args.gates + row * kPanelColumns + column;
    const ptrdiff_t at = row * args.stride + column;
    const Vector r = Sigmoid(Load(gate + kLanes)), z = Sigmoid(Load(gate + 2 * kLanes));
    const Vector n = Tanh(hn::MulAdd(r, Load(gate + 3 * kLanes), Load(gate)));
    Store(n, gate);
    Store(r, gate + kLanes);
    Store(z, gate + 2 * kLanes);
    // (1 - z) n + z h'
    PutH(args, hn::MulAdd(z, hn::Sub(Load(args.h_before + at), n), n), row, column);
  });
}

void GruBackward(const CellBackwardArgs& args) {
  const Bf16Sink sink{args.d_bf16, args.d_pairs, kPanelColumns};
  ForEachRegister(args.rows, 1, [&](int64_t row, int column) {
    float* gate = args.gates + row * kPanelColumns + column;
    const ptrdiff_t at = row * args.stride + column;
    const Vector n = Load(gate), r = Load(gate + kLanes), z = Load(gate + 2 * kLanes),
                 nh = Load(gate + 3 * kLanes);
    const Vector dh = Load(args.dh + row * args.dh_row + column);
    const Vector d_nx = hn::Mul(hn::NegMulAdd(dh, z, dh), TanhSlope(n));
    const Vector d[4] = {
        d_nx, hn::Mul(hn::Mul(d_nx, nh), SigmoidSlope(r)),
        hn::Mul(hn::Mul(dh, hn::Sub(Load(args.h_before + at), n)), SigmoidSlope(z)),
        hn::Mul(d_nx, r)};
    if (args.dh_before != nullptr) {
      float* before = args.dh_before + at;
      Store(hn::MulAdd(dh, z, Load(before)), before);
    }
    for (int k = 0; k < 4; ++k) {
      Store(d[k], gate + k * kLanes);
      sink.Put(d[k], row, column + k * kLanes);
    }
  });
}

HWY_INLINE Vector Relu(Vector x) { return hn::Max(hn::Zero(kTag), x); }
HWY_INLINE Vector ReluSlope(Vector h) {
  return hn::IfThenElseZero(hn::Gt(h, hn::Zero(kTag)), Constant(1.0f));
}

template <Vector (*kActivation)(Vector)>
void VanillaForward(const CellForwardArgs& args) {
  ForEachRegister(args.rows, args.vectors, [&](int64_t row, int column) {
    float* sum = args.gates + row * kPanelColumns + column;
    const Vector h = kActivation(Load(sum));
    Store(h, sum);
    PutH(args, h, row, column);
  });
}

template <Vector (*kSlope)(Vector)>
void VanillaBackward(const CellBackwardArgs& args) {
  const Bf16Sink sink{args.d_bf16, args.d_pairs, kPanelColumns};
  ForEachRegister(args.rows, args.vectors, [&](int64_t row, int column) {
    float* gate = args.gates + row * kPanelColumns + column;
    const Vector d = hn::Mul(Load(args.dh + row * args.dh_row + column), kSlope(Load(gate)));
    Store(d, gate);
    sink.Put(d, row, column);
  });
}

}  // namespace
}  // namespace derin::cpu
