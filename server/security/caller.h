#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/security/role.h"

namespace derin::server {

// What one caller may have at once, beside the limits of the server; unset: no limit of its own.
struct CallerLimits {
  std::optional<int64_t> streams;   // calls under way that generate or score
  std::optional<int64_t> sessions;  // that it opened and that are not closed
  std::optional<int64_t> jobs;      // that it created and that are not over
};

// Who makes a call.
struct Caller {
  std::string name;
  RoleSet roles{};
  CallerLimits limits{};
};

// What everybody is on a server without tokens; no token has this name.
inline constexpr char kLocalCaller[] = "local";

}  // namespace derin::server
