#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "prometheus/collectable.h"
#include "server/metrics/http_reply.h"

namespace derin::server {

// Answers a request whose `Authorization` header has this value; unset: there was none or several.
// Called by any thread of the endpoint.
using FrontPage = std::function<HttpReply(std::optional<std::string_view> authorization)>;

// The pages for operators, over HTTP on threads of its own:
//   /metrics  what Prometheus scrapes
//   /healthz  200 as long as the process serves
//   /readyz   200 while the server takes work, 503 before and while it drains
//   /         what `front` makes
// Any other path is 404.
class MetricsEndpoint {
 public:
  // `listen` is HOST:PORT as ListenAddress writes it, port 0 for any free one; `metrics` outlives
  // the endpoint. UNAVAILABLE with the system's words when nothing can listen there (the port is in
  // use, the host is not this machine's).
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(
      const std::string& listen, const prometheus::Collectable& metrics, FrontPage front);
  // Waits for the requests under way.
  ~MetricsEndpoint();

  // What /readyz answers from now on; false at the start.
  void SetReady(bool ready);
  int port() const { return port_; }

 private:
  struct Server;
  MetricsEndpoint(std::unique_ptr<Server> server, std::string host, int port);

  const std::unique_ptr<Server> server_;
  const std::string host_;
  const int port_;
};

}  // namespace derin::server
