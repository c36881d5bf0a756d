// Built for x86-64-v4 and AVX512_BF16; see kernels_avx512.cc.

#include "model/backend/cpu/kernels-inl.h"

namespace derin::cpu {
namespace {

// Highway 1.0 does not have this instruction.
struct Bf16Factors {
  using Word = uint32_t;
  HWY_INLINE static __m512bh LoadColumns(const uint32_t* b) {
    return reinterpret_cast<__m512bh>(_mm512_loadu_si512(b));
  }
  HWY_INLINE static __m512bh Spread(const uint32_t* a) {
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(*a)));
  }
  HWY_INLINE static Vector MultiplyAdd(__m512bh a, __m512bh b, Vector sum) {
    return Vector{_mm512_dpbf16_ps(sum.raw, a, b)};
  }
};

}  // namespace

// What rounds to bfloat16 is quicker here; the rest is as for AVX-512.
const Kernels& Avx512Bf16Kernels() noexcept {
  static const Kernels kKernels = [] {
    Kernels kernels = Avx512Kernels();
    kernels.product_bf16 = &ProductWith<Bf16Factors>;
    PutCells(kernels);
    return kernels;
  }();
  return kKernels;
}

}  // namespace derin::cpu
