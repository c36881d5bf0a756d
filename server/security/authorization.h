#pragma once

#include <iterator>
#include <optional>
#include <string_view>

namespace derin::server {

// The value of `authorization` among a call's metadata; unset when there is none or several.
template <typename Metadata>
std::optional<std::string_view> AuthorizationIn(const Metadata& metadata) {
  const auto [first, last] = metadata.equal_range("authorization");
  if (first == last || std::next(first) != last) return std::nullopt;
  return std::string_view(first->second.data(), first->second.size());
}

// What stands behind the scheme's name, in any case, and a space: `x` of `Bearer x` for `bearer`.
// Unset when the value is of another scheme.
std::optional<std::string_view> CredentialsOf(std::string_view authorization,
                                              std::string_view scheme);

}  // namespace derin::server
