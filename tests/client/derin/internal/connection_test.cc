#include "derin/internal/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/client/fake_server.h"

namespace derin::client::internal {
namespace {

using ::derin::testing::FakeServer;
using ::derin::testing::Message;
using ::testing::HasSubstr;

TEST(Connection, RefusesAnAddressBeforeItTriesIt) {
  const auto connection = Connection::Open({.address = "nowhere"});
  EXPECT_EQ(connection.status().code(), absl::StatusCode::kInvalidArgument);
}

// A port that takes connections and never says a word.
class SilentPort {
 public:
  SilentPort() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(socket_, generic, size), 0);
    EXPECT_EQ(listen(socket_, 8), 0);
    EXPECT_EQ(getsockname(socket_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentPort() { close(socket_); }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  int socket_;
  int port_ = 0;
};

TEST(Connection, SaysHowLongItWaited) {
  const SilentPort port;
  const auto connection =
      Connection::Open({.address = port.address(), .connect_timeout = absl::Milliseconds(20)});
  ASSERT_EQ(connection.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(connection.status()), HasSubstr("waited 20ms"));
}

TEST(Connection, CallsAMethodByItsStub) {
  FakeServer server;
  server.answers().get_corpus = [](const v1::GetCorpusRequest& request, v1::Corpus& corpus) {
    corpus.set_name(request.name());
    return grpc::Status::OK;
  };
  const auto connection = Connection::Open({.address = server.address()});
  ASSERT_TRUE(connection.ok()) << connection.status();
  v1::GetCorpusRequest request;
  request.set_name("corpora/a");
  const auto corpus =
      (*connection)->Call((*connection)->corpora(), &v1::CorpusService::Stub::GetCorpus, request);
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_EQ(corpus->name(), "corpora/a");
}

TEST(Connection, WaitsForTheTimeItIsToldWhileTheServerIsThere) {
  FakeServer server;
  const auto connection = Connection::Open({.address = server.address()});
  ASSERT_TRUE(connection.ok());
  EXPECT_TRUE((*connection)->AwaitReconnection(absl::ZeroDuration(), nullptr));
}

TEST(Connection, StopsWaitingForAServerWhenItIsCancelled) {
  FakeServer server;
  const auto connection = Connection::Open({.address = server.address()});
  ASSERT_TRUE(connection.ok());
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_FALSE((*connection)->AwaitReconnection(absl::InfiniteDuration(), &cancellation));
  server.Stop();
  EXPECT_FALSE((*connection)->AwaitReconnection(absl::InfiniteDuration(), &cancellation));
}

TEST(CancellationScope, CancelsItsContextOnlyWhileItLives) {
  Cancellation cancellation;
  grpc::ClientContext context;
  { const CancellationScope scope(&cancellation, context); }
  // Would touch a context that is no longer the scope's.
  cancellation.Cancel();
  const CancellationScope without(nullptr, context);
}

}  // namespace
}  // namespace derin::client::internal
