#include "derin/client/client.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"
#include "derin/internal/list_all.h"

namespace derin::client {

using internal::FromProto;

absl::Status CheckAddress(std::string_view address) {
  constexpr std::string_view kUnix = "unix:";
  if (address.starts_with(kUnix) && address.size() > kUnix.size()) return absl::OkStatus();
  const size_t colon = address.rfind(':');
  int port = 0;
  // No host has a slash; `http://127.0.0.1:50051` does.
  if (colon != std::string_view::npos && colon > 0 && address.find('/') == std::string_view::npos &&
      absl::SimpleAtoi(std::string(address.substr(colon + 1)), &port) && port >= 1 &&
      port <= 65535) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("server address: got '", std::string(address),
                                                 "', wanted HOST:PORT or unix:PATH"));
}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const ConnectOptions& options) {
  auto connection = internal::Connection::Open(options);
  if (!connection.ok()) return connection.status();
  return std::unique_ptr<Client>(new Client(*std::move(connection)));
}

Client::Client(std::unique_ptr<internal::Connection> connection)
    : connection_(std::move(connection)) {}

Client::~Client() = default;

const std::string& Client::address() const { return connection_->address(); }

absl::StatusOr<ServerInfo> Client::GetServerInfo() {
  const auto reply =
      connection_->Call(connection_->server(), &derin::v1::ServerService::Stub::GetServerInfo,
                        derin::v1::GetServerInfoRequest());
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::StatusOr<std::vector<Usage>> Client::ListUsage() {
  derin::v1::ListUsageRequest request;
  return internal::ListAll(*connection_, connection_->server(),
                           &derin::v1::ServerService::Stub::ListUsage, request,
                           [](const auto& reply) -> const auto& { return reply.usage(); });
}

}  // namespace derin::client
