#include "server/rpc/rewind_reactor.h"

#include <utility>

#include "server/rpc/session_message.h"
#include "server/status/error.h"

namespace derin::server {

RewindReactor::RewindReactor(AdmittedCall call, SessionStore& sessions, GenerationEngine& engine,
                             v1::Session* response)
    : call_(std::move(call)), sessions_(sessions), engine_(engine), response_(response) {}

absl::Status RewindReactor::Run(std::shared_ptr<Generation> generation) {
  generation_.Set(generation);
  return engine_.Start(std::move(generation));
}

void RewindReactor::Send(StreamPiece piece) {
  if (!piece.end.has_value()) return engine_.Written(generation_.get());
  absl::Status status = piece.end->status();
  if (status.ok() && (*piece.end)->finish_reason() == v1::FINISH_REASON_SERVER_STOPPING) {
    status = ServerStopping();
  }
  if (status.ok()) {
    const Session& session = generation_.get()->session();
    const auto view = sessions_.Get(session.name(), session.owner());
    if (view.ok()) {
      *response_ = ToProto(*view);
      // Another call may be in it by now.
      response_->set_position((*piece.end)->position());
    }
    status = view.status();
  }
  Reply(status);
}

void RewindReactor::OnCancel() {
  generation_.Cancel();
  engine_.Wake();
}

}  // namespace derin::server
