// Built for x86-64-v3, like everything else.

#include "model/backend/cpu/kernels-inl.h"

namespace derin::cpu {

const Kernels& Avx2Kernels() noexcept {
  static constexpr Kernels kKernels = MakeKernels();
  return kKernels;
}

}  // namespace derin::cpu
