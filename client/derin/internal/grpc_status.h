#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"

namespace derin::client::internal {

// The status of a call to the server at `address`: code and message as sent, the google.rpc
// messages of its details as payloads. What gRPC itself reports (no connection, no answer in time,
// an unknown method) is said again in words that help, with the address. CANCELLED without details
// is the server's doing and becomes UNAVAILABLE: who cancels a call himself knows that.
absl::Status FromGrpc(const grpc::Status& status, std::string_view address);

// UNAVAILABLE that says what to do; `cause` may be empty.
absl::Status Unreachable(std::string_view address, std::string_view cause);

}  // namespace derin::client::internal
