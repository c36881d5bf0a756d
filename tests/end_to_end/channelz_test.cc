// gRPC's view of its own connections, at a socket of its own.

#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>
#include <string>
#include <vector>

#include "derind_process.h"
#include "server_test.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

constexpr char kGetServers[] = "/grpc.channelz.v1.Channelz/GetServers";

class Channelz : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) { return folder_.path() / name; }
  Derind Start(std::vector<std::string> more) {
    std::vector<std::string> arguments = {
        "--listen",   "127.0.0.1:0", "--metrics-listen", "",         "--port-file",
        Path("port"), "--data-dir",  Path("data"),       "--device", "reference"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Derind(arguments);
  }
  static std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
    return grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  }

  TemporaryFolder folder_;
};

TEST_F(Channelz, IsAtItsOwnSocketAndNowhereElse) {
  Derind derind = Start({"--channelz-listen", "unix:" + Path("channelz")});
  derind.AwaitOutput("serves on");
  std::string kind, address;
  std::ifstream(Path("port")) >> kind >> address;
  EXPECT_EQ(CallRaw(ChannelTo(address), kGetServers, "").status.error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  const RawReply servers = CallRaw(ChannelTo("unix:" + Path("channelz")), kGetServers, "");
  EXPECT_TRUE(servers.status.ok()) << servers.status.error_message();
  EXPECT_NE(servers.message, "");
  // Work is elsewhere.
  EXPECT_EQ(
      CallRaw(ChannelTo("unix:" + Path("channelz")), "/derin.v1.ServerService/GetServerInfo", "")
          .status.error_code(),
      grpc::StatusCode::UNIMPLEMENTED);
  derind.Kill(SIGTERM);
  EXPECT_EQ(derind.ExitStatus(), 0);
}

TEST_F(Channelz, IsNeverAtAPort) {
  Derind derind = Start({"--channelz-listen", "127.0.0.1:0"});
  EXPECT_EQ(derind.ExitStatus(), 1);
  EXPECT_THAT(derind.printed(), HasSubstr("--channelz-listen: got address"));
}

}  // namespace
}  // namespace derin::server
