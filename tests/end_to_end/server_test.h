#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "server/server.h"
#include "tests/temporary_folder.h"

namespace derin::server {

// Tests of a whole server in this process, on a free port, with data of its own.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest();

  // With `options_`, which tests change before.
  void StartServer();
  void StopServer();
  void Restart() {
    StopServer();
    StartServer();
  }
  std::shared_ptr<grpc::Channel> NewChannel() const;

  TemporaryFolder folder_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

// A call's context, which gives up before the test's own limit.
class TestContext : public grpc::ClientContext {
 public:
  TestContext();
};

// Calls any method with serialised messages; of a stream of replies there must be one.
struct RawReply {
  grpc::Status status;
  std::string message;
};
RawReply CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                 const std::string& request);

// What grpc.health.v1 says of `service`: 1 when it serves, 2 when it does not, 0 when it says an
// error.
int Health(const std::shared_ptr<grpc::Channel>& channel, const std::string& service);

// All that an HTTP server at `address`, 127.0.0.1:PORT, answers to GET `path` with `headers`, each
// with its line's end; empty when it does not.
std::string HttpGet(const std::string& address, const std::string& path,
                    const std::string& headers = "");

// The machine-readable parts of an error; empty where there are none.
std::string ReasonOf(const grpc::Status& status);
std::string FieldOf(const grpc::Status& status);

}  // namespace derin::server
