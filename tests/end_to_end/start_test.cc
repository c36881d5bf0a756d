#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <string>

#include "server_test.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

class Start : public ServerTest {
 protected:
  // Starts with options that cannot work, and expects that nothing is left behind.
  absl::Status Fail() {
    const auto entries = [this] {
      return std::distance(std::filesystem::directory_iterator(folder_.path()), {});
    };
    const auto before = entries();
    const absl::Status status = Server::Start(options_).status();
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(entries(), before);
    return status;
  }
};

TEST_F(Start, APortInUseIsAClearError) {
  StartServer();
  options_.data_directory = folder_.path() / "second";
  options_.listen = server_->address();
  const absl::Status status = Fail();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(server_->address()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("already in use"));
}

TEST_F(Start, AMetricsPortInUseIsAClearError) {
  StartServer();
  options_.data_directory = folder_.path() / "second";
  options_.metrics_listen = server_->address();
  EXPECT_THAT(std::string(Fail().message()), HasSubstr(server_->address()));
}

TEST_F(Start, ADataDirectoryInUseIsAClearError) {
  StartServer();
  const absl::Status status = Fail();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("in use"));
}

TEST_F(Start, ADataDirectoryThatCannotBeMadeIsAClearError) {
  std::ofstream(folder_.path() / "file") << "no folder";
  options_.data_directory = folder_.path() / "file" / "data";
  EXPECT_THAT(std::string(Fail().message()), HasSubstr("data"));
}

TEST_F(Start, AnUnknownDeviceIsAClearErrorThatNamesTheKnownOnes) {
  options_.device = "abacus";
  const std::string message(Fail().message());
  EXPECT_THAT(message, HasSubstr("abacus"));
  EXPECT_THAT(message, HasSubstr("reference"));
}

TEST_F(Start, AddressesThatMakeNoSenseAreRefused) {
  for (const char* listen : {"", "127.0.0.1", "127.0.0.1:", ":50051", "127.0.0.1:70000", "::1:5",
                             "127.0.0.1:http", "unix:"}) {
    options_.listen = listen;
    options_.allow_insecure_remote = true;
    EXPECT_NE(Fail().message(), "") << listen;
  }
  options_.listen = "127.0.0.1:0";
  for (const char* listen :
       {"127.0.0.1", "127.0.0.1:65536", "127.0.0.1:0,127.0.0.2:0", "a,b:0", "unix:/tmp/metrics"}) {
    options_.metrics_listen = listen;
    EXPECT_NE(Fail().message(), "") << listen;
  }
}

TEST_F(Start, OtherMachinesAreNotLetInUnlessAskedTo) {
  for (const char* listen : {"0.0.0.0:0", "[::]:0", "192.0.2.1:50051"}) {
    options_.listen = listen;
    EXPECT_THAT(std::string(Fail().message()), HasSubstr("--allow-insecure-remote"));
  }
  options_.listen = "127.0.0.1:0";
  for (const char* listen : {"0.0.0.0:0", "[::]:0", "192.0.2.1:9464"}) {
    options_.metrics_listen = listen;
    EXPECT_THAT(std::string(Fail().message()), HasSubstr("--allow-insecure-remote")) << listen;
  }
  options_.listen = options_.metrics_listen = "0.0.0.0:0";
  options_.allow_insecure_remote = true;
  StartServer();
}

TEST_F(Start, AStoppedServerLeavesItsPortAndItsDataToTheNext) {
  StartServer();
  options_.listen = server_->address();
  Restart();
}

}  // namespace
}  // namespace derin::server
