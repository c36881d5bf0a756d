#pragma once

#include <grpcpp/server.h>

#include <memory>

#include "absl/status/statusor.h"
#include "server/listen_address.h"

namespace derin::server {

// Serves gRPC's own view of the connections and calls of this process, grpc.channelz.v1, at a Unix
// socket that only it has. Whoever may write to the socket may ask. UNAVAILABLE when nothing can
// listen there. Once in a process, and last: gRPC gives the service to every server that is built
// after it.
absl::StatusOr<std::unique_ptr<grpc::Server>> StartChannelz(const ListenAddress& address);

}  // namespace derin::server
