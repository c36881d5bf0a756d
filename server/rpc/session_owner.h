#pragma once

#include <string>
#include <string_view>

#include "server/generation/session_store.h"
#include "server/security/caller.h"

namespace derin::server {

// Whose session `name` is for a call of `caller`: its own; of an admin that of whoever has it. For
// the caller's own name when nobody has it, so that it is not found.
std::string OwnerFor(const SessionStore& sessions, std::string_view name, const Caller& caller);

}  // namespace derin::server
