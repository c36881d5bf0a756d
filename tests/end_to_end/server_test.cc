#include "server_test.h"

#include <arpa/inet.h>
#include <grpcpp/generic/generic_stub.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/notification.h"
#include "google/rpc/status.pb.h"

namespace derin::server {
namespace {

template <typename Message>
std::optional<Message> Detail(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const google::protobuf::Any& any : details.details()) {
    if (Message message; any.UnpackTo(&message)) return message;
  }
  return std::nullopt;
}

}  // namespace

ServerTest::ServerTest() {
  options_.listen = "127.0.0.1:0";
  options_.metrics_listen = "";
  options_.data_directory = folder_.path() / "data";
  options_.device = "reference";
}

void ServerTest::StartServer() {
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  channel_ = NewChannel();
}

void ServerTest::StopServer() {
  channel_.reset();
  server_.reset();
}

std::shared_ptr<grpc::Channel> ServerTest::NewChannel() const {
  return grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
}

TestContext::TestContext() {
  set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
}

RawReply CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                 const std::string& request) {
  const grpc::Slice sent(request);
  const grpc::ByteBuffer message(&sent, 1);
  grpc::ByteBuffer answer;
  TestContext context;
  RawReply reply;
  absl::Notification done;
  grpc::GenericStub(channel).UnaryCall(&context, method, grpc::StubOptions(), &message, &answer,
                                       [&](grpc::Status status) {
                                         reply.status = std::move(status);
                                         done.Notify();
                                       });
  done.WaitForNotification();
  std::vector<grpc::Slice> slices;
  if (reply.status.ok() && answer.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) {
      reply.message.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  return reply;
}

int Health(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  // HealthCheckRequest has the service as field 1, HealthCheckResponse the status as field 1.
  std::string request;
  if (!service.empty()) {
    request = std::string("\x0a") + static_cast<char>(service.size()) + service;
  }
  const RawReply reply = CallRaw(channel, "/grpc.health.v1.Health/Check", request);
  return reply.status.ok() && reply.message.size() == 2 ? reply.message[1] : 0;
}

std::string HttpGet(const std::string& address, const std::string& path,
                    const std::string& headers) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(std::stoi(address.substr(address.rfind(':') + 1)));
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const absl::Cleanup close = [socket] { ::close(socket); };
  const std::string request = "GET " + path + " HTTP/1.0\r\n" + headers + "\r\n";
  std::string answer;
  if (connect(socket, reinterpret_cast<sockaddr*>(&name), sizeof(name)) != 0 ||
      send(socket, request.data(), request.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(request.size())) {
    return answer;
  }
  char buffer[4096];
  for (ssize_t got; (got = recv(socket, buffer, sizeof(buffer), 0)) > 0;)
    answer.append(buffer, got);
  return answer;
}

std::string ReasonOf(const grpc::Status& status) {
  const auto info = Detail<google::rpc::ErrorInfo>(status);
  return info.has_value() && info->domain() == "derin" ? info->reason() : "";
}

std::string FieldOf(const grpc::Status& status) {
  const auto request = Detail<google::rpc::BadRequest>(status);
  return request.has_value() && request->field_violations_size() == 1
             ? request->field_violations(0).field()
             : "";
}

}  // namespace derin::server
