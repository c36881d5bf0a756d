#pragma once

#include <string_view>
#include <vector>

namespace derin::cpu {

// What a set of kernels is built for, each containing those before it. In f32 all of them give the
// same bits; in bf16 kAmxBf16 gives its own.
enum class InstructionSet {
  kAvx2,        // with FMA: x86-64-v3
  kAvx512,      // F, BW, CD, DQ, VL: x86-64-v4
  kAvx512Bf16,  // and dot products of bfloat16 pairs
  kAmxBf16,     // and tiles, whose products are of bfloat16
};

// `avx2`, `avx512`, `avx512-bf16`, `amx-bf16`.
std::string_view InstructionSetName(InstructionSet set);

// Those that this processor and its operating system have, ascending; kAvx2 is always there, since
// derind does not start without it. Asks the operating system for the tiles, which it gives to
// those processes alone that ask.
std::vector<InstructionSet> SupportedInstructionSets();

}  // namespace derin::cpu
