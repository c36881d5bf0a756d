#include "server/security/authorization.h"

#include "absl/strings/match.h"

namespace derin::server {

std::optional<std::string_view> CredentialsOf(std::string_view authorization,
                                              std::string_view scheme) {
  const std::string_view name = authorization.substr(0, scheme.size());
  if (!absl::EqualsIgnoreCase(absl::string_view(name.data(), name.size()),
                              absl::string_view(scheme.data(), scheme.size())) ||
      authorization.substr(name.size(), 1) != " ") {
    return std::nullopt;
  }
  return authorization.substr(scheme.size() + 1);
}

}  // namespace derin::server
