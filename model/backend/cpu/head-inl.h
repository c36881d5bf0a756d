// Logits and exponentials: the head's part that is not a panel product, since both factors lie
// along k.

#pragma once

#include <algorithm>

#include "hwy/highway.h"
#include "model/backend/cpu/activation-inl.h"

namespace derin::cpu {
namespace {

constexpr int kRegistersOfVector = kLanes / kRegister;

// Sums of products along k, 16 partial sums each in the lanes of one or two registers.
struct PartialSums {
  Vector part[kRegistersOfVector];
};

// The 16 partial sums as a tree: halves onto each other.
HWY_INLINE float Total(const PartialSums& sums) {
  HWY_ALIGN float lanes[kLanes];
  for (int i = 0; i < kRegistersOfVector; ++i) hn::Store(sums.part[i], kTag, lanes + i * kRegister);
  const hn::FixedTag<float, 4> four;
  const auto low = hn::Add(hn::Load(four, lanes), hn::Load(four, lanes + 8));
  const auto high = hn::Add(hn::Load(four, lanes + 4), hn::Load(four, lanes + 12));
  const auto sum = hn::Add(low, high);
  hn::Store(sum, four, lanes);
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

template <int kRows, int kColumns>
HWY_INLINE void LogitsTile(const LogitsArgs& args, int64_t row, int64_t v) {
  PartialSums sum[kRows][kColumns];
  HWY_UNROLL(4) for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(4) for (int c = 0; c < kColumns; ++c) {
      HWY_UNROLL(2) for (int i = 0; i < kRegistersOfVector; ++i) sum[r][c].part[i] = hn::Zero(kTag);
    }
  }
  const float* top = args.top + row * args.hidden;
  const float* weight = args.weight + v * args.hidden;
  const auto add = [&](int64_t k, const auto& load) HWY_ATTR {
    HWY_UNROLL(2) for (int i = 0; i < kRegistersOfVector; ++i) {
      const int64_t at = k + i * kRegister;
      Vector w[kColumns];
      HWY_UNROLL(4) for (int c = 0; c < kColumns; ++c) w[c] = load(weight + c * args.hidden, at);
      HWY_UNROLL(4) for (int r = 0; r < kRows; ++r) {
        const Vector h = load(top + r * args.hidden, at);
        HWY_UNROLL(4) for (int c = 0; c < kColumns; ++c) {
          sum[r][c].part[i] = hn::MulAdd(h, w[c], sum[r][c].part[i]);
        }
      }
    }
  };
  int64_t k = 0;
  for (; k + kLanes <= args.hidden; k += kLanes) {
    add(k, [](const float* from, int64_t at) HWY_ATTR { return hn::LoadU(kTag, from + at); });
  }
  if (k < args.hidden) {
    add(k, [&](const float* from, int64_t at) HWY_ATTR {
      if (at >= args.hidden) return hn::Zero(kTag);
      return hn::MaskedLoad(hn::FirstN(kTag, args.hidden - at), kTag, from + at);
    });
  }
  for (int r = 0; r < kRows; ++r) {
    float* logits = args.logits + (row + r) * args.logits_row + v;
    for (int c = 0; c < kColumns; ++c) logits[c] = args.bias[v + c] + Total(sum[r][c]);
  }
}

template <int kRows>
HWY_INLINE void LogitsRows(const LogitsArgs& args, int64_t row) {
  constexpr int kColumns = kRegistersOfVector == 1 ? 4 : 2;
  int64_t v = 0;
  for (; v + kColumns <= args.vocabulary; v += kColumns) LogitsTile<kRows, kColumns>(args, row, v);
  for (; v < args.vocabulary; ++v) LogitsTile<kRows, 1>(args, row, v);
}

void Logits(const LogitsArgs& args) {
  constexpr int kRows = kRegistersOfVector == 1 ? 4 : 2;
  int64_t row = 0;
  for (; row + kRows <= args.rows; row += kRows) LogitsRows<kRows>(args, row);
  for (; row < args.rows; ++row) LogitsRows<1>(args, row);
}

float Highest(const float* logits, int64_t count) {
  Vector highest = Constant(logits[0]);
  int64_t i = 0;
  for (; i + kRegister <= count; i += kRegister) {
    highest = hn::Max(highest, hn::LoadU(kTag, logits + i));
  }
  float result = hn::GetLane(hn::MaxOfLanes(kTag, highest));
  for (; i < count; ++i) result = logits[i] > result ? logits[i] : result;
  return result;
}

SoftmaxSum Exponentials(float* logits, int64_t count) {
  constexpr int64_t kChunk = 1024;
  const float highest = Highest(logits, count);
  const Vector shift = Constant(highest);
  double total = 0;
  for (int64_t chunk = 0; chunk < count; chunk += kChunk) {
    PartialSums sums;
    for (Vector& part : sums.part) part = hn::Zero(kTag);
    const int64_t end = std::min(count, chunk + kChunk);
    for (int64_t at = chunk; at < end; at += kLanes) {
      for (int i = 0; i < kRegistersOfVector; ++i) {
        const int64_t from = at + i * kRegister;
        if (from >= end) break;
        const auto some = hn::FirstN(kTag, end - from);
        const Vector e = Exp(hn::Sub(hn::MaskedLoad(some, kTag, logits + from), shift));
        hn::BlendedStore(e, some, kTag, logits + from);
        sums.part[i] = hn::Add(sums.part[i], hn::IfThenElseZero(some, e));
      }
    }
    total += static_cast<double>(Total(sums));
  }
  return {highest, total};
}

}  // namespace
}  // namespace derin::cpu
