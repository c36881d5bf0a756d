#pragma once

#include "absl/status/status.h"

namespace google::protobuf {
class Message;
}

namespace derin::client::internal {

// INVALID_ARGUMENT, naming the field and the byte, when a string in `request` is not UTF-8. gRPC
// would send it all the same, and the server could not parse it and would answer UNIMPLEMENTED.
absl::Status CheckUtf8(const google::protobuf::Message& request);

}  // namespace derin::client::internal
