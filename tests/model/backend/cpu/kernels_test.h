#pragma once

#include <string>

#include "gtest/gtest.h"
#include "model/backend/cpu/kernels.h"

namespace derin::cpu {

// For tests of the kernels of every instruction set that this machine has; AVX2's are those that
// the others are compared with.
class KernelsTest : public testing::TestWithParam<InstructionSet> {
 protected:
  const Kernels& kernels_ = KernelsFor(GetParam());
  const Kernels& avx2_ = KernelsFor(InstructionSet::kAvx2);
};

inline std::string InstructionSetOf(const testing::TestParamInfo<InstructionSet>& info) {
  std::string name(InstructionSetName(info.param));
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

}  // namespace derin::cpu
