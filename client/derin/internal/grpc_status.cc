#include "derin/internal/grpc_status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace derin::client::internal {

namespace {

// gRPC says "failed to connect to all addresses; last error: UNKNOWN: ipv4:...: Connection
// refused".
std::string_view LastPart(std::string_view message) {
  const size_t colon = message.rfind(": ");
  return colon == std::string_view::npos ? message : message.substr(colon + 2);
}

// Why the two ends do not understand each other; empty when something else went wrong.
std::string WhyNotSecure(std::string_view message) {
  const auto says = [message](std::string_view part) {
    return message.find(part) != std::string_view::npos;
  };
  if (says("certificate verify failed")) {
    return "its certificate does not come from an authority that is trusted here (--tls-ca), or "
           "has expired";
  }
  if (says("is not in peer certificate")) return "its certificate names other hosts";
  if (says("wrong version number")) {
    return "it does not speak TLS: leave out --tls-ca and --tls-certificate";
  }
  if (says("Invalid cert chain file") || says("Invalid private key") ||
      says("Security handshaker creation failed")) {
    return "the files of --tls-ca, --tls-certificate and --tls-key are damaged or do not fit each "
           "other";
  }
  // All that is seen here of a handshake that the server refused.
  if (says("failed to connect") && (says("Socket closed") || says("Connection reset by peer"))) {
    return "it ended the connection at once: it may want TLS (--tls-ca), or a certificate that it "
           "knows (--tls-certificate, --tls-key)";
  }
  return "";
}

// Whether a server that is started on this machine may answer there.
bool IsOfThisMachine(std::string_view address) {
  for (const std::string_view here : {"unix:", "localhost:", "127.", "[::1]:"}) {
    if (address.starts_with(here)) return true;
  }
  return false;
}

}  // namespace

absl::Status Unreachable(std::string_view address, std::string_view cause) {
  const std::string at(address);
  std::string message = absl::StrCat("nothing answers at ", at);
  if (!cause.empty()) absl::StrAppend(&message, " (", std::string(cause), ")");
  absl::StrAppend(&message,
                  IsOfThisMachine(address)
                      ? absl::StrCat(": is derind running? start it with: derind --listen ", at)
                      : ": is derind running there?");
  return absl::UnavailableError(message);
}

absl::Status FromGrpc(const grpc::Status& status, std::string_view address) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status details;
  if (!status.error_details().empty() && details.ParseFromString(status.error_details()) &&
      details.details_size() > 0) {
    absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
    for (const google::protobuf::Any& detail : details.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
    return result;
  }
  const std::string at(address);
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      if (const std::string why = WhyNotSecure(status.error_message()); !why.empty()) {
        return absl::UnavailableError(
            absl::StrCat("no connection to the server at ", at, ": ", why));
      }
      return Unreachable(address, LastPart(status.error_message()));
    case grpc::StatusCode::CANCELLED:
      // A server that shuts down cancels what still runs.
      return absl::UnavailableError(
          absl::StrCat("the server at ", at, " ended the call; it may be stopping"));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::DeadlineExceededError(absl::StrCat(
          "the server at ", at, " did not answer in time (", status.error_message(), ")"));
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::UnimplementedError(absl::StrCat(
          "the server at ", at, " does not know this call; is it a derind of the same version? (",
          status.error_message(), ")"));
    default:
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                          status.error_message());
  }
}

}  // namespace derin::client::internal
