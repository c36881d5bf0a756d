#include "server/security/role.h"

#include "absl/strings/str_cat.h"

namespace derin::server {
namespace {

struct Name {
  Role role;
  std::string_view name;
};
constexpr Name kNames[] = {{Role::kRead, "read"},
                           {Role::kGenerate, "generate"},
                           {Role::kTrain, "train"},
                           {Role::kAdmin, "admin"}};

}  // namespace

std::string_view RoleName(Role role) {
  for (const Name& one : kNames) {
    if (one.role == role) return one.name;
  }
  return "";
}

std::optional<Role> ParseRole(std::string_view name) {
  for (const Name& one : kNames) {
    if (one.name == name) return one.role;
  }
  return std::nullopt;
}

std::string RoleNames() {
  std::string names;
  for (const Name& one : kNames) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(one.name));
  }
  return names;
}

}  // namespace derin::server
