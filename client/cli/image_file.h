#pragma once

#include <istream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace derin::cli {

// Files with bytes from or for a server.

// Puts `bytes` at `path`, whole or not at all: written beside it and renamed. An error has the
// system's words.
absl::Status WriteFile(const std::string& path, std::string_view bytes);
// All of the file, or of `in` when `path` is `-`. NOT_FOUND or UNAVAILABLE with the system's words.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::istream& in);

}  // namespace derin::cli
