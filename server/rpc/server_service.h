#pragma once

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "derin/v1/server.grpc.pb.h"
#include "model/backend/backend.h"
#include "server/rpc/admission.h"
#include "server/usage/usage_ledger.h"

namespace derin::server {

// What stays the same while a server runs.
struct ServerFacts {
  std::string version;
  std::string server_id;
  absl::Time start_time;
  v1::Limits limits;
};

// Answers what this server is and what it is doing.
class ServerService final : public v1::ServerService::CallbackService {
 public:
  // `load` is called by any thread. All references outlive the service.
  ServerService(Admission& admission, const Backend& backend, UsageLedger& usage, ServerFacts facts,
                std::function<v1::Load()> load);

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const v1::GetServerInfoRequest* request,
                                          v1::ServerInfo* response) override;

  grpc::ServerUnaryReactor* ListUsage(grpc::CallbackServerContext* context,
                                      const v1::ListUsageRequest* request,
                                      v1::ListUsageResponse* response) override;

 private:
  v1::ServerInfo Info() const;
  absl::StatusOr<v1::ListUsageResponse> Usage(const v1::ListUsageRequest& request,
                                              const Caller& caller);

  Admission& admission_;
  const Backend& backend_;
  UsageLedger& usage_;
  const ServerFacts facts_;
  const std::function<v1::Load()> load_;
};

}  // namespace derin::server
