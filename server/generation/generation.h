#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "model/network/language_model.h"
#include "model/sampling/sampler.h"
#include "server/generation/logit_adjustments.h"
#include "server/generation/outbox.h"
#include "server/generation/session.h"
#include "server/generation/stop_matcher.h"
#include "server/generation/write_schedule.h"
#include "server/usage/caller_account.h"

namespace derin::server {

// Who sends a stream's pieces to its client.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  // Begins to send `piece`; called again only after StreamWriter::Written. With the piece that has
  // an end the sink is on its own.
  virtual void Send(StreamPiece piece) = 0;
};

// What a Generate call asks for.
struct GenerationRequest {
  std::vector<int32_t> prompt;
  bool echo = false;  // the prompt's text is sent, too
  int64_t max_tokens = 200;
  int64_t min_tokens = 0;                 // the first so many do not stop the text
  std::vector<std::string> stop_strings;  // as the model's text has them
  std::vector<std::string> stop_names;    // the same as the caller has them
  std::vector<int32_t> stop_tokens;
  bool include_stop = false;  // in the text
  SamplingSettings sampling;
  TokenRules rules;
  // How many of the most probable tokens are reported beside each drawn one; -1: not even that.
  int32_t ranked = -1;
  // Nothing is drawn: the prompt goes in, but for its last token, which waits for the next call.
  bool only_prompt = false;
  bool scores = false;  // the prompt's tokens are sent, with their rankings; only with only_prompt
  int continuations = 0;   // so many texts are made of the prompt; 0: one, in its session
  bool continues = false;  // a call of several parts, which has its place already
  // What the session remembers of the call, to make it again up to some position; null for nothing.
  std::shared_ptr<const v1::GenerateRequest> source;
  CallKey key;               // of the call in its session
  bool must_replay = false;  // the call goes on for somebody who has a part of it already
  // What the steps up to this position bring is not sent: its caller has that.
  std::optional<int64_t> resume_after;
  std::optional<int64_t> until;              // the call ends at this position of the session
  std::optional<int64_t> expected_position;  // of the session when the call begins
  std::optional<uint64_t> seed;              // of the session from here on; unset: as it is
  absl::Duration time_budget = absl::InfiniteDuration();  // from the arrival on
  bool per_token = false;                                 // a message for each token
  std::optional<absl::Duration> message_interval;         // WriteSchedule's default
  absl::Duration arrival;                                 // by the engine's clock
  std::shared_ptr<CallerAccount> account;                 // counts its tokens; null: nobody does
};

// `last`, the last call of a session, once more as far as `position`; nothing of it is sent.
GenerationRequest RewindRequest(const GenerationRequest& last, int64_t position,
                                absl::Duration arrival);

// One Generate call on its way through the engine. Between steps it knows which token its session
// absorbs next; all but what is marked otherwise belongs to the engine's thread.
class Generation {
 public:
  // `session` was begun for this call; `sink` lives until it got the end. With a `start` the call
  // is the session's last one once more, which begins there.
  Generation(GenerationRequest request, std::shared_ptr<Session> session, StreamSink* sink,
             std::shared_ptr<const SessionImage> start = nullptr);

  // Any thread.
  Session& session() const { return *session_; }
  StreamSink& sink() const { return *sink_; }
  Outbox& outbox() { return outbox_; }
  bool per_token() const { return request_.per_token; }
  // Of its messages, as WriteSchedule has it.
  std::optional<absl::Duration> message_interval() const {
    return request_.per_token ? absl::ZeroDuration() : request_.message_interval;
  }
  // The client left: the call ends before its next step.
  void Cancel() { cancelled_ = true; }
  bool cancelled() const { return cancelled_; }

  // The engine takes the call; a call that is refused has changed nothing of its session.
  void Begin();
  // The engine's thread has it, and whatever ran in the session before has ended.
  void Join();
  bool replays() const { return start_ != nullptr; }

  // Its part of the next step; valid until the call after it.
  LanguageModel::Row NextRow();
  // Whether that step draws a token; else it absorbs a part of the prompt.
  bool next_draws() const { return !request_.only_prompt && absorbed_ + 1 == to_absorb_.size(); }
  // How many steps from here on need nobody in between, at least one: they draw, nothing that is
  // drawn decides on the next draw, there is room for all of it, and a session that lasts is where
  // it has to be at the end. Of one that goes with its call some may be drawn beyond the end, and
  // are nobody's.
  int64_t free_steps() const;
  // So many more draws may be asked for.
  int64_t draws_left() const { return request_.max_tokens - drawn_; }
  // Whether its prompt is part of its text, which then grows before anything is drawn.
  bool echoes() const { return request_.echo || request_.scores; }
  bool continues() const { return request_.continues; }
  // Takes what the step chose; `now` by the engine's clock. A drawn token goes to the outbox, with
  // its `ranking` when its row asked for one.
  void Accept(int32_t token, absl::Duration step_start, absl::Duration now,
              absl::Span<const TokenLogProbability> ranking = {});
  // Whether no token more is to be drawn: there are enough, or the last one stopped the text.
  bool complete() const {
    return prompt_is_in() || stop_ != nullptr || stop_token_.has_value() || enough() ||
           session_->state.position == request_.until;
  }
  // Why, when it is complete.
  v1::FinishReason completion() const;
  // Whether the time that it was given has passed at `now`.
  bool out_of_time(absl::Duration now) const {
    return now - request_.arrival >= request_.time_budget;
  }

  // How long until its caller has a token left to use; zero when it does.
  absl::Duration token_delay() const {
    return request_.account == nullptr ? absl::ZeroDuration() : request_.account->TokenDelay();
  }
  // Counts what it did since the last time.
  void Charge();

  // A step that it had part in took so long, with so many calls.
  void TookPart(absl::Duration step_time, size_t calls) {
    step_time_ = step_time;
    step_calls_ = calls;
  }
  // What a step of `calls` may take by that; zero before its first.
  absl::Duration StepTimeWith(size_t calls) const {
    if (calls <= step_calls_ || step_calls_ == 0) return step_time_;
    return step_time_ * static_cast<double>(calls) / static_cast<double>(step_calls_);
  }

  // No step follows: what its client gets at the end.
  void Finish(v1::FinishReason reason);
  void Fail(absl::Status error);
  // Whether its session is to be kept before the client hears of the end.
  bool needs_keeping() const { return !session_->name().empty() && !session_->closed(); }
  // Gives the session back and puts the end, or what went wrong with keeping it, into the outbox.
  void Release(const absl::Status& kept, absl::Time now);

  bool waiting() const { return steps_ == 0; }  // for its first step
  absl::Duration arrival() const { return request_.arrival; }
  absl::Duration first_step() const { return first_step_; }
  absl::Duration first_token() const { return first_token_; }
  absl::Duration previous_token() const { return previous_token_; }
  absl::Duration last_token() const { return last_token_; }
  int64_t steps() const { return steps_; }
  int64_t drawn() const { return drawn_; }

 private:
  // What its session absorbs first.
  void CollectTokens();
  bool prompt_is_in() const { return request_.only_prompt && absorbed_ + 1 >= to_absorb_.size(); }
  bool enough() const { return drawn_ == request_.max_tokens; }
  // How logits are adjusted from here on: stop tokens are banned as long as none may be drawn.
  void SetAdjustments();
  // What an earlier call held back, as far as this call may send it.
  std::string ResumedText();
  // The text to send for what the last step absorbed, which is to be echoed.
  std::string Echo(int32_t token);
  // The text to send for `token`, which was drawn; sees whether it stops the text.
  std::string TextOf(int32_t token);
  // All that the session holds back; it holds nothing then.
  std::string ReleaseHeldBack();

  const GenerationRequest request_;
  const std::shared_ptr<Session> session_;
  StreamSink* const sink_;
  const std::shared_ptr<const SessionImage> start_;
  Outbox outbox_;
  std::atomic<bool> cancelled_ = false;

  std::optional<LogitAdjustments> adjustments_;  // none without rules
  std::optional<StopMatcher> stops_;             // none without stop strings
  const std::string* stop_ = nullptr;            // the stop string that ended the text
  std::optional<int32_t> stop_token_;            // the stop token that did
  size_t prompt_start_ = 0;                      // in to_absorb_ before the first draw
  std::vector<int32_t> to_absorb_;               // the rest of the prompt, or the token drawn last
  size_t absorbed_ = 0;                          // of to_absorb_
  int64_t steps_ = 0;
  int64_t drawn_ = 0;
  int64_t charged_steps_ = 0, charged_drawn_ = 0;
  absl::Duration step_time_;
  size_t step_calls_ = 0;
  absl::Duration first_step_, first_token_, last_token_, previous_token_;
  std::string end_text_;
  StreamEnd end_ = absl::UnknownError("");
};

}  // namespace derin::server
