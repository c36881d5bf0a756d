#include "server/rpc/session_owner.h"

namespace derin::server {

std::string OwnerFor(const SessionStore& sessions, std::string_view name, const Caller& caller) {
  if (!caller.roles.Has(Role::kAdmin)) return caller.name;
  std::string owner = sessions.OwnerOf(name);
  return owner.empty() ? caller.name : owner;
}

}  // namespace derin::server
