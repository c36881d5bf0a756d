#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "derind_process.h"
#include "tests/temporary_folder.h"

namespace derin::server {

// Where a derind of a test has its data and says its address.
class DerindTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.path() / name; }
  std::vector<std::string> Arguments(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {
        "--listen",   "127.0.0.1:0", "--metrics-listen", "",
        "--data-dir", Path("data"),  "--port-file",      Path("port")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(Path(name));
    return (std::stringstream() << file.rdbuf()).str();
  }
  std::shared_ptr<grpc::Channel> NewChannel() const {
    std::string kind, address;
    std::istringstream(Read("port")) >> kind >> address;
    return grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  }

  TemporaryFolder folder_;
};

}  // namespace derin::server
