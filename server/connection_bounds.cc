#include "server/connection_bounds.h"

#include <grpc/grpc.h>

#include <algorithm>

namespace derin::server {
namespace {

// The connection of a client that asked too soon three times is closed.
constexpr int kMaxPingStrikes = 2;

// gRPC takes 0 for a default of its own, or refuses it.
int Milliseconds(absl::Duration time) {
  return std::max(1, static_cast<int>(absl::ToInt64Milliseconds(time)));
}

}  // namespace

void BoundConnections(const ServerOptions& options, grpc::ServerBuilder& builder) {
  const auto set = [&builder](const char* argument, int value) {
    builder.AddChannelArgument(argument, value);
  };
  set(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_time));
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout));
  set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      static_cast<int>(absl::ToInt64Milliseconds(options.min_ping_interval)));
  set(GRPC_ARG_HTTP2_MAX_PING_STRIKES, kMaxPingStrikes);
  set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Milliseconds(options.handshake_timeout));
  set(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(options.max_metadata_bytes));
  set(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_calls_per_connection);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
}

}  // namespace derin::server
