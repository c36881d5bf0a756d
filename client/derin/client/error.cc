#include "derin/client/error.h"

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"

namespace derin::client {
namespace {

// The payload of type `Message`, whose full name is part of its type URL.
template <typename Message>
std::optional<Message> Detail(const absl::Status& status) {
  const std::string url = "type.googleapis.com/" + Message::descriptor()->full_name();
  const auto payload = status.GetPayload(url);
  if (!payload.has_value()) return std::nullopt;
  std::string bytes;
  absl::CopyCordToString(*payload, &bytes);
  Message message;
  if (!message.ParseFromString(bytes)) return std::nullopt;
  return message;
}

}  // namespace

std::string ErrorReason(const absl::Status& status) {
  const auto info = Detail<google::rpc::ErrorInfo>(status);
  return info.has_value() ? info->reason() : "";
}

std::string ErrorField(const absl::Status& status) {
  const auto request = Detail<google::rpc::BadRequest>(status);
  if (!request.has_value() || request->field_violations().empty()) return "";
  return request->field_violations(0).field();
}

std::optional<absl::Duration> ErrorRetryDelay(const absl::Status& status) {
  const auto retry = Detail<google::rpc::RetryInfo>(status);
  if (!retry.has_value() || !retry->has_retry_delay()) return std::nullopt;
  return absl::Seconds(retry->retry_delay().seconds()) +
         absl::Nanoseconds(retry->retry_delay().nanos());
}

}  // namespace derin::client
