#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/security/role.h"
#include "server/usage/caller_account.h"

namespace derin::server {

// What one caller may have at once, beside the limits of the server; unset: no limit of its own.
struct CallerLimits {
  std::optional<int64_t> streams;   // calls under way that generate or score
  std::optional<int64_t> sessions;  // that it opened and that are not closed
  std::optional<int64_t> jobs;      // that it created and that are not over
  // Of prompts, drawn and scored; more wait for their time.
  std::optional<int64_t> tokens_per_minute;
  std::optional<int64_t> bytes_stored;  // in corpora and models that it uploaded
};

// Who makes a call.
struct Caller {
  std::string name;
  RoleSet roles{};
  CallerLimits limits{};
  std::shared_ptr<CallerAccount> account{};  // null where nobody counts
};

// What everybody is on a server without tokens; no token has this name.
inline constexpr char kLocalCaller[] = "local";

}  // namespace derin::server
