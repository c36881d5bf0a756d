#include "server/rpc/server_service.h"

#include <utility>

#include "server/registry/proto_conversion.h"
#include "server/rpc/page.h"
#include "server/rpc/unary.h"
#include "server/storage/proto_time.h"

namespace derin::server {
namespace {

v1::Usage ToProto(const UsageLedger::Usage& from) {
  v1::Usage to;
  to.set_caller(from.caller);
  to.set_prompt_tokens(from.figures.prompt_tokens);
  to.set_generated_tokens(from.figures.generated_tokens);
  to.set_scored_tokens(from.figures.scored_tokens);
  to.set_trained_tokens(from.figures.trained_tokens);
  *to.mutable_call_time() = ToProtoDuration(from.figures.call_time);
  *to.mutable_training_time() = ToProtoDuration(from.figures.training_time);
  to.set_stored_bytes(from.stored_bytes);
  return to;
}

}  // namespace

ServerService::ServerService(Admission& admission, const Backend& backend, UsageLedger& usage,
                             ServerFacts facts, std::function<v1::Load()> load)
    : admission_(admission),
      backend_(backend),
      usage_(usage),
      facts_(std::move(facts)),
      load_(std::move(load)) {}

grpc::ServerUnaryReactor* ServerService::GetServerInfo(grpc::CallbackServerContext* context,
                                                       const v1::GetServerInfoRequest* /*request*/,
                                                       v1::ServerInfo* response) {
  return AnswerUnary(context, admission_, "ServerService/GetServerInfo", response,
                     [this](const Caller&) -> absl::StatusOr<v1::ServerInfo> { return Info(); });
}

grpc::ServerUnaryReactor* ServerService::ListUsage(grpc::CallbackServerContext* context,
                                                   const v1::ListUsageRequest* request,
                                                   v1::ListUsageResponse* response) {
  return AnswerUnary(context, admission_, "ServerService/ListUsage", response,
                     [=, this](const Caller& caller) { return Usage(*request, caller); });
}

absl::StatusOr<v1::ListUsageResponse> ServerService::Usage(const v1::ListUsageRequest& request,
                                                           const Caller& caller) {
  absl::StatusOr<Page> page = ParsePage(request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  Listing<UsageLedger::Usage> listing;
  if (caller.roles.Has(Role::kAdmin)) {
    auto listed = usage_.List(page->after, page->size);
    if (!listed.ok()) return listed.status();
    listing = *std::move(listed);
  } else {
    auto own = usage_.Get(caller.name);
    if (!own.ok()) return own.status();
    listing.items.push_back(*std::move(own));
  }
  v1::ListUsageResponse response;
  for (const UsageLedger::Usage& one : listing.items) *response.add_usage() = ToProto(one);
  response.set_next_page_token(PageToken(listing.next));
  return response;
}

v1::ServerInfo ServerService::Info() const {
  v1::ServerInfo info;
  info.set_version(facts_.version);
  info.set_server_id(facts_.server_id);
  *info.mutable_start_time() = ToTimestamp(facts_.start_time);
  v1::Device& device = *info.mutable_device();
  const Capabilities& capabilities = backend_.capabilities();
  device.set_backend(capabilities.backend);
  device.set_description(capabilities.device);
  device.set_engine_id(backend_.EngineId(Precision::kF32));
  device.set_free_bytes(backend_.FreeBytes());
  for (const Precision precision : OfferedPrecisions(capabilities.precisions)) {
    device.add_precisions(ToProto(precision));
  }
  device.set_instructions(capabilities.instructions);
  device.set_threads(capabilities.threads);
  device.set_total_bytes(capabilities.memory_bytes);
  device.set_failure(std::string(backend_.health().message()));
  *info.mutable_load() = load_();
  *info.mutable_limits() = facts_.limits;
  return info;
}

}  // namespace derin::server
