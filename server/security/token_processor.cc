#include "server/security/token_processor.h"

#include <string>
#include <string_view>

#include "server/logging/trace_context.h"
#include "server/security/method_rule.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

// As the metrics have it: `CorpusService/GetCorpus` of `/derin.v1.CorpusService/GetCorpus`.
std::string MetricsName(std::string_view path) {
  constexpr std::string_view kPackage = "/derin.v1.";
  if (path.substr(0, kPackage.size()) == kPackage) path.remove_prefix(kPackage.size());
  return std::string(path);
}

}  // namespace

grpc::Status TokenProcessor::Process(const InputMetadata& metadata, grpc::AuthContext* /*context*/,
                                     OutputMetadata* /*consumed*/, OutputMetadata* /*response*/) {
  const auto found = metadata.find(":path");
  const std::string_view path =
      found == metadata.end() ? "" : std::string_view(found->second.data(), found->second.size());
  const absl::Status status = callers_.Authorize(path, AuthorizationIn(metadata)).status();
  if (status.ok()) return grpc::Status::OK;
  // Only known methods: a label's values must stay few.
  const bool known = RuleOf(path) != nullptr;
  if (known) metrics_.CallIsOver(MetricsName(path), status);
  if (CallLog::Wanted()) {
    const std::string method = known ? MetricsName(path) : "unknown";
    const std::string reason = ErrorReason(status), trace_id = TraceIdIn(metadata);
    log_.Ended({.method = method,
                .caller = "",
                .code = status.code(),
                .reason = reason,
                .duration = absl::ZeroDuration(),
                .trace_id = trace_id});
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace derin::server
