#include "server/rpc/status_mapping.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "model/text/utf8.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

// gRPC percent-encodes the message (each byte of a character beyond ASCII becomes three) and
// base64s the details, which repeat it: these bounds keep both together below 6 KiB.
constexpr size_t kMaxMessageBytes = 1000;
constexpr size_t kMaxDescriptionBytes = 250;
constexpr size_t kMaxFieldBytes = 150;

// At most `max_bytes` of `text` and an ellipsis, as valid UTF-8.
std::string Cut(std::string_view text, size_t max_bytes) {
  Utf8Assembler assembler;
  std::string valid = assembler.Append(text.substr(0, 2 * max_bytes));
  valid += assembler.Flush();
  if (valid.size() <= max_bytes) return valid;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(valid[end]) & 0xC0) == 0x80) --end;
  return valid.substr(0, end) + "...";
}

std::string Reason(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  return reason.empty() ? absl::StatusCodeToString(status.code()) : reason;
}

google::rpc::Status Details(const absl::Status& status, const std::string& message) {
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);

  google::rpc::ErrorInfo info;
  info.set_reason(Cut(Reason(status), kMaxFieldBytes));
  info.set_domain("derin");
  details.add_details()->PackFrom(info);

  if (const std::string field = ErrorField(status); !field.empty()) {
    google::rpc::BadRequest bad_request;
    google::rpc::BadRequest::FieldViolation& violation = *bad_request.add_field_violations();
    violation.set_field(Cut(field, kMaxFieldBytes));
    violation.set_description(Cut(message, kMaxDescriptionBytes));
    details.add_details()->PackFrom(bad_request);
  }
  if (const std::optional<absl::Duration> delay = ErrorRetryDelay(status); delay.has_value()) {
    google::rpc::RetryInfo retry;
    const int64_t nanoseconds = absl::ToInt64Nanoseconds(*delay);
    retry.mutable_retry_delay()->set_seconds(nanoseconds / 1'000'000'000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(nanoseconds % 1'000'000'000));
    details.add_details()->PackFrom(retry);
  }
  return details;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message =
      Cut({status.message().data(), status.message().size()}, kMaxMessageBytes);
  if (absl::IsInternal(status) || absl::IsUnknown(status)) {
    spdlog::error("A call failed: {}", message);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      Details(status, message).SerializeAsString());
}

}  // namespace derin::server
