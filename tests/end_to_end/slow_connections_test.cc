// Connections that hold a server's descriptors and never come to a call.

#include <grpc/support/log.h>
#include <sys/resource.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/certificates.h"
#include "tests/end_to_end/client_test_server.h"
#include "tests/end_to_end/raw_connection.h"

namespace derin::server {
namespace {

constexpr int kLongMs = 60'000;
// The first bytes of HTTP/2, and those of a TLS record that says that 512 bytes follow.
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view kClientHello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);

class SlowConnections : public ClientTest {
 protected:
  void SetUp() override {
    options_.handshake_timeout = absl::Milliseconds(300);
    // It reports each handshake that fails.
    gpr_set_log_function([](gpr_log_func_args*) {});
  }
  void StartWithTls() {
    const CertificateFiles files = authority_.Issue("server");
    options_.tls_certificate = files.certificate;
    options_.tls_key = files.key;
    StartServer();
  }

  // A byte now and then, as long as the server takes them.
  void ExpectClosedWhileItTrickles(std::string_view bytes) {
    RawConnection connection(server_->address());
    for (const char byte : bytes) {
      connection.Send(std::string_view(&byte, 1));
      if (connection.ClosedWithin(50)) return;
    }
    EXPECT_TRUE(connection.ClosedWithin(kLongMs));
  }
  void ExpectClosed(std::string_view bytes) {
    RawConnection connection(server_->address());
    connection.Send(bytes);
    EXPECT_TRUE(connection.ClosedWithin(kLongMs));
  }
  void ExpectGoodClientIsServed() {
    client::ConnectOptions options{.address = server_->address()};
    if (!options_.tls_certificate.empty()) options.tls_ca = authority_.file();
    const auto client = client::Client::Connect(options);
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_TRUE((*client)->GetServerInfo().ok());
  }
  static size_t OpenDescriptors() { return NamesIn("/proc/self/fd").size(); }

  TestAuthority authority_{folder_.path(), "authority"};
};

TEST_F(SlowConnections, ThoseThatDoNotBeginAreClosed) {
  StartServer();
  ExpectClosed("");
  ExpectClosed(kPreface.substr(0, 10));
  ExpectClosed(kPreface);
  ExpectClosedWhileItTrickles(kPreface);
  ExpectGoodClientIsServed();
}

TEST_F(SlowConnections, ThoseWhoseTlsHandshakeDoesNotEndAreClosed) {
  StartWithTls();
  ExpectClosed("");
  ExpectClosed(kClientHello);
  ExpectClosedWhileItTrickles(kClientHello);
  ExpectGoodClientIsServed();
}

TEST_F(SlowConnections, AThousandHalfOpenOnesHoldUpNobodyAndLeaveNoDescriptors) {
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  // Both ends of each are this process's.
  if (limit.rlim_max < 2500) GTEST_SKIP() << "may open " << limit.rlim_max << " descriptors only";
  StartWithTls();
  ExpectGoodClientIsServed();
  const size_t before = OpenDescriptors();
  {
    std::vector<RawConnection> connections;
    for (int i = 0; i < 1000; ++i) {
      connections.emplace_back(server_->address()).Send(kClientHello.substr(0, i % 12));
    }
    ExpectGoodClientIsServed();
    for (RawConnection& connection : connections) ASSERT_TRUE(connection.ClosedWithin(kLongMs));
    ExpectGoodClientIsServed();
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (OpenDescriptors() > before + 10 && absl::Now() < deadline) {
  }
  EXPECT_LE(OpenDescriptors(), before + 10);
}

}  // namespace
}  // namespace derin::server
