#include "server/status_page/page_access.h"

#include <algorithm>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace derin::server {
namespace {

constexpr const char* kPlainText = "text/plain; charset=utf-8";

// `Bearer TOKEN` of `Basic base64(NAME:TOKEN)`; anything else as it is.
std::string AsBearer(std::string_view authorization) {
  constexpr std::string_view kScheme = "basic ";
  const absl::string_view begin(authorization.data(),
                                std::min(authorization.size(), kScheme.size()));
  std::string decoded;
  if (!absl::EqualsIgnoreCase(begin, absl::string_view(kScheme.data(), kScheme.size())) ||
      !absl::Base64Unescape(absl::string_view(authorization.data() + kScheme.size(),
                                              authorization.size() - kScheme.size()),
                            &decoded)) {
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
