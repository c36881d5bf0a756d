// Built for x86-64-v4. Includes nothing whose inline functions the rest of the program has too: the
// linker might keep the copy made here, for processors that cannot run it.

#include "model/backend/cpu/kernels-inl.h"

namespace derin::cpu {

const Kernels& Avx512Kernels() noexcept {
  static constexpr Kernels kKernels = MakeKernels();
  return kKernels;
}

}  // namespace derin::cpu
