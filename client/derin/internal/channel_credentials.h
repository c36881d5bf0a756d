#pragma once

#include <grpcpp/security/credentials.h>

#include <memory>

#include "absl/status/statusor.h"
#include "derin/client/client.h"

namespace derin::client::internal {

// What a connection needs to be made as `options` say. INVALID_ARGUMENT when the files are not
// readable or do not go together.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> NewChannelCredentials(
    const ConnectOptions& options);

}  // namespace derin::client::internal
