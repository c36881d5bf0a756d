#include "server/metrics/metrics_endpoint.h"

#include <CivetServer.h>

#include <atomic>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "prometheus/text_serializer.h"

namespace derin::server {

namespace {

// The value of that header; unset when there is none or several.
std::optional<std::string_view> Authorization(const mg_request_info& request) {
  std::optional<std::string_view> found;
  for (int i = 0; i < request.num_headers; ++i) {
    const mg_header& header = request.http_headers[i];
    if (!absl::EqualsIgnoreCase(header.name, "Authorization")) continue;
    if (found.has_value()) return std::nullopt;
    found = header.value;
  }
  return found;
}

// Answers GET and HEAD of one path, and nothing below it.
class PageHandler : public CivetHandler {
 public:
  PageHandler(std::string path, FrontPage render)
      : path_(std::move(path)), render_(std::move(render)) {}

  const std::string& path() const { return path_; }

  bool handleGet(CivetServer* /*server*/, mg_connection* connection) override {
    return Answer(connection, /*with_body=*/true);
  }
  bool handleHead(CivetServer* /*server*/, mg_connection* connection) override {
    return Answer(connection, /*with_body=*/false);
  }

 private:
  bool Answer(mg_connection* connection, bool with_body) {
    const mg_request_info& request = *mg_get_request_info(connection);
    if (request.local_uri != path_) {
      mg_send_http_error(connection, 404, "%s", "no such page");
      return true;
    }
    const HttpReply reply = render_(Authorization(request));
    std::string head = absl::StrFormat(
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n",
        reply.status, mg_get_response_code_text(connection, reply.status), reply.content_type,
        reply.body.size());
    for (const std::string& header : reply.headers) absl::StrAppend(&head, header, "\r\n");
    absl::StrAppend(&head, "\r\n");
    mg_write(connection, head.data(), head.size());
    if (with_body) mg_write(connection, reply.body.data(), reply.body.size());
    return true;
  }

  const std::string path_;
  const FrontPage render_;
};

constexpr const char* kPlainText = "text/plain; charset=utf-8";

// The first thing that the HTTP server had to say: what follows from it is less to the point.
struct Complaint {
  absl::Mutex mutex;
  std::string text ABSL_GUARDED_BY(mutex);
};

int NoteComplaint(const mg_connection* connection, const char* message) {
  auto* server = static_cast<CivetServer*>(mg_get_user_data(mg_get_context(connection)));
  // The library hands the context back as const; it is ours.
  auto* complaint = static_cast<Complaint*>(const_cast<void*>(server->getUserContext()));
  absl::MutexLock lock(&complaint->mutex);
  if (complaint->text.empty()) complaint->text = message;
  return 1;  // not to be written anywhere else
}

}  // namespace

struct MetricsEndpoint::Server {
  Server(const prometheus::Collectable& metrics, FrontPage front)
      : metrics_page("/metrics",
                     [&metrics](std::optional<std::string_view>) {
                       return HttpReply{200,
                                        "text/plain; version=0.0.4; charset=utf-8",
                                        prometheus::TextSerializer().Serialize(metrics.Collect()),
                                        {}};
                     }),
        health_page("/healthz",
                    [](std::optional<std::string_view>) {
                      return HttpReply{200, kPlainText, "ok\n", {}};
                    }),
        ready_page("/readyz",
                   [this](std::optional<std::string_view>) {
                     return ready ? HttpReply{200, kPlainText, "ready\n", {}}
                                  : HttpReply{503, kPlainText, "not ready\n", {}};
                   }),
        front_page("/", std::move(front)) {}

  std::atomic<bool> ready{false};
  Complaint complaint;
  PageHandler metrics_page, health_page, ready_page, front_page;
  std::unique_ptr<CivetServer> http;  // last, so that its threads end first
};

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(
    const std::string& listen, const prometheus::Collectable& metrics, FrontPage front) {
  auto server = std::make_unique<Server>(metrics, std::move(front));
  CivetCallbacks callbacks;
  callbacks.log_message = NoteComplaint;
  try {
    server->http = std::make_unique<CivetServer>(
        // A thread serves one connection, also one that says nothing until its time is up.
        std::vector<std::string>{"listening_ports", listen, "num_threads", "16",
                                 "enable_keep_alive", "no", "request_timeout_ms", "10000"},
        &callbacks, &server->complaint);
  } catch (const CivetException&) {
    absl::MutexLock lock(&server->complaint.mutex);
    return absl::UnavailableError(
        absl::StrFormat("cannot serve metrics at \"%s\": %s", listen, server->complaint.text));
  }
  for (auto* page :
       {&server->metrics_page, &server->health_page, &server->ready_page, &server->front_page}) {
    server->http->addHandler(page->path(), page);
  }
  const std::vector<int> ports = server->http->getListeningPorts();
  if (ports.empty()) {
    return absl::UnavailableError(
        absl::StrFormat("cannot serve metrics at \"%s\": nothing listens there", listen));
  }
  return std::unique_ptr<MetricsEndpoint>(
      new MetricsEndpoint(std::move(server), listen.substr(0, listen.rfind(':')), ports.front()));
}

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<Server> server, std::string host, int port)
    : server_(std::move(server)), host_(std::move(host)), port_(port) {}

MetricsEndpoint::~MetricsEndpoint() {
  // The library looks every two seconds whether it is to stop, or whenever somebody connects.
  absl::Notification closed;
  std::thread caller([this, &closed] {
    do {
      char error[100];
      mg_connection* connection = mg_connect_client(host_.c_str(), port_, 0, error, sizeof error);
      if (connection != nullptr) mg_close_connection(connection);
    } while (!closed.WaitForNotificationWithTimeout(absl::Milliseconds(10)));
  });
  server_->http->close();
  closed.Notify();
  caller.join();
}

void MetricsEndpoint::SetReady(bool ready) { server_->ready = ready; }

}  // namespace derin::server
