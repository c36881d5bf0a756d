// Everything of ours is compiled for x86-64-v3, initialisers of globals included. This file alone
// is compiled for the plainest x86-64, runs before them, and ends the process with words instead of
// SIGILL where they could not run.

#include <cerrno>  // program_invocation_short_name
#include <cstdio>
#include <cstdlib>

namespace {

struct InstructionSet {
  const char* name;
  bool there;
};

// 101 is the first priority that is not the system's own.
__attribute__((constructor(101))) void CheckProcessor() {
  __builtin_cpu_init();
  const InstructionSet wanted[] = {
      {"AVX", __builtin_cpu_supports("avx") != 0},
      {"AVX2", __builtin_cpu_supports("avx2") != 0},
      {"BMI1", __builtin_cpu_supports("bmi") != 0},
      {"BMI2", __builtin_cpu_supports("bmi2") != 0},
      {"F16C", __builtin_cpu_supports("f16c") != 0},
      {"FMA", __builtin_cpu_supports("fma") != 0},
      {"LZCNT", __builtin_cpu_supports("lzcnt") != 0},
      {"MOVBE", __builtin_cpu_supports("movbe") != 0},
  };
  bool complete = true;
  for (const InstructionSet& set : wanted) {
    if (set.there) continue;
    if (complete) std::fprintf(stderr, "%s: this processor lacks", program_invocation_short_name);
    std::fprintf(stderr, " %s", set.name);
    complete = false;
  }
  if (complete) return;
  std::fputs("; wanted x86-64-v3, as processors have since about 2013\n", stderr);
  std::_Exit(EXIT_FAILURE);
}

}  // namespace
