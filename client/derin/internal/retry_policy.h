#pragma once

namespace derin::client::internal {

// gRPC's service config with which calls that may be made twice are, up to five times, when the
// server is not there: proto/derin/v1/retry_policy.json, which serves clients in any language.
extern const char kRetryPolicy[];

}  // namespace derin::client::internal
