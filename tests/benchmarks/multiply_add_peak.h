#pragma once

#include "model/backend/stack_config.h"

namespace derin {

// The multiply-adds that `threads` threads of this machine do at once, in FLOP/s (one multiply-add
// is two), by the widest instructions that the cpu backend would use for `precision`: measured for
// some 50 ms, with nothing read from memory. It varies with what else the machine does, so it is
// measured beside what it is compared with.
double MultiplyAddPeak(Precision precision, int threads);

}  // namespace derin
