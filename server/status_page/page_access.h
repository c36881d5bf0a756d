#pragma once

#include <optional>
#include <string_view>

#include "server/metrics/http_reply.h"
#include "server/security/callers.h"

namespace derin::server {

// Who may see the status page, whose port has no encryption.
struct PageAccess {
  const Callers* callers = nullptr;  // null: whoever reaches the port
  // The server wants to know who calls, by a token or a certificate.
  bool callers_are_known = false;
  // Others than programs of this machine reach the port.
  bool remote = false;
};

// What refuses a request with this `Authorization` header (unset: there was none or several);
// nullopt when it may see the page. A token of the role `read` comes as `Bearer TOKEN`, or since
// browsers send nothing else, as the password of `Basic`, with any name. Where callers are known,
// the page is refused to all when others reach the port: a token would cross the network for
// everybody to read.
std::optional<HttpReply> RefusePage(const PageAccess& access,
                                    std::optional<std::string_view> authorization);

}  // namespace derin::server
