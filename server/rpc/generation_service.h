#pragma once

#include <cstdint>
#include <memory>

#include "derin/v1/generation.grpc.pb.h"
#include "server/generation/generation_engine.h"
#include "server/generation/session_store.h"
#include "server/rpc/admission.h"

namespace derin::server {

class ContinuationsReactor;

// Sessions and streams of text over gRPC.
class GenerationService final : public v1::GenerationService::CallbackService {
 public:
  struct Limits {
    int64_t max_prompt_bytes = 0;  // of a request
    absl::Duration time_to_live;   // of a session that no call uses
  };
  // All outlive the service.
  GenerationService(Admission& admission, SessionStore& sessions, GenerationEngine& engine,
                    const Limits& limits);

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
  grpc::ServerUnaryReactor* ExportSession(grpc::CallbackServerContext* context,
                                          const v1::ExportSessionRequest* request,
                                          v1::ExportSessionResponse* response) override;
  grpc::ServerUnaryReactor* ImportSession(grpc::CallbackServerContext* context,
                                          const v1::ImportSessionRequest* request,
                                          v1::Session* response) override;

 private:
  // The session that the request names, or one for this call alone.
  absl::StatusOr<SessionStore::Acquired> SessionFor(const v1::GenerateRequest& request,
                                                    const Caller& caller);
  // `status`, the reason why a call is refused; a session that was opened for it is closed.
  absl::Status Refused(const v1::GenerateRequest& request, const Session& session,
                       absl::Status status);
  // A call ready for the engine, in a session that was begun; `start` is what its first message
  // says.
  struct Prepared {
    GenerationRequest request;
    std::shared_ptr<Session> session;
    std::shared_ptr<const SessionImage> begin;  // of the last call, when this is it once more
  };
  absl::StatusOr<Prepared> Prepare(const v1::GenerateRequest& request, const Caller& caller,
                                   v1::GenerateStart& start);
  // A call for several texts.
  void Continue(ContinuationsReactor& reactor, const v1::GenerateRequest& request);
  // What runs the last call of the session up to the position; null when it is there already.
  absl::StatusOr<std::shared_ptr<Generation>> PrepareRewind(const v1::RewindSessionRequest& request,
                                                            const Caller& caller, StreamSink* sink,
                                                            v1::Session& session);
  absl::StatusOr<v1::Session> Open(const v1::OpenSessionRequest& request, const Caller& caller);
  absl::StatusOr<v1::ExportSessionResponse> Export(const v1::ExportSessionRequest& request,
                                                   const Caller& caller);
  absl::StatusOr<v1::Session> Import(const v1::ImportSessionRequest& request, const Caller& caller);
  absl::StatusOr<v1::ListSessionsResponse> List(const v1::ListSessionsRequest& request,
                                                const Caller& caller);

  Admission& admission_;
  SessionStore& sessions_;
  GenerationEngine& engine_;
  const Limits limits_;
};

}  // namespace derin::server
