#include "server/status_page/front_page.h"

#include <utility>

#include "absl/time/clock.h"
#include "server/status_page/status_page.h"

namespace derin::server {

FrontPage MakeFrontPage(const PageAccess& access, const FigureSources& sources,
                        std::function<bool()> draining) {
  return [access, sources,
          draining = std::move(draining)](std::optional<std::string_view> authorization) {
    std::optional<HttpReply> reply = RefusePage(access, authorization);
    if (!reply.has_value()) {
      reply = HttpReply{.status = 200,
                        .content_type = "text/html; charset=utf-8",
                        .body = StatusPage(ReadFigures(sources, draining(), absl::Now())),
                        .headers = {}};
    }
    // Nothing is fetched, framed, guessed or kept.
    for (const char* header :
         {"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
          "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer",
          "Cache-Control: no-store"}) {
      reply->headers.emplace_back(header);
    }
    return *std::move(reply);
  };
}

}  // namespace derin::server
