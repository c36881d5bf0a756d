#include "server/generation/generation.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "model/text/vocabulary.h"
#include "server/storage/proto_time.h"

namespace derin::server {
namespace {

constexpr size_t kOutboxBytes = 4096;
// A session keeps the request of its last call, but not the memory of a long prompt.
constexpr size_t kMostKeptPromptTokens = 16'384;
// What one token may bring: itself, a stop string that did not come to its end, bytes that become
// three U+FFFD, and its ranking.
size_t LargestItem(const GenerationRequest& request, const Tokenizer& tokenizer) {
  return Outbox::kItemBytes + 320 + tokenizer.longest_token_bytes() +
         (1 + request.ranked) * sizeof(TokenLogProbability);
}

bool Contains(const std::vector<int32_t>& tokens, int32_t token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

}  // namespace

GenerationRequest RewindRequest(const GenerationRequest& last, int64_t position,
                                absl::Duration arrival) {
  GenerationRequest again = last;
  again.until = again.resume_after = position;
  again.time_budget = absl::InfiniteDuration();
  again.arrival = arrival;
  return again;
}

Generation::Generation(GenerationRequest request, std::shared_ptr<Session> session,
                       StreamSink* sink, std::shared_ptr<const SessionImage> start)
    : request_(std::move(request)),
      session_(std::move(session)),
      sink_(sink),
      start_(std::move(start)),
      outbox_(kOutboxBytes, LargestItem(request_, session_->version()->tokenizer)) {
  SetAdjustments();
  if (!request_.stop_strings.empty()) stops_.emplace(request_.stop_strings, request_.include_stop);
  if (!replays()) CollectTokens();
}

void Generation::CollectTokens() {
  const SessionState& state = session_->state;
  if (state.pending.has_value()) to_absorb_.push_back(*state.pending);
  prompt_start_ = to_absorb_.size();
  to_absorb_.insert(to_absorb_.end(), request_.prompt.begin(), request_.prompt.end());
  // A token must go in for one to come out: a text from nothing begins after `<unk>`.
  const bool comes_out = request_.only_prompt ? request_.scores && !request_.prompt.empty() : true;
  if (comes_out && (to_absorb_.empty() || (request_.scores && prompt_start_ == 0))) {
    to_absorb_.insert(to_absorb_.begin(), Vocabulary::kUnknown);
    ++prompt_start_;  // it is no part of the prompt
  }
}

void Generation::Begin() {
  if (replays()) return;
  if (!session_->name().empty()) {
    const bool small = request_.prompt.size() <= kMostKeptPromptTokens;
    session_->Remember(request_.key, small ? request_.source : nullptr);
  }
  if (request_.seed.has_value()) session_->state.seed = *request_.seed;
  session_->Publish();
}

void Generation::Join() {
  if (!replays()) return;
  session_->Restore(*start_);
  CollectTokens();
  if (request_.seed.has_value()) session_->state.seed = *request_.seed;
  session_->Publish();
}

void Generation::Charge() {
  const int64_t drawn_before = std::exchange(charged_drawn_, drawn_);
  const int64_t drawn = drawn_ - drawn_before;
  // The last token of a prompt goes in with the first draw.
  const bool prompt_ended = drawn_before == 0 && drawn > 0 && !request_.prompt.empty();
  const int64_t steps = steps_ - std::exchange(charged_steps_, steps_);
  const int64_t absorbed = steps - drawn + (prompt_ended ? 1 : 0);
  if (request_.account == nullptr) return;
  if (drawn > 0) request_.account->AddGeneratedTokens(drawn);
  if (absorbed == 0) return;
  if (request_.scores) {
    request_.account->AddScoredTokens(absorbed);
  } else {
    request_.account->AddPromptTokens(absorbed);
  }
}

LanguageModel::Row Generation::NextRow() {
  const SessionState& state = session_->state;
  LanguageModel::Row row;
  row.token = to_absorb_[absorbed_];
  row.slot = session_->lease().slot();
  row.from_zero = state.position == 0;
  row.sample.settings = request_.sampling;
  row.sample.seed = state.seed;
  row.sample.stream = state.stream;
  row.sample.position = state.position + 1;
  if (!next_draws()) {
    row.sample.forced_token = to_absorb_[absorbed_ + 1];
    if (request_.scores) row.sample.ranked = request_.ranked;
    return row;
  }
  row.sample.ranked = request_.ranked;
  if (adjustments_.has_value()) {
    row.adjustments = adjustments_->Next(state.recent, row.token);
    row.sample.only_adjusted = adjustments_->only_adjusted();
  }
  return row;
}

int64_t Generation::free_steps() const {
  if (!next_draws() || request_.ranked >= 0 || adjustments_.has_value()) return 1;
  const int64_t room = std::max<int64_t>(1, outbox_.room());
  if (session_->name().empty()) {
    // Its state goes with it, so a draw beyond its end does no harm.
    return draws_left() <= room ? std::numeric_limits<int64_t>::max() : room;
  }
  if (stops_.has_value() || !request_.stop_tokens.empty()) return 1;
  int64_t steps = draws_left();
  if (request_.until.has_value()) {
    steps = std::min(steps, *request_.until - session_->state.position);
  }
  return std::max<int64_t>(1, std::min(steps, room));
}

void Generation::SetAdjustments() {
  adjustments_.reset();
  TokenRules rules = request_.rules;
  if (drawn_ < request_.min_tokens) {
    rules.banned.insert(rules.banned.end(), request_.stop_tokens.begin(),
                        request_.stop_tokens.end());
  }
  if (rules.empty()) return;
  adjustments_.emplace(rules, session_->version()->tokenizer.vocabulary_size());
}

void Generation::Accept(int32_t token, absl::Duration step_start, absl::Duration now,
                        absl::Span<const TokenLogProbability> ranking) {
  SessionState& state = session_->state;
  const bool draws = next_draws();
  const int32_t absorbed = to_absorb_[absorbed_];
  std::string text;
  if (steps_++ == 0) {
    first_step_ = step_start;
    if (!state.held.text.empty() || !request_.prompt.empty()) text = ResumedText();
  }
  if (request_.echo && drawn_ == 0 && absorbed_ >= prompt_start_) text += Echo(absorbed);
  ++state.position;
  state.forks = 0;
  session_->Publish();
  state.recent.Push(absorbed);
  ++absorbed_;
  state.pending.reset();
  const bool sends = !request_.resume_after.has_value() || state.position > *request_.resume_after;
  if (request_.scores) {
    outbox_.Push(state.position, token, "", {ranking.begin(), ranking.end()});
    return;
  }
  if (!draws) {
    if (sends && !text.empty()) outbox_.Push(state.position, std::nullopt, std::move(text));
    return;
  }

  if (drawn_++ == 0) first_token_ = now;
  previous_token_ = std::exchange(last_token_, now);
  state.pending = token;
  to_absorb_.assign(1, token);
  absorbed_ = 0;
  text += TextOf(token);
  if (sends) {
    outbox_.Push(state.position, token, std::move(text), {ranking.begin(), ranking.end()});
  }
  if (drawn_ == request_.min_tokens) SetAdjustments();
}

std::string Generation::ResumedText() {
  // A prompt stands between what was held back and what comes now.
  if (!request_.prompt.empty()) return ReleaseHeldBack();
  SessionState& state = session_->state;
  if (stops_.has_value()) return stops_->Resume(state.held);
  return std::string(std::exchange(state.held, {}).unsent());
}

std::string Generation::Echo(int32_t token) {
  std::string bytes;
  session_->version()->tokenizer.AppendBytes(token, bytes);
  return session_->state.text.Append(bytes);
}

std::string Generation::TextOf(int32_t token) {
  SessionState& state = session_->state;
  std::string bytes;
  session_->version()->tokenizer.AppendBytes(token, bytes);
  if (Contains(request_.stop_tokens, token)) {
    stop_token_ = token;
    std::string last;
    if (request_.include_stop) last = state.text.Append(bytes);
    return std::string(std::exchange(state.held, {}).unsent()) + last + state.text.Flush();
  }
  std::string text = state.text.Append(bytes);
  if (!stops_.has_value()) return text;
  StopMatcher::Found found = stops_->Append(text, drawn_ > request_.min_tokens, state.held);
  stop_ = found.stop;
  return std::move(found.text);
}

v1::FinishReason Generation::completion() const {
  if (stop_token_.has_value()) return v1::FINISH_REASON_STOP_TOKEN;
  if (stop_ != nullptr) return v1::FINISH_REASON_STOP_STRING;
  return enough() ? v1::FINISH_REASON_LENGTH : v1::FINISH_REASON_UNSPECIFIED;
}

std::string Generation::ReleaseHeldBack() {
  SessionState& state = session_->state;
  std::string text(state.held.unsent());
  state.held = {};
  return text + state.text.Flush();
}

void Generation::Finish(v1::FinishReason reason) {
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
  if (drawn_ > 0) *end.mutable_prompt_time() = ToProtoDuration(first_token_ - first_step_);
  if (stop_ != nullptr) end.set_stop_string(request_.stop_names[stop_ - stops_->stops().data()]);
  if (stop_token_.has_value()) end.set_stop_token(*stop_token_);
  if (prompt_is_in() && !to_absorb_.empty()) {
    session_->state.pending = to_absorb_.back();
  }
  // A session that goes on keeps it for its next call.
  // So does a text that ends with the server: asked for again, it goes on with what was held back.
  const bool last = (session_->name().empty() && !request_.only_prompt &&
                     reason != v1::FINISH_REASON_SERVER_STOPPING) ||
                    session_->closed();
  if (last) end_text_ = ReleaseHeldBack();
  end_ = std::move(end);
}

void Generation::Fail(absl::Status error) {
  // Its prompt was in, but for the last token, which waits for the next call all the same.
  if (steps_ > 0 && prompt_is_in()) session_->state.pending = to_absorb_.back();
  end_ = std::move(error);
}

void Generation::Release(const absl::Status& kept, absl::Time now) {
  if (end_.ok() && !kept.ok()) end_ = kept;
  // The client may call again as soon as it sees the end, so the session is given back first.
  session_->End(now);
  outbox_.PushEnd(std::move(end_text_), std::move(end_));
}

}  // namespace derin::server
