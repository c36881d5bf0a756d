#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace derin::server {

// The one place where errors become gRPC's. The code keeps its number; the details carry a
// google.rpc.Status with
//   ErrorInfo   domain `derin` and the error's reason, or the code's name where it has none
//   BadRequest  where a field of the request is at fault
//   RetryInfo   where trying again makes sense
// Everything is valid UTF-8 and short enough for the trailers, however long the message was: beyond
// about 8 KiB gRPC 1.51 would replace the error by its own. An error that is the server's own fault
// (INTERNAL, UNKNOWN) is also logged, as nobody behind this sees it.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace derin::server
