#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "derin/v1/generation.pb.h"
#include "server/generation/generation_engine.h"
#include "server/generation/session_store.h"
#include "server/rpc/admission.h"

namespace derin::server {

// Several texts from one prompt on their way to one client: the prompt goes into its session, then
// each text goes on in a fork of that. It destroys itself after the last message.
class ContinuationsReactor final : public grpc::ServerWriteReactor<v1::GenerateResponse>,
                                   public StreamSink {
 public:
  ContinuationsReactor(AdmittedCall call, SessionStore& sessions, GenerationEngine& engine);

  const Caller& caller() const { return call_.caller(); }
  // What the call's first message says.
  void set_start(const v1::GenerateStart& start) { start_ = start; }
  // Before anything began: the call was refused.
  void Refuse(const absl::Status& status) { Finish(call_.End(status)); }

  struct Texts {
    int count = 0;
    GenerationRequest request;  // of each
    // The session was opened for this call, and is closed when that comes to nothing.
    bool close_after_error = false;
  };
  // `prompt` takes the session, which was begun, to the prompt's end, and sends to this; then the
  // texts are made. After an error nothing has begun, and the call is to be refused.
  absl::Status Run(std::shared_ptr<Generation> prompt, std::shared_ptr<Session> session,
                   Texts texts);

  // Of the prompt: what the session had held back.
  void Send(StreamPiece piece) override;
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override { delete this; }

 private:
  // One of the texts.
  struct Branch : StreamSink {
    void Send(StreamPiece piece) override { reactor->SendPiece(*this, std::move(piece)); }

    ContinuationsReactor* reactor = nullptr;
    int number = 0;
    int64_t position = 0;  // where it begins
    bool began = false;    // its first message is there
    std::shared_ptr<Session> session;
    std::shared_ptr<Generation> generation;
  };
  struct Message {
    v1::GenerateResponse response;
    Generation* more = nullptr;  // which may send once this is written; null after its end
  };

  // Forks the session and starts the texts.
  absl::Status Continue() ABSL_LOCKS_EXCLUDED(mutex_);
  void SendPiece(Branch& branch, StreamPiece piece) ABSL_LOCKS_EXCLUDED(mutex_);

  AdmittedCall call_;
  SessionStore& sessions_;
  GenerationEngine& engine_;
  std::shared_ptr<Session> session_;
  Texts texts_;
  v1::GenerateStart start_;
  v1::GenerateResponse prompt_message_;  // the first

  absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Generation> prompt_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Branch>> branches_ ABSL_GUARDED_BY(mutex_);
  std::deque<Message> messages_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) =
      true;  // at first the prompt's message, then the first one
  bool prompt_written_ ABSL_GUARDED_BY(mutex_) = false;
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;   // texts without an end
  absl::Status status_ ABSL_GUARDED_BY(mutex_);  // the first error of a text
};

}  // namespace derin::server
