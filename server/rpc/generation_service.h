#pragma once

#include <cstdint>
#include <memory>

#include "derin/v1/generation.grpc.pb.h"
#include "server/generation/generation_engine.h"
#include "server/generation/session_store.h"
#include "server/registry/model_registry.h"
#include "server/rpc/admission.h"

namespace derin::server {

// Sessions and streams of text over gRPC.
class GenerationService final : public v1::GenerationService::CallbackService {
 public:
  // All outlive the service. `max_prompt_bytes` bounds a request's prompt.
  GenerationService(Admission& admission, ModelRegistry& registry, SessionStore& sessions,
                    GenerationEngine& engine, int64_t max_prompt_bytes);

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override;
  grpc::ServerUnaryReactor* OpenSession(grpc::CallbackServerContext* context,
                                        const v1::OpenSessionRequest* request,
                                        v1::Session* response) override;
  grpc::ServerUnaryReactor* GetSession(grpc::CallbackServerContext* context,
                                       const v1::GetSessionRequest* request,
                                       v1::Session* response) override;
  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* context,
                                         const v1::ListSessionsRequest* request,
                                         v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* ForkSession(grpc::CallbackServerContext* context,
                                        const v1::ForkSessionRequest* request,
                                        v1::Session* response) override;
  grpc::ServerUnaryReactor* RewindSession(grpc::CallbackServerContext* context,
                                          const v1::RewindSessionRequest* request,
                                          v1::Session* response) override;
  grpc::ServerUnaryReactor* CloseSession(grpc::CallbackServerContext* context,
                                         const v1::CloseSessionRequest* request,
                                         google::protobuf::Empty* response) override;

 private:
  // The session that the request names, or one for this call alone.
  absl::StatusOr<std::shared_ptr<Session>> SessionFor(const v1::GenerateRequest& request,
                                                      const Caller& caller);
  // `status`, the reason why a call is refused; a session that was opened for it is closed.
  absl::Status Refused(const v1::GenerateRequest& request, const Session& session,
                       absl::Status status);
  // A call ready for the engine, in a session that was begun; `start` is what its first message
  // says.
  struct Prepared {
    GenerationRequest request;
    std::shared_ptr<Session> session;
    bool replays;
  };
  absl::StatusOr<Prepared> Prepare(const v1::GenerateRequest& request, const Caller& caller,
                                   v1::GenerateStart& start);
  grpc::ServerWriteReactor<v1::GenerateResponse>* Continue(AdmittedCall call,
                                                           const v1::GenerateRequest& request);
  // What runs the last call of the session up to the position; null when it is there already.
  absl::StatusOr<std::shared_ptr<Generation>> PrepareRewind(const v1::RewindSessionRequest& request,
                                                            const Caller& caller, StreamSink* sink,
                                                            v1::Session& session);
  absl::StatusOr<v1::Session> Open(const v1::OpenSessionRequest& request, const Caller& caller);
  absl::StatusOr<v1::ListSessionsResponse> List(const v1::ListSessionsRequest& request,
                                                const Caller& caller);

  Admission& admission_;
  ModelRegistry& registry_;
  SessionStore& sessions_;
  GenerationEngine& engine_;
  const int64_t max_prompt_bytes_;
};

}  // namespace derin::server
