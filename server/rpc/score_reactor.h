#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "derin/v1/model.pb.h"
#include "model/text/normalization.h"
#include "model/text/utf8.h"
#include "server/generation/generation_engine.h"
#include "server/generation/session_store.h"
#include "server/rpc/admission.h"
#include "server/rpc/call_generation.h"

namespace derin::server {

// Totals of the tokens whose log-probabilities are given to it one by one.
class TextScore {
 public:
  void AddText(std::string_view text, int64_t unknown_count);
  void AddToken(double log_probability);
  v1::ScoreTotals totals() const;

 private:
  int64_t tokens_ = 0, characters_ = 0, unknown_count_ = 0;
  double log_probability_ = 0;
};

// A call that scores a text: each message's part of it goes through the engine before the next
// message is read. It destroys itself after the call.
class ScoreReactor final
    : public grpc::ServerBidiReactor<v1::ScoreTextRequest, v1::ScoreTextResponse>,
      public StreamSink {
 public:
  // All but the call outlive it.
  struct Parts {
    SessionStore& sessions;
    GenerationEngine& engine;
    HandlerThreads& threads;
    int64_t max_text_bytes;  // of one message
  };
  ScoreReactor(AdmittedCall call, const Parts& parts);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }
  void Send(StreamPiece piece) override;

 private:
  // The message that was read; not ok: the caller has sent all.
  void Take(bool ok);
  // What the first message says: where to score, and what to report.
  absl::Status Begin(const v1::ScoreTextHeader& header);
  // The next part of the text; with `last` what the parts before have kept.
  absl::Status TakeText(std::string_view bytes, bool last);
  absl::Status Score(std::vector<int32_t> tokens);
  // A part is scored; the message says so.
  void EndPart();
  void End(const absl::Status& status) { Finish(call_.End(status)); }
  // The engine's writer may send the next piece of this part.
  void NextPiece();

  AdmittedCall call_;
  const Parts parts_;
  v1::ScoreTextRequest request_;
  v1::ScoreTextResponse response_;
  std::shared_ptr<Session> session_;  // of this call alone; null before the first message
  std::optional<Normalizer> normalizer_;
  Utf8Assembler characters_;
  std::string text_;     // the beginning of a token
  int32_t ranked_ = -1;  // as the caller wants it; -1: totals only
  bool last_ = false;    // the caller has sent all
  bool part_done_ = false;
  bool began_ = false;  // the engine has had a part
  TextScore score_;
  CallGeneration generation_;  // of the part under way
};

}  // namespace derin::server
