#pragma once

#include "model/backend/cuda/cuda_calls.h"

namespace derin::cuda {

// See FakeGpu. Stacks by the reference backend in f32, of data that is rounded where it has 16
// bits.
CudnnCalls FakeCudnn();

}  // namespace derin::cuda
