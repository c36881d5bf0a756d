// The calls of GenerationService.

#include <utility>

#include "derin/client/client.h"
#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"

namespace derin::client {

using internal::FromProto;

absl::StatusOr<Session> Client::OpenSession(const std::string& model,
                                            std::optional<uint64_t> seed) {
  derin::v1::OpenSessionRequest request;
  request.set_model(model);
  if (seed.has_value()) request.set_seed(*seed);
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
  std::vector<Session> sessions;
  derin::v1::ListSessionsRequest request;
  do {
    const auto reply = connection_->Call(
        connection_->generation(), &derin::v1::GenerationService::Stub::ListSessions, request);
    if (!reply.ok()) return reply.status();
    for (const auto& session : reply->sessions()) sessions.push_back(FromProto(session));
    request.set_page_token(reply->next_page_token());
  } while (!request.page_token().empty());
  return sessions;
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

absl::Status Client::CloseSession(const std::string& name) {
  derin::v1::CloseSessionRequest request;
  request.set_name(name);
  return connection_
      ->Call(connection_->generation(), &derin::v1::GenerationService::Stub::CloseSession, request)
      .status();
}

absl::StatusOr<GenerateEnd> Client::Generate(const GenerateOptions& options,
                                             const GenerateCallbacks& callbacks,
                                             Cancellation* cancellation) {
  if (options.model.empty() == options.session.empty()) {
    return absl::InvalidArgumentError("generate: wanted exactly one of a model and a session");
  }
  const int prompts =
      !options.prompt.empty() + !options.prompt_bytes.empty() + !options.prompt_tokens.empty();
  if (prompts > 1) {
    return absl::InvalidArgumentError(
        "generate: wanted at most one of prompt, prompt_bytes and prompt_tokens");
  }
  const derin::v1::GenerateRequest request = internal::ToProto(options);
  absl::Status valid = internal::CheckUtf8(request);
  if (!valid.ok()) return valid;

  grpc::ClientContext context;
  const internal::CancellationScope scope(cancellation, context);
  const auto reader = connection_->generation().Generate(&context, request);
  std::optional<GenerateEnd> end;
  bool wanted = true;
  derin::v1::GenerateResponse response;
  while (wanted && reader->Read(&response)) {
    if (response.has_start() && callbacks.start) {
      wanted = callbacks.start(FromProto(response.start()));
    }
    if (wanted && callbacks.log_probabilities && response.log_probabilities_size() > 0) {
      std::vector<DrawnLogProbability> drawn;
      for (const auto& one : response.log_probabilities()) drawn.push_back(FromProto(one));
      wanted = callbacks.log_probabilities(drawn);
    }
    if (wanted && callbacks.text && (!response.text().empty() || response.tokens_size() > 0)) {
      wanted =
          callbacks.text(response.text(), {response.tokens().begin(), response.tokens().end()});
    }
    if (response.has_end()) end = FromProto(response.end());
  }
  if (!wanted) context.TryCancel();
  const absl::Status status = connection_->ToStatus(reader->Finish());
  if (!wanted || (cancellation != nullptr && cancellation->cancelled() && !end.has_value())) {
    return absl::CancelledError("stopped by the caller");
  }
  if (!status.ok()) return status;
  if (!end.has_value()) {
    return absl::DataLossError("the text ended without the server's last message");
  }
  return *end;
}

}  // namespace derin::client
