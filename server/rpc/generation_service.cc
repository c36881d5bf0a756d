#include "server/rpc/generation_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/rpc/generate_request.h"
#include "server/rpc/page.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/unary.h"
#include "server/storage/proto_time.h"
#include "server/storage/random_id.h"

namespace derin::server {
namespace {

// One stream of text on its way to one client. The engine's writer hands it a piece at a time; it
// destroys itself after the last.
class GenerateReactor final : public grpc::ServerWriteReactor<v1::GenerateResponse>,
                              public StreamSink {
 public:
  GenerateReactor(AdmittedCall call, GenerationEngine& engine)
      : call_(std::move(call)), engine_(engine) {}

  const Caller& caller() const { return call_.caller(); }
  v1::GenerateStart& start() { return *message_.mutable_start(); }

  // Before any text: the call was refused.
  void Refuse(const absl::Status& status) { Finish(call_.End(status)); }

  // The engine takes over; from here on this object may go at any time. After an error it has not
  // begun, and is to be refused.
  absl::Status Run(std::shared_ptr<Generation> generation) {
    generation_ = generation;
    return engine_.Start(std::move(generation));
  }

  void Send(StreamPiece piece) override {
    message_.set_text(std::move(piece.text));
    message_.mutable_tokens()->Assign(piece.tokens.begin(), piece.tokens.end());
    for (const auto& ranking : piece.rankings) {
      v1::DrawnLogProbability& drawn = *message_.add_log_probabilities();
      drawn.set_log_probability(ranking.front().log_probability);
      for (const TokenLogProbability& one : absl::MakeConstSpan(ranking).subspan(1)) {
        if (one.token < 0) break;  // the vocabulary has no more
        v1::TokenLogProbability& top = *drawn.add_most_probable();
        top.set_token(one.token);
        top.set_log_probability(one.log_probability);
      }
    }
    if (!piece.end.has_value()) return StartWrite(&message_);
    // Nothing of this object may be touched after a Finish.
    const grpc::Status status = call_.End(piece.end->status());
    if (piece.end->ok()) {
      *message_.mutable_end() = **std::move(piece.end);
      return StartWriteAndFinish(&message_, grpc::WriteOptions(), status);
    }
    Finish(status);
  }

  void OnWriteDone(bool) override {
    message_.Clear();
    engine_.Written(generation_.get());
  }

  void OnCancel() override {
    if (generation_ == nullptr) return;
    generation_->Cancel();
    engine_.Wake();
  }

  void OnDone() override { delete this; }

 private:
  AdmittedCall call_;
  GenerationEngine& engine_;
  v1::GenerateResponse message_;
  std::shared_ptr<Generation> generation_;
};

// A call that never got in.
class RefusedReactor final : public grpc::ServerWriteReactor<v1::GenerateResponse> {
 public:
  explicit RefusedReactor(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

v1::Session ToProto(const Session& session) {
  v1::Session proto;
  proto.set_name(session.name());
  proto.set_model_version(session.version()->version.name());
  *proto.mutable_create_time() = ToTimestamp(session.create_time());
  proto.set_position(session.position());
  proto.set_seed(session.seed());
  proto.set_stream(session.stream());
  proto.set_engine_id(session.version()->engine_id);
  const absl::Time idle_since = session.idle_since();
  if (idle_since != absl::InfiniteFuture()) {
    *proto.mutable_idle_since() = ToTimestamp(idle_since);
  }
  return proto;
}

}  // namespace

GenerationService::GenerationService(Admission& admission, ModelRegistry& registry,
                                     SessionStore& sessions, GenerationEngine& engine,
                                     int64_t max_prompt_bytes)
    : admission_(admission),
      registry_(registry),
      sessions_(sessions),
      engine_(engine),
      max_prompt_bytes_(max_prompt_bytes) {}

absl::StatusOr<std::shared_ptr<Session>> GenerationService::SessionFor(
    const v1::GenerateRequest& request, const Caller& caller) {
  if (request.source_case() == v1::GenerateRequest::kSession) {
    return sessions_.Find(request.session(), caller.name, "session");
  }
  auto version = registry_.Resolve(request.model(), "model");
  if (!version.ok()) return version.status();
  if (request.open_session()) {
    return sessions_.Open(*std::move(version), caller.name,
                          request.has_seed() ? request.seed() : RandomBits());
  }
  return sessions_.OpenForOneCall(*std::move(version), caller.name, RandomBits());
}

absl::Status GenerationService::Refused(const v1::GenerateRequest& request, const Session& session,
                                        absl::Status status) {
  // Nobody knows the name of a session that was opened for a call that is refused.
  if (request.open_session()) sessions_.Close(session.name(), session.owner()).IgnoreError();
  return status;
}

absl::StatusOr<std::shared_ptr<Generation>> GenerationService::Prepare(
    const v1::GenerateRequest& request, const Caller& caller, StreamSink* sink,
    v1::GenerateStart& start) {
  const absl::Duration arrival = engine_.Now();
  absl::StatusOr<GenerationRequest> parsed = ParseGenerateRequest(request, max_prompt_bytes_);
  if (!parsed.ok()) return parsed.status();
  parsed->arrival = arrival;
  auto session = SessionFor(request, caller);
  if (!session.ok()) return session.status();
  const LoadedVersion& version = *(*session)->version();
  absl::Status status = FitToVersion(request, version, *parsed, start);
  if (!status.ok()) return Refused(request, **session, status);
  // From here on the session's state is this call's.
  status = (*session)->TryBegin(parsed->expected_position);
  if (!status.ok()) return Refused(request, **session, status);
  start.set_session((*session)->name());
  start.set_model_version(version.version.name());
  start.set_seed(parsed->seed.value_or((*session)->state.seed));
  start.set_position((*session)->state.position);
  start.set_engine_id(version.engine_id);
  start.set_engine_changed(version.engine_changed);
  return std::make_shared<Generation>(*std::move(parsed), *std::move(session), sink);
}

grpc::ServerWriteReactor<v1::GenerateResponse>* GenerationService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  auto call = admission_.Admit(*context, "GenerationService/Generate");
  if (!call.ok()) return new RefusedReactor(call.status());
  auto* reactor = new GenerateReactor(*std::move(call), engine_);
  auto generation = Prepare(*request, reactor->caller(), reactor, reactor->start());
  if (!generation.ok()) {
    reactor->Refuse(generation.status());
    return reactor;
  }
  const absl::Status started = reactor->Run(*generation);
  if (!started.ok()) reactor->Refuse(Refused(*request, (*generation)->session(), started));
  return reactor;
}

absl::StatusOr<v1::Session> GenerationService::Open(const v1::OpenSessionRequest& request,
                                                    const Caller& caller) {
  auto version = registry_.Resolve(request.model(), "model");
  if (!version.ok()) return version.status();
  auto session = sessions_.Open(*std::move(version), caller.name,
                                request.has_seed() ? request.seed() : RandomBits());
  if (!session.ok()) return session.status();
  return ToProto(**session);
}

absl::StatusOr<v1::ListSessionsResponse> GenerationService::List(
    const v1::ListSessionsRequest& request, const Caller& caller) {
  absl::StatusOr<Page> page = ParsePage(request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  const SessionStore::Page found = sessions_.List(caller.name, page->after, page->size);
  v1::ListSessionsResponse response;
  for (const auto& session : found.sessions) *response.add_sessions() = ToProto(*session);
  response.set_next_page_token(PageToken(found.next));
  return response;
}

grpc::ServerUnaryReactor* GenerationService::GetSession(grpc::CallbackServerContext* context,
                                                        const v1::GetSessionRequest* request,
                                                        v1::Session* response) {
  return AnswerUnary(context, admission_, "GenerationService/GetSession", response,
                     [&](const Caller& caller) -> absl::StatusOr<v1::Session> {
                       auto session = sessions_.Find(request->name(), caller.name, "name");
                       if (!session.ok()) return session.status();
                       return ToProto(**session);
                     });
}

grpc::ServerUnaryReactor* GenerationService::ListSessions(grpc::CallbackServerContext* context,
                                                          const v1::ListSessionsRequest* request,
                                                          v1::ListSessionsResponse* response) {
  return AnswerUnary(context, admission_, "GenerationService/ListSessions", response,
                     [&](const Caller& caller) { return List(*request, caller); });
}

grpc::ServerUnaryReactor* GenerationService::ForkSession(grpc::CallbackServerContext* context,
                                                         const v1::ForkSessionRequest* request,
                                                         v1::Session* response) {
  return AnswerUnary(context, admission_, "GenerationService/ForkSession", response,
                     [&](const Caller& caller) -> absl::StatusOr<v1::Session> {
                       SessionStore::ForkOptions options;
                       if (request->has_seed()) options.seed = request->seed();
                       options.same_stream = request->same_stream();
                       auto fork = sessions_.Fork(request->name(), caller.name, options);
                       if (!fork.ok()) return fork.status();
                       return ToProto(**fork);
                     });
}

grpc::ServerUnaryReactor* GenerationService::OpenSession(grpc::CallbackServerContext* context,
                                                         const v1::OpenSessionRequest* request,
                                                         v1::Session* response) {
  return AnswerUnary(context, admission_, "GenerationService/OpenSession", response,
                     [&](const Caller& caller) { return Open(*request, caller); });
}

grpc::ServerUnaryReactor* GenerationService::CloseSession(grpc::CallbackServerContext* context,
                                                          const v1::CloseSessionRequest* request,
                                                          google::protobuf::Empty* response) {
  return AnswerUnary(context, admission_, "GenerationService/CloseSession", response,
                     [&](const Caller& caller) -> absl::StatusOr<google::protobuf::Empty> {
                       absl::Status closed = sessions_.Close(request->name(), caller.name);
                       if (!closed.ok()) return closed;
                       engine_.Wake();
                       return google::protobuf::Empty();
                     });
}

}  // namespace derin::server
