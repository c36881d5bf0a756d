#pragma once

#include "model/backend/backend.h"
#include "model/backend/cpu/turn.h"

namespace derin::cpu {

// What is done to flat buffers element by element, in chunks of 1,024 that are shared out; shapes
// as in model/backend/backend.h, everything f32.

// The chunks' sums, each of 8 partial sums in f64, are added in their order.
void SquaredNorm(CpuQueue& queue, View gradients, View squared_norm);

void Update(CpuQueue& queue, const OptimizerConfig& config, const UpdateViews& views);

}  // namespace derin::cpu
