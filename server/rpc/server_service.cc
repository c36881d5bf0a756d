#include "server/rpc/server_service.h"

#include <utility>

#include "server/registry/proto_conversion.h"
#include "server/rpc/unary.h"
#include "server/storage/proto_time.h"

namespace derin::server {

ServerService::ServerService(Admission& admission, const Backend& backend, ServerFacts facts,
                             std::function<v1::Load()> load)
    : admission_(admission), backend_(backend), facts_(std::move(facts)), load_(std::move(load)) {}

grpc::ServerUnaryReactor* ServerService::GetServerInfo(grpc::CallbackServerContext* context,
                                                       const v1::GetServerInfoRequest* /*request*/,
                                                       v1::ServerInfo* response) {
  return AnswerUnary(context, admission_, "ServerService/GetServerInfo", response,
                     [this](const Caller&) -> absl::StatusOr<v1::ServerInfo> { return Info(); });
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
