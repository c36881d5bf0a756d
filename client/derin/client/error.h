#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace derin::client {

// What an error from the server carries besides its code and message. It sits in the status as
// payloads under the type URLs of google.rpc, so it survives copies and can be read by others too.

// A cause for machines, UPPER_SNAKE_CASE, such as SESSION_BUSY; empty when there is none.
std::string ErrorReason(const absl::Status& status);

// The request's field that is wrong, such as `training_job.spec.batch`; empty when there is none.
std::string ErrorField(const absl::Status& status);

// How long to wait before trying again; nullopt when there is no hint.
std::optional<absl::Duration> ErrorRetryDelay(const absl::Status& status);

}  // namespace derin::client
