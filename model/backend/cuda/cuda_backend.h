#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/backend/cuda/cuda_calls.h"

namespace derin::cuda {

// GPU number `ordinal`, through `calls`. Windows are computed in all types that it has, steps in
// f32. Errors as of Device::Open.
absl::StatusOr<std::unique_ptr<Backend>> NewCudaBackend(const CudaCalls& calls, int ordinal);

}  // namespace derin::cuda
