#pragma once

#include <optional>
#include <string_view>

#include "absl/types/span.h"
#include "server/security/role.h"

namespace derin::server {

// Who may call one method.
struct MethodRule {
  std::string_view path;     // `/package.Service/Method`
  std::optional<Role> role;  // unset: everybody, also without a token
  bool is_stream = false;    // counts for a caller's limit of streams
};

// The one table of all methods that the server has; a test compares it with their descriptors.
absl::Span<const MethodRule> MethodRules();

// Null for a method that is not in the table, which nobody may call then.
const MethodRule* RuleOf(std::string_view path);

}  // namespace derin::server
