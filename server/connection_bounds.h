#pragma once

#include <grpcpp/server_builder.h>

#include "server/server_options.h"

namespace derin::server {

// Has gRPC refuse or end what a client may not do, whoever it is, before anything of ours sees it:
// messages and metadata that are too large, calls beyond those of one connection, connections that
// do not begin, fall silent or ask too often whether the server is there.
void BoundConnections(const ServerOptions& options, grpc::ServerBuilder& builder);

}  // namespace derin::server
