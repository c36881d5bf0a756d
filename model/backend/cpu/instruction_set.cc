#include "model/backend/cpu/instruction_set.h"

namespace derin::cpu {

std::string_view InstructionSetName(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kAvx512Bf16:
      return "avx512-bf16";
  }
  return "";
}

std::vector<InstructionSet> SupportedInstructionSets() {
  std::vector<InstructionSet> sets = {InstructionSet::kAvx2};
  if (!__builtin_cpu_supports("x86-64-v4")) return sets;
  sets.push_back(InstructionSet::kAvx512);
  if (__builtin_cpu_supports("avx512bf16")) sets.push_back(InstructionSet::kAvx512Bf16);
  return sets;
}

}  // namespace derin::cpu
