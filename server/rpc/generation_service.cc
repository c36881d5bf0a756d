#include "server/rpc/generation_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/rpc/continuations_reactor.h"
#include "server/rpc/drawn_log_probability.h"
#include "server/rpc/generate_request.h"
#include "server/rpc/page.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/unary.h"
#include "server/status/error.h"
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
    message_.set_position(piece.position);
    message_.mutable_tokens()->Assign(piece.tokens.begin(), piece.tokens.end());
    for (const auto& ranking : piece.rankings) {
      *message_.add_log_probabilities() = DrawnLogProbability(ranking);
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
  for (const PositionRange& range : session.remembered()) {
    v1::PositionRange& one = *proto.add_remembered();
    one.set_first(range.first);
    one.set_last(range.last);
  }
  return proto;
}

// The steps that take a session back; they send nothing, and their end is the reply.
class RewindReactor final : public grpc::ServerUnaryReactor, public StreamSink {
 public:
  RewindReactor(AdmittedCall call, GenerationEngine& engine, v1::Session* response)
      : call_(std::move(call)), engine_(engine), response_(response) {}

  const Caller& caller() const { return call_.caller(); }
  void Reply(const absl::Status& status) { Finish(call_.End(status)); }

  // The engine takes over; from here on this object may go at any time. After an error it has not
  // begun.
  absl::Status Run(std::shared_ptr<Generation> generation) {
    generation_ = generation;
    return engine_.Start(std::move(generation));
  }

  void Send(StreamPiece piece) override {
    if (!piece.end.has_value()) return engine_.Written(generation_.get());
    absl::Status status = piece.end->status();
    if (status.ok()) {
      const v1::FinishReason reason = (*piece.end)->finish_reason();
      if (reason == v1::FINISH_REASON_SERVER_STOPPING) status = ServerStopping();
      if (reason == v1::FINISH_REASON_SESSION_CLOSED) status = generation_->session().TryBegin();
    }
    if (status.ok()) {
      *response_ = ToProto(generation_->session());
      // Another call may be in it by now.
      response_->set_position((*piece.end)->position());
    }
    Reply(status);
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
  v1::Session* const response_;
  std::shared_ptr<Generation> generation_;
};

// A unary call that never got in.
class RefusedUnary final : public grpc::ServerUnaryReactor {
 public:
  explicit RefusedUnary(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

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
    return sessions_.OpenForCall(*std::move(version), caller.name,
                                 request.has_seed() ? request.seed() : RandomBits(),
                                 request.request_id());
  }
  return sessions_.OpenForOneCall(*std::move(version), caller.name, RandomBits());
}

absl::Status GenerationService::Refused(const v1::GenerateRequest& request, const Session& session,
                                        absl::Status status) {
  // Nobody knows the name of a session that was opened for a call that is refused; one that it
  // found was the last call's.
  const bool opened = request.open_session() && session.last_request_id().empty();
  if (opened) sessions_.Close(session.name(), session.owner()).IgnoreError();
  return status;
}

absl::StatusOr<GenerationService::Prepared> GenerationService::Prepare(
    const v1::GenerateRequest& request, const Caller& caller, v1::GenerateStart& start) {
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
  const absl::StatusOr<bool> replays =
      (*session)->TryBeginCall(parsed->key, parsed->must_replay, parsed->expected_position);
  if (!replays.ok()) return Refused(request, **session, replays.status());
  start.set_session((*session)->name());
  start.set_model_version(version.version.name());
  // While the last call gives way to this one, the state is its own.
  start.set_seed(
      parsed->seed.value_or(*replays ? (*session)->start_seed() : (*session)->state.seed));
  start.set_position(*replays ? (*session)->start_position() : (*session)->state.position);
  start.set_engine_id(version.engine_id);
  start.set_engine_changed(version.engine_changed);
  return Prepared{*std::move(parsed), *std::move(session), *replays};
}

grpc::ServerWriteReactor<v1::GenerateResponse>* GenerationService::Continue(
    AdmittedCall call, const v1::GenerateRequest& request) {
  auto* reactor = new ContinuationsReactor(std::move(call), sessions_, engine_);
  v1::GenerateStart start;
  auto prepared = Prepare(request, reactor->caller(), start);
  if (!prepared.ok()) {
    reactor->Refuse(prepared.status());
    return reactor;
  }
  reactor->set_start(start);
  ContinuationsReactor::Texts texts{.count = prepared->request.continuations,
                                    .request = prepared->request,
                                    .close_after_error = request.open_session()};
  texts.request.prompt.clear();
  texts.request.seed = std::nullopt;  // it becomes the session's, and with that its forks'
  GenerationRequest prompt{.prompt = std::move(prepared->request.prompt),
                           .only_prompt = true,
                           .seed = prepared->request.seed,
                           .time_budget = prepared->request.time_budget,
                           .arrival = prepared->request.arrival};
  const std::shared_ptr<Session>& session = prepared->session;
  const absl::Status started = reactor->Run(
      std::make_shared<Generation>(std::move(prompt), session, reactor), session, std::move(texts));
  if (!started.ok()) reactor->Refuse(Refused(request, *session, started));
  return reactor;
}

grpc::ServerWriteReactor<v1::GenerateResponse>* GenerationService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  auto call = admission_.Admit(*context, "GenerationService/Generate");
  if (!call.ok()) return new RefusedReactor(call.status());
  if (request->has_continuations()) return Continue(*std::move(call), *request);
  auto* reactor = new GenerateReactor(*std::move(call), engine_);
  auto prepared = Prepare(*request, reactor->caller(), reactor->start());
  if (!prepared.ok()) {
    reactor->Refuse(prepared.status());
    return reactor;
  }
  const std::shared_ptr<Session> session = prepared->session;
  const absl::Status started = reactor->Run(std::make_shared<Generation>(
      std::move(prepared->request), session, reactor, prepared->replays));
  if (!started.ok()) reactor->Refuse(Refused(*request, *session, started));
  return reactor;
}

absl::StatusOr<std::shared_ptr<Generation>> GenerationService::PrepareRewind(
    const v1::RewindSessionRequest& request, const Caller& caller, StreamSink* sink,
    v1::Session& response) {
  auto found = sessions_.Find(request.name(), caller.name, "name");
  if (!found.ok()) return found.status();
  Session& session = **found;
  if (absl::Status begun = session.TryBegin(); !begun.ok()) return begun;
  const auto last = session.Rewind(request.position());
  if (!last.ok() || *last == nullptr) {
    session.End(absl::Now());
    if (!last.ok()) return last.status();
    response = ToProto(session);
    return nullptr;
  }
  return std::make_shared<Generation>(RewindRequest(**last, request.position(), engine_.Now()),
                                      *found, sink, /*replays=*/true);
}

grpc::ServerUnaryReactor* GenerationService::RewindSession(grpc::CallbackServerContext* context,
                                                           const v1::RewindSessionRequest* request,
                                                           v1::Session* response) {
  auto call = admission_.Admit(*context, "GenerationService/RewindSession");
  if (!call.ok()) return new RefusedUnary(call.status());
  auto* reactor = new RewindReactor(*std::move(call), engine_, response);
  auto generation = PrepareRewind(*request, reactor->caller(), reactor, *response);
  if (!generation.ok() || *generation == nullptr) {
    reactor->Reply(generation.status());
    return reactor;
  }
  const absl::Status started = reactor->Run(*std::move(generation));
  if (!started.ok()) reactor->Reply(started);
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
