#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "model/text/quoted.h"

namespace derin::server {

// What an error carries besides its code and message, as payloads of absl::Status;
// rpc/status_mapping turns them into google.rpc messages.

// An error with a reason for machines, UPPER_SNAKE_CASE: `Refusal(kAborted, "SESSION_BUSY",
// "...")`.
absl::Status Refusal(absl::StatusCode code, std::string_view reason, std::string_view message);

// INVALID_ARGUMENT that names the field of the request, such as `training_job.spec.batch`; the
// message begins with it. Reason INVALID_FIELD.
absl::Status InvalidField(std::string_view field, std::string_view message);

// `status` with a hint when to try again.
absl::Status WithRetryAfter(absl::Status status, absl::Duration delay);

// What a server that stops answers to whatever it does not begin any more: UNAVAILABLE, reason
// SERVER_STOPPING, with a hint when to try its successor.
absl::Status ServerStopping();

// What is answered to whatever wants a device that is of no use any more: UNAVAILABLE, reason
// DEVICE_LOST. `health` is what Backend::health says.
absl::Status DeviceLost(const absl::Status& health);

// Empty or nullopt when there is none.
std::string ErrorReason(const absl::Status& status);
std::string ErrorField(const absl::Status& status);
std::optional<absl::Duration> ErrorRetryDelay(const absl::Status& status);

// What was got, as an error message shows it.
using derin::Quoted;

}  // namespace derin::server
