#pragma once

#include "model/backend/cuda/cuda_calls.h"

namespace derin::cuda {

// See FakeGpu. Stacks of f32 by the reference backend.
CudnnCalls FakeCudnn();

}  // namespace derin::cuda
