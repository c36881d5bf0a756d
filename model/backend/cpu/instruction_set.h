#pragma once

#include <string_view>
#include <vector>

namespace derin::cpu {

// What a set of kernels is built for, each containing those before it. In f32 all of them give the
// same bits.
enum class InstructionSet {
  kAvx2,        // with FMA: x86-64-v3
  kAvx512,      // F, BW, CD, DQ, VL: x86-64-v4
  kAvx512Bf16,  // and dot products of bfloat16 pairs
};

// `avx2`, `avx512`, `avx512-bf16`.
std::string_view InstructionSetName(InstructionSet set);

// Those that this processor and its operating system have, ascending; kAvx2 is always there, since
// derind does not start without it.
std::vector<InstructionSet> SupportedInstructionSets();

}  // namespace derin::cpu
