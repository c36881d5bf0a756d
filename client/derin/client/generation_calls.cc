// The calls of GenerationService.

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "derin/client/client.h"
#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"
#include "derin/internal/list_all.h"

namespace derin::client {

using internal::FromProto;

namespace {

absl::Status CheckSources(const GenerateOptions& options) {
  if (options.model.empty() == options.session.empty()) {
    return absl::InvalidArgumentError("generate: wanted exactly one of a model and a session");
  }
  const int prompts =
      !options.prompt.empty() + !options.prompt_bytes.empty() + !options.prompt_tokens.empty();
  if (prompts > 1) {
    return absl::InvalidArgumentError(
        "generate: wanted at most one of prompt, prompt_bytes and prompt_tokens");
  }
  return absl::OkStatus();
}

// 128 random bits in hexadecimal.
std::string DrawnRequestId() {
  std::random_device device;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, absl::Hex(device(), absl::kZeroPad8));
  return id;
}

// One text over any number of connections.
class Stream {
 public:
  Stream(internal::Connection& connection, const GenerateOptions& options,
         const GenerateCallbacks& callbacks, Cancellation* cancellation)
      : connection_(connection),
        callbacks_(callbacks),
        cancellation_(cancellation),
        request_(internal::ToProto(options)) {
    const bool keeps = !options.session.empty() || options.open_session;
    if (keeps && options.request_id.empty()) request_.set_request_id(DrawnRequestId());
  }

  // Reads from one connection until it ends.
  absl::Status Run() {
    received_ = false;
    absl::Status valid = internal::CheckUtf8(request_);
    if (!valid.ok()) return valid;
    grpc::ClientContext context;
    const internal::CancellationScope scope(cancellation_, context);
    const auto reader = connection_.generation().Generate(&context, request_);
    return connection_.ToStatus(internal::ReadAll(context, *reader, [this](const auto& response) {
      received_ = true;
      Handle(response);
      return wanted_;
    }));
  }

  const std::optional<GenerateEnd>& end() const { return end_; }
  // Whether the text ended only because its server stops: its successor can go on with it.
  bool ended_with_server() const {
    return end_.has_value() && end_->finish_reason == FinishReason::kServerStopping;
  }
  // Whether the last Run() got anything.
  bool received() const { return received_; }
  // By a callback or by the cancellation.
  bool stopped() const {
    return !wanted_ || (cancellation_ != nullptr && cancellation_->cancelled());
  }
  // Whether Run() may go on after it ended with `status`.
  bool CanResume(const absl::Status& status) const {
    if (!began_) return false;
    if (absl::IsUnavailable(status)) return true;
    // The server may not know yet that the connection before is gone, and has no room meanwhile.
    return ErrorReason(status) == "STREAMS_FULL";
  }

 private:
  void Handle(const derin::v1::GenerateResponse& response) {
    if (response.has_start()) Begin(response.start());
    if (wanted_ && callbacks_.log_probabilities && response.log_probabilities_size() > 0) {
      std::vector<DrawnLogProbability> drawn;
      for (const auto& one : response.log_probabilities()) drawn.push_back(FromProto(one));
      wanted_ = callbacks_.log_probabilities(drawn);
    }
    if (wanted_ && callbacks_.text && (!response.text().empty() || response.tokens_size() > 0)) {
      wanted_ =
          callbacks_.text(response.text(), {response.tokens().begin(), response.tokens().end()});
    }
    // From here the next connection goes on.
    if (response.position() > 0) request_.set_resume_after_position(response.position());
    if (response.has_end() && wanted_) end_ = FromProto(response.end());
  }

  void Begin(const derin::v1::GenerateStart& start) {
    if (began_) return;
    began_ = true;
    if (callbacks_.start) wanted_ = callbacks_.start(FromProto(start));
    // The same text again: in the session that it has, or else from the same version and seed.
    if (start.session().empty()) {
      request_.set_model(start.model_version());
      request_.set_seed(start.seed());
      return;
    }
    request_.set_session(start.session());
    request_.clear_open_session();
    // A server that died meanwhile has the session where this call began, and knows no call.
    request_.set_expected_position(start.position());
  }

  internal::Connection& connection_;
  const GenerateCallbacks& callbacks_;
  Cancellation* cancellation_;
  derin::v1::GenerateRequest request_;
  bool began_ = false;     // the caller has the start, and request_ asks for the rest
  bool received_ = false;  // in the last Run()
  bool wanted_ = true;
  std::optional<GenerateEnd> end_;
};

}  // namespace

absl::StatusOr<Session> Client::OpenSession(const std::string& model,
                                            const SessionOptions& options) {
  derin::v1::OpenSessionRequest request;
  request.set_model(model);
  internal::ToProto(options, request);
  const auto reply = connection_->Call(connection_->generation(),
                                       &derin::v1::GenerationService::Stub::OpenSession, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::StatusOr<Session> Client::GetSession(const std::string& name) {
  derin::v1::GetSessionRequest request;
  request.set_name(name);
  const auto reply = connection_->Call(connection_->generation(),
                                       &derin::v1::GenerationService::Stub::GetSession, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::StatusOr<std::vector<Session>> Client::ListSessions() {
  derin::v1::ListSessionsRequest request;
  return internal::ListAll(*connection_, connection_->generation(),
                           &derin::v1::GenerationService::Stub::ListSessions, request,
                           [](const auto& reply) -> const auto& { return reply.sessions(); });
}

absl::StatusOr<Session> Client::ForkSession(const std::string& name, const ForkOptions& options) {
  derin::v1::ForkSessionRequest request;
  request.set_name(name);
  if (options.seed.has_value()) request.set_seed(*options.seed);
  request.set_same_stream(options.same_stream);
  const auto reply = connection_->Call(connection_->generation(),
                                       &derin::v1::GenerationService::Stub::ForkSession, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::StatusOr<Session> Client::RewindSession(const std::string& name, int64_t position) {
  derin::v1::RewindSessionRequest request;
  request.set_name(name);
  request.set_position(position);
  const auto reply = connection_->Call(connection_->generation(),
                                       &derin::v1::GenerationService::Stub::RewindSession, request,
                                       absl::InfiniteDuration());
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::Status Client::CloseSession(const std::string& name) {
  derin::v1::CloseSessionRequest request;
  request.set_name(name);
  return connection_
      ->Call(connection_->generation(), &derin::v1::GenerationService::Stub::CloseSession, request)
      .status();
}

absl::StatusOr<std::string> Client::ExportSession(const std::string& name) {
  derin::v1::ExportSessionRequest request;
  request.set_name(name);
  auto reply = connection_->Call(connection_->generation(),
                                 &derin::v1::GenerationService::Stub::ExportSession, request);
  if (!reply.ok()) return reply.status();
  return std::move(*reply->mutable_image());
}

absl::StatusOr<Session> Client::ImportSession(const std::string& image, const std::string& model,
                                              const SessionOptions& options) {
  derin::v1::ImportSessionRequest request;
  request.set_image(image);
  request.set_model(model);
  internal::ToProto(options, request);
  const auto reply = connection_->Call(connection_->generation(),
                                       &derin::v1::GenerationService::Stub::ImportSession, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::StatusOr<GenerateEnd> Client::Generate(const GenerateOptions& options,
                                             const GenerateCallbacks& callbacks,
                                             Cancellation* cancellation) {
  if (absl::Status valid = CheckSources(options); !valid.ok()) return valid;
  Stream stream(*connection_, options, callbacks, cancellation);
  internal::Reconnections reconnections(*connection_, options.reconnect_tries,
                                        options.reconnect_wait, cancellation);
  // A server that always says that it stops is not asked for ever.
  int stops_left = options.reconnect_tries;
  while (true) {
    const absl::Status status = stream.Run();
    if (stream.received()) reconnections.Received();
    if (stream.end().has_value() && (!stream.ended_with_server() || stops_left == 0)) {
      return *stream.end();
    }
    if (stream.stopped()) return internal::StoppedByCaller();
    if (status.ok() && !stream.ended_with_server()) {
      return absl::DataLossError("the text ended without the server's last message");
    }
    if (status.ok()) --stops_left;
    const absl::Status why = status.ok() ? absl::UnavailableError("the server stops") : status;
    if (!stream.CanResume(why) || !reconnections.left()) {
      // No successor came: the text ends where the server said.
      if (absl::IsUnavailable(why) && stream.ended_with_server()) return *stream.end();
      return why;
    }
    if (callbacks.reconnecting) callbacks.reconnecting(why);
    if (!reconnections.Await()) return internal::StoppedByCaller();
  }
}

absl::Status Client::GenerateContinuations(const GenerateOptions& options, int count,
                                           const ContinuationCallbacks& callbacks,
                                           Cancellation* cancellation) {
  if (absl::Status valid = CheckSources(options); !valid.ok()) return valid;
  derin::v1::GenerateRequest request = internal::ToProto(options);
  request.set_continuations(count);
  if (absl::Status valid = internal::CheckUtf8(request); !valid.ok()) return valid;
  grpc::ClientContext context;
  const internal::CancellationScope scope(cancellation, context);
  const auto reader = connection_->generation().Generate(&context, request);
  int ended = 0;
  bool wanted = true;
  const auto handle = [&](const derin::v1::GenerateResponse& response) {
    if (!response.has_continuation()) {
      if (callbacks.prompt) wanted = callbacks.prompt(FromProto(response.start()), response.text());
      return wanted;
    }
    const int number = response.continuation();
    if (response.has_start() && callbacks.start) {
      wanted = callbacks.start(number, FromProto(response.start()));
    }
    if (wanted && callbacks.text && (!response.text().empty() || response.tokens_size() > 0)) {
      std::vector<DrawnLogProbability> drawn;
      for (const auto& one : response.log_probabilities()) drawn.push_back(FromProto(one));
      wanted = callbacks.text(number, response.text(),
                              {response.tokens().begin(), response.tokens().end()}, drawn);
    }
    if (!response.has_end()) return wanted;
    ++ended;
    if (wanted && callbacks.end) wanted = callbacks.end(number, FromProto(response.end()));
    return wanted;
  };
  const absl::Status status = connection_->ToStatus(internal::ReadAll(context, *reader, handle));
  if (!wanted || (cancellation != nullptr && cancellation->cancelled() && ended < count)) {
    return internal::StoppedByCaller();
  }
  if (!status.ok()) return status;
  if (ended < count) return absl::DataLossError("a text ended without the server's last message");
  return absl::OkStatus();
}

}  // namespace derin::client
