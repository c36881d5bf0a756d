#include "server/status/error.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_format.h"

namespace derin::server {
namespace {

// Type URLs of the payloads.
constexpr char kReason[] = "derin/reason";
constexpr char kField[] = "derin/field";
constexpr char kRetryDelay[] = "derin/retry-delay";

std::string Payload(const absl::Status& status, const char* type) {
  return std::string(status.GetPayload(type).value_or(absl::Cord()));
}

void SetPayload(absl::Status& status, const char* type, std::string_view value) {
  status.SetPayload(type, absl::Cord(absl::string_view(value.data(), value.size())));
}

}  // namespace

absl::Status Refusal(absl::StatusCode code, std::string_view reason, std::string_view message) {
  absl::Status status(code, absl::string_view(message.data(), message.size()));
  SetPayload(status, kReason, reason);
  return status;
}

absl::Status InvalidField(std::string_view field, std::string_view message) {
  absl::Status status = Refusal(absl::StatusCode::kInvalidArgument, "INVALID_FIELD",
                                absl::StrFormat("%s: %s", field, message));
  SetPayload(status, kField, field);
  return status;
}

absl::Status WithRetryAfter(absl::Status status, absl::Duration delay) {
  SetPayload(status, kRetryDelay, absl::FormatDuration(delay));
  return status;
}

absl::Status ServerStopping() {
  return WithRetryAfter(
      Refusal(absl::StatusCode::kUnavailable, "SERVER_STOPPING", "the server is stopping"),
      absl::Seconds(1));
}

absl::Status DeviceLost(const absl::Status& health) {
  return Refusal(absl::StatusCode::kUnavailable, "DEVICE_LOST",
                 absl::StrFormat("%s; the server has to be started again", health.message()));
}

std::string ErrorReason(const absl::Status& status) { return Payload(status, kReason); }

std::string ErrorField(const absl::Status& status) { return Payload(status, kField); }

std::optional<absl::Duration> ErrorRetryDelay(const absl::Status& status) {
  absl::Duration delay;
  if (!absl::ParseDuration(Payload(status, kRetryDelay), &delay)) return std::nullopt;
  return delay;
}

}  // namespace derin::server
