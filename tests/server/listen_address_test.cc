#include "server/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

ListenAddress Parse(const std::string& text) {
  absl::StatusOr<ListenAddress> address = ParseListenAddress(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.ok() ? *address : ListenAddress();
}

TEST(ListenAddress, ReadsHostsAndPorts) {
  EXPECT_EQ(Parse("127.0.0.1:50051").host, "127.0.0.1");
  EXPECT_EQ(Parse("127.0.0.1:50051").port, 50051);
  EXPECT_EQ(Parse("[::1]:0").host, "::1");
  EXPECT_EQ(Parse("unix:/run/derin").path, "/run/derin");
}

TEST(ListenAddress, WritesWhatItReads) {
  for (const char* text : {"127.0.0.1:50051", "localhost:0", "[::1]:65535", "unix:/run/derin"}) {
    EXPECT_EQ(Parse(text).ToString(), text);
  }
}

TEST(ListenAddress, RefusesWhatIsNone) {
  for (const char* text : {"", ":", "host", "host:", ":1", "host:65536", "host:-1", "host:1a",
                           "::1:5", "[::1]", "[host]:5", "unix:"}) {
    const absl::Status status = ParseListenAddress(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("HOST:PORT"));
  }
}

TEST(ListenAddress, KnowsWhatOnlyThisMachineReaches) {
  for (const char* text : {"127.0.0.1:1", "127.8.9.10:1", "localhost:1", "[::1]:1", "unix:/x"}) {
    EXPECT_TRUE(IsLocal(Parse(text))) << text;
  }
  for (const char* text : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.org:1", "128.0.0.1:1"}) {
    EXPECT_FALSE(IsLocal(Parse(text))) << text;
  }
}

class UnixSocket : public ::testing::Test {
 protected:
  UnixSocket() { address_.path = folder_.path() / "socket"; }

  const TemporaryFolder folder_;
  ListenAddress address_;
};

TEST_F(UnixSocket, CanBeMadeWhereThereIsAFolder) {
  EXPECT_TRUE(CheckCanListen(address_).ok());
  EXPECT_FALSE(std::filesystem::exists(address_.path));
  address_.path = folder_.path() / "none" / "socket";
  EXPECT_EQ(CheckCanListen(address_).code(), absl::StatusCode::kUnavailable);
}

TEST_F(UnixSocket, IsNotTakenFromAServerThatListens) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  address_.path.copy(name.sun_path, address_.path.size());
  ASSERT_EQ(bind(socket, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  ASSERT_EQ(listen(socket, 1), 0);
  EXPECT_EQ(CheckCanListen(address_).code(), absl::StatusCode::kUnavailable);
  close(socket);
  // What a killed server leaves behind is in nobody's way.
  EXPECT_TRUE(CheckCanListen(address_).ok());
}

TEST_F(UnixSocket, DoesNotReplaceAFile) {
  std::ofstream(address_.path) << "precious";
  EXPECT_EQ(CheckCanListen(address_).code(), absl::StatusCode::kUnavailable);
}

TEST_F(UnixSocket, HasAPathThatFits) {
  address_.path = folder_.path() / std::string(200, 'a');
  EXPECT_THAT(std::string(CheckCanListen(address_).message()), HasSubstr("107"));
}

}  // namespace
}  // namespace derin::server
