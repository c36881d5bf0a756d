#include "server/generation/generation.h"

#include <utility>

#include "model/text/vocabulary.h"
#include "server/storage/proto_time.h"

namespace derin::server {

Generation::Generation(GenerationRequest request, std::shared_ptr<Session> session,
                       StreamSink* sink)
    : request_(std::move(request)), session_(std::move(session)), sink_(sink) {
  if (!request_.rules.empty()) {
    adjustments_.emplace(request_.rules, session_->version()->tokenizer.vocabulary_size());
  }
  const Session::State& state = session_->state;
  if (state.pending.has_value()) to_absorb_.push_back(*state.pending);
  to_absorb_.insert(to_absorb_.end(), request_.prompt.begin(), request_.prompt.end());
  // A token must go in for one to come out: a text from nothing begins after `<unk>`.
  if (to_absorb_.empty()) to_absorb_.push_back(Vocabulary::kUnknown);
}

void Generation::Begin() {
  if (request_.seed.has_value()) session_->state.seed = *request_.seed;
}

LanguageModel::Row Generation::NextRow() {
  const Session::State& state = session_->state;
  LanguageModel::Row row;
  row.token = to_absorb_[absorbed_];
  row.slot = session_->lease().slot();
  row.from_zero = state.position == 0;
  row.sample.settings = request_.sampling;
  row.sample.seed = state.seed;
  row.sample.position = state.position + 1;
  if (!next_draws()) {
    row.sample.forced_token = to_absorb_[absorbed_ + 1];
  } else if (adjustments_.has_value()) {
    row.adjustments = adjustments_->Next(state.recent, row.token);
    row.sample.only_adjusted = adjustments_->only_adjusted();
  }
  return row;
}

void Generation::Accept(int32_t token, absl::Duration step_start, absl::Duration now) {
  Session::State& state = session_->state;
  const bool draws = next_draws();
  if (steps_++ == 0) first_step_ = step_start;
  ++state.position;
  state.recent.Push(to_absorb_[absorbed_]);
  ++absorbed_;
  state.pending.reset();
  if (!draws) return;

  if (drawn_++ == 0) first_token_ = now;
  previous_token_ = std::exchange(last_token_, now);
  state.pending = token;
  to_absorb_.assign(1, token);
  absorbed_ = 0;
  std::string bytes;
  session_->version()->tokenizer.AppendBytes(token, bytes);
  outbox_.Push(token, state.text.Append(bytes));
}

std::string Generation::HeldBackText() {
  // A session with a name keeps the bytes of an unfinished character for its next call.
  return session_->name().empty() ? session_->state.text.Flush() : "";
}

void Generation::Finish(v1::FinishReason reason, absl::Time now) {
  v1::GenerateEnd end;
  end.set_finish_reason(reason);
  end.set_prompt_tokens(static_cast<int64_t>(request_.prompt.size()));
  end.set_generated_tokens(drawn_);
  end.set_position(session_->state.position);
  if (steps_ > 0) *end.mutable_queue_time() = ToProtoDuration(first_step_ - request_.arrival);
  if (drawn_ > 0)
    *end.mutable_first_token_time() = ToProtoDuration(first_token_ - request_.arrival);
  const double seconds = absl::ToDoubleSeconds(last_token_ - first_token_);
  if (seconds > 0) end.set_tokens_per_second(static_cast<double>(drawn_ - 1) / seconds);
  std::string text = HeldBackText();
  // The client may call again as soon as it sees the end, so the session is given back first.
  session_->End(now);
  outbox_.PushEnd(std::move(text), std::move(end));
}

void Generation::Fail(absl::Status error, absl::Time now) {
  session_->End(now);
  outbox_.PushEnd("", std::move(error));
}

}  // namespace derin::server
