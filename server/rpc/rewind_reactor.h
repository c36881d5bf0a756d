#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>

#include "absl/status/status.h"
#include "derin/v1/generation.pb.h"
#include "server/generation/generation_engine.h"
#include "server/generation/session_store.h"
#include "server/rpc/admission.h"
#include "server/rpc/call_generation.h"

namespace derin::server {

// The steps that take a session back; they send nothing, and their end is the reply. It destroys
// itself after that.
class RewindReactor final : public grpc::ServerUnaryReactor, public StreamSink {
 public:
  RewindReactor(AdmittedCall call, SessionStore& sessions, GenerationEngine& engine,
                v1::Session* response);

  const Caller& caller() const { return call_.caller(); }
  void Reply(const absl::Status& status) { Finish(call_.End(status)); }

  // The engine takes over; from here on this object may go at any time. After an error it has not
  // begun.
  absl::Status Run(std::shared_ptr<Generation> generation);

  void Send(StreamPiece piece) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  AdmittedCall call_;
  SessionStore& sessions_;
  GenerationEngine& engine_;
  v1::Session* const response_;
  CallGeneration generation_;
};

}  // namespace derin::server
