#include "server/metrics/metrics_endpoint.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/metrics/server_metrics.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The whole answer, head and body, to one request over a socket of its own.
std::string Ask(int port, const std::string& method, const std::string& path,
                const std::string& headers = "") {
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request =
        absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: here\r\n", headers, "\r\n");
    EXPECT_EQ(write(connection, request.data(), request.size()),
              static_cast<ssize_t>(request.size()));
    char buffer[4096];
    for (ssize_t got; (got = read(connection, buffer, sizeof buffer)) > 0;) {
      answer.append(buffer, got);
    }
  }
  close(connection);
  return answer;
}

// Says who asks.
HttpReply Front(std::optional<std::string_view> authorization) {
  return {.status = 401,
          .content_type = "text/html",
          .body = absl::StrCat("asked by ", std::string(authorization.value_or("nobody")), "\n"),
          .headers = {"X-First: 1", "X-Second: 2"}};
}

struct MetricsEndpointTest : testing::Test {
  ServerMetrics metrics;
  std::unique_ptr<MetricsEndpoint> endpoint;

  void SetUp() override {
    auto started = MetricsEndpoint::Start("127.0.0.1:0", metrics.all, Front);
    ASSERT_TRUE(started.ok()) << started.status();
    endpoint = *std::move(started);
  }
  std::string Get(const std::string& path) { return Ask(endpoint->port(), "GET", path); }
};

TEST_F(MetricsEndpointTest, ServesTheMetricsAsText) {
  metrics.generated_tokens.With("shakespeare").Add(42);
  const std::string answer = Get("/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(answer, HasSubstr("# HELP derin_generated_tokens_total Tokens drawn (tokens)\n"
                                "# TYPE derin_generated_tokens_total counter\n"
                                "derin_generated_tokens_total{model=\"shakespeare\"} 42"));
}

TEST_F(MetricsEndpointTest, IsReadyOnlyWhenToldSo) {
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 503 "));
  endpoint->SetReady(true);
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 200 "));
  endpoint->SetReady(false);
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(MetricsEndpointTest, AnswersAHeadRequestWithoutABody) {
  const std::string answer = Ask(endpoint->port(), "HEAD", "/healthz");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 "), Not(HasSubstr("ok\n"))));
}

TEST_F(MetricsEndpointTest, ShowsTheFrontPageToWhoeverAsks) {
  EXPECT_THAT(Get("/"), AllOf(StartsWith("HTTP/1.1 401 Unauthorized\r\n"),
                              HasSubstr("\r\nContent-Type: text/html\r\n"),
                              HasSubstr("\r\nX-First: 1\r\nX-Second: 2\r\n\r\n"),
                              HasSubstr("\r\n\r\nasked by nobody\n")));
  const std::string once = "authorization: Bearer x\r\n";
  EXPECT_THAT(Ask(endpoint->port(), "GET", "/", once), HasSubstr("asked by Bearer x\n"));
  EXPECT_THAT(Ask(endpoint->port(), "GET", "/", once + once), HasSubstr("asked by nobody\n"));
}

TEST_F(MetricsEndpointTest, KnowsNoOtherPage) {
  for (const char* path : {"/below", "//", "/metrics/below", "/healthzz", "/../etc/passwd"}) {
    EXPECT_THAT(Get(path), Not(StartsWith("HTTP/1.1 200 "))) << path;
  }
}

TEST_F(MetricsEndpointTest, SaysThatAPortIsInUse) {
  const std::string taken = absl::StrCat("127.0.0.1:", endpoint->port());
  const auto second = MetricsEndpoint::Start(taken, metrics.all, Front);
  ASSERT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr(taken), HasSubstr("Address already in use")));
}

TEST_F(MetricsEndpointTest, GivesItsPortBack) {
  const std::string taken = absl::StrCat("127.0.0.1:", endpoint->port());
  endpoint.reset();
  EXPECT_TRUE(MetricsEndpoint::Start(taken, metrics.all, Front).ok());
}

TEST(MetricsEndpoint, SaysThatAHostIsNotThisMachines) {
  ServerMetrics metrics;
  const auto endpoint = MetricsEndpoint::Start("192.0.2.1:0", metrics.all, Front);  // RFC 5737
  EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kUnavailable) << endpoint.status();
}

}  // namespace
}  // namespace derin::server
