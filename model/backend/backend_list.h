#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"

namespace derin {

// The names of the backends that were built in, best first.
std::vector<std::string_view> BackendNames();

// The backend called `device`, or with `auto` the first that works on this machine. `threads` is
// how many compute together on the processor, 0: one for each core that the process may use.
// INVALID_ARGUMENT for another name, listing those there are, and for a number of threads that the
// backend does not work with.
absl::StatusOr<std::unique_ptr<Backend>> NewBackend(std::string_view device, int threads = 0);

}  // namespace derin
