#pragma once

#include "model/backend/cuda/cuda_calls.h"

namespace derin::cuda {

// See FakeGpu. Products of f32, added in f64; refuses what is not described consistently.
CublasLtCalls FakeCublasLt();

}  // namespace derin::cuda
