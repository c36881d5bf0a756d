#include "server/rpc/generation_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/call_generation.h"
#include "server/rpc/continuations_reactor.h"
#include "server/rpc/drawn_log_probability.h"
#include "server/rpc/generate_request.h"
#include "server/rpc/page.h"
#include "server/rpc/rewind_reactor.h"
#include "server/rpc/session_message.h"
#include "server/rpc/session_owner.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/unary.h"
#include "server/status/error.h"
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
    generation_.Set(generation);
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
    generation_.Cancel();
    engine_.Wake();
  }

  void OnDone() override { delete this; }

 private:
  AdmittedCall call_;
  GenerationEngine& engine_;
  v1::GenerateResponse message_;
  CallGeneration generation_;
};

// A call that never got in.
class RefusedReactor final : public grpc::ServerWriteReactor<v1::GenerateResponse> {
 public:
  explicit RefusedReactor(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

// A unary call that never got in.
class RefusedUnary final : public grpc::ServerUnaryReactor {
 public:
  explicit RefusedUnary(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

GenerationService::GenerationService(Admission& admission, SessionStore& sessions,
                                     GenerationEngine& engine, const Limits& limits)
    : admission_(admission), sessions_(sessions), engine_(engine), limits_(limits) {}

absl::StatusOr<SessionStore::Acquired> GenerationService::SessionFor(
    const v1::GenerateRequest& request, const Caller& caller) {
  if (request.source_case() == v1::GenerateRequest::kSession) {
    return sessions_.Acquire(request.session(), OwnerFor(sessions_, request.session(), caller),
                             "session");
  }
  auto version = sessions_.Version(request.model(), "model");
  if (!version.ok()) return version.status();
  if (request.open_session()) {
    return sessions_.OpenForCall(*std::move(version), caller.name,
                                 {.seed = request.has_seed() ? request.seed() : RandomBits(),
                                  .max_owned = caller.limits.sessions},
                                 request.request_id());
  }
  auto session = sessions_.OpenForOneCall(*std::move(version), caller.name, RandomBits());
  if (!session.ok()) return session.status();
  return SessionStore::Acquired{*std::move(session)};
}

absl::Status GenerationService::Refused(const v1::GenerateRequest& request, const Session& session,
                                        absl::Status status) {
  // Nobody knows the name of a session that was opened for a call that is refused; one that it
  // found was the last call's.
  const bool opened = request.open_session() && !session.last_call().has_value();
  if (opened) sessions_.Close(session.name(), session.owner()).IgnoreError();
  return status;
}

absl::StatusOr<GenerationService::Prepared> GenerationService::Prepare(
    const v1::GenerateRequest& request, const Caller& caller, v1::GenerateStart& start) {
  const absl::Duration arrival = engine_.Now();
  absl::StatusOr<GenerationRequest> parsed =
      ParseGenerateRequest(request, limits_.max_prompt_bytes);
  if (!parsed.ok()) return parsed.status();
  parsed->arrival = arrival;
  parsed->account = caller.account;
  auto acquired = SessionFor(request, caller);
  if (!acquired.ok()) return acquired.status();
  std::shared_ptr<Session> session = acquired->session;
  const LoadedVersion& version = *session->version();
  absl::Status status = FitToVersion(request, version, *parsed, start);
  if (!status.ok()) return Refused(request, *session, status);
  // From here on the session's state is this call's.
  const absl::StatusOr<bool> replays =
      session->TryBeginCall(parsed->key, parsed->must_replay, parsed->expected_position);
  if (!replays.ok()) return Refused(request, *session, replays.status());
  std::shared_ptr<const SessionImage> begin;
  if (*replays) {
    auto found = sessions_.StartOfLastCall(*session);
    if (!found.ok()) {
      session->End(absl::Now());
      return found.status();
    }
    begin = *std::move(found);
  }
  if (!session->name().empty()) {
    parsed->source = std::make_shared<const v1::GenerateRequest>(TextOf(request));
  }
  start.set_session(session->name());
  start.set_model_version(version.version.name());
  // While the last call gives way to this one, the session's own state is that call's.
  const SessionState& state = begin == nullptr ? session->state : begin->state;
  start.set_seed(parsed->seed.value_or(state.seed));
  start.set_position(state.position);
  start.set_engine_id(version.engine_id);
  start.set_engine_changed(version.engine_changed || session->engine_changed());
  start.set_tier(acquired->tier);
  return Prepared{*std::move(parsed), std::move(session), std::move(begin)};
}

void GenerationService::Continue(ContinuationsReactor& reactor,
                                 const v1::GenerateRequest& request) {
  v1::GenerateStart start;
  auto prepared = Prepare(request, reactor.caller(), start);
  if (!prepared.ok()) return reactor.Refuse(prepared.status());
  reactor.set_start(start);
  ContinuationsReactor::Texts texts{.count = prepared->request.continuations,
                                    .request = prepared->request,
                                    .close_after_error = request.open_session()};
  texts.request.prompt.clear();
  texts.request.seed = std::nullopt;  // it becomes the session's, and with that its forks'
  texts.request.source = std::make_shared<const v1::GenerateRequest>(ContinuationOf(request));
  GenerationRequest prompt = PromptOf(std::move(prepared->request));
  const std::shared_ptr<Session>& session = prepared->session;
  const absl::Status started =
      reactor.Run(std::make_shared<Generation>(std::move(prompt), session, &reactor), session,
                  std::move(texts));
  if (!started.ok()) reactor.Refuse(Refused(request, *session, started));
}

grpc::ServerWriteReactor<v1::GenerateResponse>* GenerationService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  auto call = admission_.Admit(*context, "GenerationService/Generate");
  if (!call.ok()) return new RefusedReactor(call.status());
  if (request->has_continuations()) {
    auto* reactor = new ContinuationsReactor(*std::move(call), sessions_, engine_);
    admission_.threads().Run([=, this] { Continue(*reactor, *request); });
    return reactor;
  }
  auto* reactor = new GenerateReactor(*std::move(call), engine_);
  admission_.threads().Run([=, this] {
    auto prepared = Prepare(*request, reactor->caller(), reactor->start());
    if (!prepared.ok()) return reactor->Refuse(prepared.status());
    const std::shared_ptr<Session> session = prepared->session;
    const absl::Status started = reactor->Run(std::make_shared<Generation>(
        std::move(prepared->request), session, reactor, std::move(prepared->begin)));
    if (!started.ok()) reactor->Refuse(Refused(*request, *session, started));
  });
  return reactor;
}

absl::StatusOr<std::shared_ptr<Generation>> GenerationService::PrepareRewind(
    const v1::RewindSessionRequest& request, const Caller& caller, StreamSink* sink,
    v1::Session& response) {
  if (request.position() < 0) {
    return InvalidField("position", absl::StrCat("got ", request.position(), ", wanted 0 or more"));
  }
  auto acquired =
      sessions_.Acquire(request.name(), OwnerFor(sessions_, request.name(), caller), "name");
  if (!acquired.ok()) return acquired.status();
  const std::shared_ptr<Session>& session = acquired->session;
  if (absl::Status begun = session->TryBegin(); !begun.ok()) return begun;
  auto plan = sessions_.Rewind(*session, request.position());
  if (plan.ok() && plan->request != nullptr) {
    auto last = ParseAgain(*plan->request, *session->version(), limits_.max_prompt_bytes);
    if (last.ok()) {
      GenerationRequest again = RewindRequest(*last, request.position(), engine_.Now());
      again.account = caller.account;
      return std::make_shared<Generation>(std::move(again), session, sink, std::move(plan->start));
    }
    plan = last.status();
  }
  session->End(absl::Now());
  if (!plan.ok()) return plan.status();
  auto view = sessions_.Get(session->name(), session->owner());
  if (!view.ok()) return view.status();
  response = ToProto(*view);
  return nullptr;
}

grpc::ServerUnaryReactor* GenerationService::RewindSession(grpc::CallbackServerContext* context,
                                                           const v1::RewindSessionRequest* request,
                                                           v1::Session* response) {
  auto call = admission_.Admit(*context, "GenerationService/RewindSession");
  if (!call.ok()) return new RefusedUnary(call.status());
  auto* reactor = new RewindReactor(*std::move(call), sessions_, engine_, response);
  admission_.threads().Run([=, this] {
    auto generation = PrepareRewind(*request, reactor->caller(), reactor, *response);
    if (!generation.ok() || *generation == nullptr) return reactor->Reply(generation.status());
    const absl::Status started = reactor->Run(*std::move(generation));
    if (!started.ok()) reactor->Reply(started);
  });
  return reactor;
}

absl::StatusOr<v1::Session> GenerationService::Open(const v1::OpenSessionRequest& request,
                                                    const Caller& caller) {
  SessionStore::OpenOptions options{.seed = request.has_seed() ? request.seed() : RandomBits(),
                                    .max_owned = caller.limits.sessions};
  absl::Status status = ParseKeeping(request.durability(),
                                     request.has_time_to_live() ? &request.time_to_live() : nullptr,
                                     limits_.time_to_live, options);
  if (!status.ok()) return status;
  auto version = sessions_.Version(request.model(), "model");
  if (!version.ok()) return version.status();
  auto session = sessions_.Open(**version, caller.name, options);
  if (!session.ok()) return session.status();
  return ToProto(*session);
}

absl::StatusOr<v1::ExportSessionResponse> GenerationService::Export(
    const v1::ExportSessionRequest& request, const Caller& caller) {
  const auto image = sessions_.Image(request.name(), OwnerFor(sessions_, request.name(), caller));
  if (!image.ok()) return image.status();
  const auto version = sessions_.VersionOf(*image, request.name(), "name");
  if (!version.ok()) return version.status();
  v1::ExportSessionResponse response;
  response.set_image(EncodeExport(*image, (*version)->model_sha256));
  return response;
}

absl::StatusOr<v1::Session> GenerationService::Import(const v1::ImportSessionRequest& request,
                                                      const Caller& caller) {
  SessionStore::OpenOptions options{.max_owned = caller.limits.sessions};
  absl::Status status = ParseKeeping(request.durability(),
                                     request.has_time_to_live() ? &request.time_to_live() : nullptr,
                                     limits_.time_to_live, options);
  if (!status.ok()) return status;
  auto imported = DecodeExport(request.image(), "image");
  if (!imported.ok()) return imported.status();
  SessionImage& image = imported->image;
  const std::string& model = request.model().empty() ? image.model_version : request.model();
  const auto version = sessions_.Version(model, "model");
  if (!version.ok()) return version.status();
  if ((*version)->model_sha256 != imported->model_sha256) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "MODEL_MISMATCH",
                   absl::StrCat("model: ", (*version)->version.name(),
                                " has other tensors, vocabulary or normalisation than the model "
                                "that the session was exported from, ",
                                Quoted(image.model_version)));
  }
  status = CheckFits(image, **version, "image");
  if (!status.ok()) return status;
  options.seed = request.has_seed() ? request.seed() : image.state.seed;
  auto session = sessions_.Import(std::move(image), **version, caller.name, options);
  if (!session.ok()) return session.status();
  return ToProto(*session);
}

absl::StatusOr<v1::ListSessionsResponse> GenerationService::List(
    const v1::ListSessionsRequest& request, const Caller& caller) {
  absl::StatusOr<Page> page = ParsePage(request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  const SessionStore::Page found = caller.roles.Has(Role::kAdmin)
                                       ? sessions_.ListAll(page->after, page->size)
                                       : sessions_.List(caller.name, page->after, page->size);
  v1::ListSessionsResponse response;
  for (const SessionView& session : found.sessions) *response.add_sessions() = ToProto(session);
  response.set_next_page_token(PageToken(found.next));
  return response;
}

grpc::ServerUnaryReactor* GenerationService::GetSession(grpc::CallbackServerContext* context,
                                                        const v1::GetSessionRequest* request,
                                                        v1::Session* response) {
  return AnswerUnary(context, admission_, "GenerationService/GetSession", response,
                     [=, this](const Caller& caller) -> absl::StatusOr<v1::Session> {
                       auto session = sessions_.Get(request->name(),
                                                    OwnerFor(sessions_, request->name(), caller));
                       if (!session.ok()) return session.status();
                       return ToProto(*session);
                     });
}

grpc::ServerUnaryReactor* GenerationService::ListSessions(grpc::CallbackServerContext* context,
                                                          const v1::ListSessionsRequest* request,
                                                          v1::ListSessionsResponse* response) {
  return AnswerUnary(context, admission_, "GenerationService/ListSessions", response,
                     [=, this](const Caller& caller) { return List(*request, caller); });
}

grpc::ServerUnaryReactor* GenerationService::ForkSession(grpc::CallbackServerContext* context,
                                                         const v1::ForkSessionRequest* request,
                                                         v1::Session* response) {
  return AnswerUnary(context, admission_, "GenerationService/ForkSession", response,
                     [=, this](const Caller& caller) -> absl::StatusOr<v1::Session> {
                       SessionStore::ForkOptions options;
                       if (request->has_seed()) options.seed = request->seed();
                       options.same_stream = request->same_stream();
                       const std::string owner = OwnerFor(sessions_, request->name(), caller);
                       if (owner == caller.name) options.max_owned = caller.limits.sessions;
                       auto fork = sessions_.Fork(request->name(), owner, options);
                       if (!fork.ok()) return fork.status();
                       return ToProto(*fork);
                     });
}

grpc::ServerUnaryReactor* GenerationService::OpenSession(grpc::CallbackServerContext* context,
                                                         const v1::OpenSessionRequest* request,
                                                         v1::Session* response) {
  return AnswerUnary(context, admission_, "GenerationService/OpenSession", response,
                     [=, this](const Caller& caller) { return Open(*request, caller); });
}

grpc::ServerUnaryReactor* GenerationService::ExportSession(grpc::CallbackServerContext* context,
                                                           const v1::ExportSessionRequest* request,
                                                           v1::ExportSessionResponse* response) {
  return AnswerUnary(context, admission_, "GenerationService/ExportSession", response,
                     [=, this](const Caller& caller) { return Export(*request, caller); });
}

grpc::ServerUnaryReactor* GenerationService::ImportSession(grpc::CallbackServerContext* context,
                                                           const v1::ImportSessionRequest* request,
                                                           v1::Session* response) {
  return AnswerUnary(context, admission_, "GenerationService/ImportSession", response,
                     [=, this](const Caller& caller) { return Import(*request, caller); });
}

grpc::ServerUnaryReactor* GenerationService::CloseSession(grpc::CallbackServerContext* context,
                                                          const v1::CloseSessionRequest* request,
                                                          google::protobuf::Empty* response) {
  return AnswerUnary(context, admission_, "GenerationService/CloseSession", response,
                     [=, this](const Caller& caller) -> absl::StatusOr<google::protobuf::Empty> {
                       absl::Status closed = sessions_.Close(
                           request->name(), OwnerFor(sessions_, request->name(), caller));
                       if (!closed.ok()) return closed;
                       engine_.Wake();
                       return google::protobuf::Empty();
                     });
}

}  // namespace derin::server
