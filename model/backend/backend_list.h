#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"

namespace derin {

// The names of the backends that work on every machine, best first.
std::vector<std::string_view> BackendNames();

// Makes the backend of a GPU, counted from 0: NewGpuBackend, or a test's.
using GpuMaker = std::function<absl::StatusOr<std::unique_ptr<Backend>>(int ordinal)>;

struct ChosenBackend {
  std::unique_ptr<Backend> backend;
  // Why `auto` has not taken a GPU; empty when it has, and when it was not asked.
  std::string why_no_gpu;
  // The number of the GPU, when the backend is of one.
  std::optional<int> gpu;
};

// OK for the name of a device that a machine may have, with a number of threads that it works with;
// else INVALID_ARGUMENT, see ChooseBackend.
absl::Status CheckDevice(std::string_view device, int threads);

// The backend called `device`: one of BackendNames, `cuda` for the first GPU, `cuda:N` for another,
// or with `auto` the best that works on this machine. `threads` is how many compute together on the
// processor, 0: one for each core that the process may use. INVALID_ARGUMENT for another name,
// listing those there are, and for a number of threads that the backend does not work with. A GPU
// that was asked for by its name and cannot be used is an error with the reason.
absl::StatusOr<ChosenBackend> ChooseBackend(std::string_view device, int threads,
                                            const GpuMaker& gpu);

// ChooseBackend with this machine's GPUs.
absl::StatusOr<std::unique_ptr<Backend>> NewBackend(std::string_view device, int threads = 0);

}  // namespace derin
