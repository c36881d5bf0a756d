#include "server/status_page/page_access.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/security/authorization.h"

namespace derin::server {
namespace {

constexpr const char* kPlainText = "text/plain; charset=utf-8";

// `Bearer TOKEN` of `Basic base64(NAME:TOKEN)`; anything else as it is.
std::string AsBearer(std::string_view authorization) {
  const std::optional<std::string_view> encoded = CredentialsOf(authorization, "basic");
  std::string decoded;
  if (!encoded.has_value() ||
      !absl::Base64Unescape(absl::string_view(encoded->data(), encoded->size()), &decoded)) {
    return std::string(authorization);
  }
  const size_t colon = decoded.find(':');
  return absl::StrCat("Bearer ", colon == std::string::npos ? "" : decoded.substr(colon + 1));
}

}  // namespace

std::optional<HttpReply> RefusePage(const PageAccess& access,
                                    std::optional<std::string_view> authorization) {
  if (access.callers_are_known && access.remote) {
    return HttpReply{.status = 403,
                     .content_type = kPlainText,
                     .body =
                         "This page would cross the network in the clear: it is served only where "
                         "--metrics-listen is an address of this machine, such as 127.0.0.1.\n",
                     .headers = {}};
  }
  if (access.callers == nullptr) return std::nullopt;
  std::optional<std::string> bearer;
  if (authorization.has_value()) bearer = AsBearer(*authorization);
  const absl::Status status =
      access.callers->AuthorizeRole(Role::kRead, "the status page", bearer).status();
  if (status.ok()) return std::nullopt;
  HttpReply refusal{.status = 403,
                    .content_type = kPlainText,
                    .body = absl::StrCat(status.message(), "\n"),
                    .headers = {}};
  if (status.code() == absl::StatusCode::kUnauthenticated) {
    refusal.status = 401;
    refusal.headers = {"WWW-Authenticate: Bearer realm=\"derin\"",
                       "WWW-Authenticate: Basic realm=\"derin: any name, a token as the "
                       "password\", charset=\"UTF-8\""};
  }
  return refusal;
}

}  // namespace derin::server
