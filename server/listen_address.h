#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace derin::server {

// Where a server listens.
struct ListenAddress {
  std::string host;  // a name or an address without brackets; empty for a Unix socket
  int port = 0;      // 0: any free one
  std::string path;  // of a Unix socket

  bool is_unix() const { return host.empty(); }
  // As it is written in flags and given to gRPC: `127.0.0.1:50051`, `[::1]:50051`,
  // `unix:/run/derin/socket`.
  std::string ToString() const;
};

// HOST:PORT, with an IPv6 address in brackets, or unix:PATH. INVALID_ARGUMENT with what was got and
// wanted.
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text);

// Whether only programs on this machine can reach it.
bool IsLocal(const ListenAddress& address);

// OK when a server could listen there now; else UNAVAILABLE with the system's words. gRPC only logs
// why it cannot, takes a Unix socket away from the server that has it, and finds out late.
absl::Status CheckCanListen(const ListenAddress& address);

}  // namespace derin::server
