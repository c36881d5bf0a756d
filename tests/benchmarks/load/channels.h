#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace derin {

// So many connections to `server`, each its own: channels of the same settings would share one.
std::vector<std::shared_ptr<grpc::Channel>> OpenChannels(const std::string& server, int count);

// False when one of them does not stand within `timeout`.
bool AwaitConnected(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
                    absl::Duration timeout);

// The code's name, and the reason of a google.rpc.ErrorInfo behind it; empty when it is OK.
std::string ErrorName(const grpc::Status& status);

}  // namespace derin
