#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace derin::server {

// What a caller may do. `admin` may do everything.
enum class Role {
  kRead,      // see corpora, models and jobs
  kGenerate,  // sessions, streams of text and scores
  kTrain,     // corpora and training jobs, and with that new models
  kAdmin,     // delete models; every caller's sessions
};

// `read`, `generate`, `train`, `admin`.
std::string_view RoleName(Role role);
std::optional<Role> ParseRole(std::string_view name);
// The names of all, for people.
std::string RoleNames();

class RoleSet {
 public:
  RoleSet() = default;
  RoleSet(std::initializer_list<Role> roles) {
    for (const Role role : roles) Add(role);
  }

  void Add(Role role) { bits_ |= Bit(role); }
  // Of `admin`, always.
  bool Has(Role role) const { return (bits_ & (Bit(role) | Bit(Role::kAdmin))) != 0; }

 private:
  static unsigned Bit(Role role) { return 1U << static_cast<int>(role); }

  unsigned bits_ = 0;
};

}  // namespace derin::server
