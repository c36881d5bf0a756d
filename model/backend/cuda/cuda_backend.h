#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/backend/cuda/cuda_calls.h"

namespace derin::cuda {

// How a backend comes by the algorithms of trainings' windows.
struct AlgorithmOptions {
  // What times them; see timing_process.h. Without it this process does.
  std::string timing_program;
  // Where what was measured is kept; see KnownAlgorithms.
  std::filesystem::path known_file;
};

// GPU number `ordinal`, through `calls`. Windows are computed in all types that it has, steps in
// f32. Errors as of Device::Open.
absl::StatusOr<std::unique_ptr<Backend>> NewCudaBackend(const CudaCalls& calls, int ordinal,
                                                        AlgorithmOptions options = {});

}  // namespace derin::cuda
