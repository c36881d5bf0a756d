#include "model/backend/cpu/kernels.h"

namespace derin::cpu {

const Kernels& KernelsFor(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx2:
      return Avx2Kernels();
    case InstructionSet::kAvx512:
      return Avx512Kernels();
    case InstructionSet::kAvx512Bf16:
      return Avx512Bf16Kernels();
    case InstructionSet::kAmxBf16:
      return AmxBf16Kernels();
  }
  return Avx2Kernels();
}

}  // namespace derin::cpu
