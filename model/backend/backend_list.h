#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"

namespace derin {

// The names of the backends that were built in, best first.
std::vector<std::string_view> BackendNames();

// The backend called `device`, or with `auto` the first that works on this machine.
// INVALID_ARGUMENT for another name, listing those there are.
absl::StatusOr<std::unique_ptr<Backend>> NewBackend(std::string_view device);

}  // namespace derin
