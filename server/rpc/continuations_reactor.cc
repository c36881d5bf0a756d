#include "server/rpc/continuations_reactor.h"

#include <utility>

#include "server/rpc/drawn_log_probability.h"
#include "server/status/error.h"

namespace derin::server {

ContinuationsReactor::ContinuationsReactor(AdmittedCall call, SessionStore& sessions,
                                           GenerationEngine& engine)
    : call_(std::move(call)), sessions_(sessions), engine_(engine) {}

absl::Status ContinuationsReactor::Run(std::shared_ptr<Generation> prompt,
                                       std::shared_ptr<Session> session, Texts texts) {
  session_ = std::move(session);
  texts_ = std::move(texts);
  // Nobody else gets into it between the prompt's end and the forks.
  session_->Hold();
  {
    absl::MutexLock lock(&mutex_);
    if (cancelled_) prompt->Cancel();
    prompt_ = prompt;
  }
  absl::Status started = engine_.Start(std::move(prompt));
  if (!started.ok()) session_->End(absl::Now());
  return started;
}

void ContinuationsReactor::Send(StreamPiece piece) {
  prompt_message_.mutable_text()->append(piece.text);
  if (piece.position > 0) prompt_message_.set_position(piece.position);
  if (!piece.end.has_value()) {
    Generation* prompt;
    {
      absl::MutexLock lock(&mutex_);
      prompt = prompt_.get();
    }
    return engine_.Written(prompt);
  }
  absl::Status status = piece.end->status();
  if (status.ok()) {
    const v1::FinishReason reason = (*piece.end)->finish_reason();
    if (reason == v1::FINISH_REASON_SERVER_STOPPING) status = ServerStopping();
    if (reason == v1::FINISH_REASON_TIME) {
      status = Refusal(absl::StatusCode::kDeadlineExceeded, "TIME_BUDGET_SPENT",
                       "time_budget: it was spent before the prompt's end");
    }
  }
  if (status.ok()) status = Continue();
  session_->End(absl::Now());
  if (!status.ok()) {
    // Nobody knows its name.
    if (texts_.close_after_error) {
      sessions_.Close(session_->name(), session_->owner()).IgnoreError();
    }
    return Finish(call_.End(status));
  }
  // The texts' pieces come on this thread, so none is before this message.
  *prompt_message_.mutable_start() = start_;
  StartWrite(&prompt_message_);
}

absl::Status ContinuationsReactor::Continue() {
  if (session_->closed()) return session_->TryBegin();
  std::vector<std::unique_ptr<Branch>> branches;
  std::vector<std::shared_ptr<Generation>> generations;
  SessionStore::ForkOptions fork_options;
  if (session_->owner() == caller().name) fork_options.max_owned = caller().limits.sessions;
  absl::Status status;
  while (status.ok() && static_cast<int>(branches.size()) < texts_.count) {
    auto fork = sessions_.ForkBegun(*session_, fork_options, /*for_one_call=*/false);
    if (!fork.ok()) {
      status = fork.status();
      break;
    }
    status = (*fork)->TryBegin();
    auto branch = std::make_unique<Branch>();
    branch->reactor = this;
    branch->number = static_cast<int>(branches.size());
    branch->position = (*fork)->position();
    branch->session = *fork;
    branch->generation = std::make_shared<Generation>(texts_.request, *fork, branch.get());
    generations.push_back(branch->generation);
    branches.push_back(std::move(branch));
  }
  {
    absl::MutexLock lock(&mutex_);
    prompt_ = nullptr;
    running_ = branches.size();
    branches_ = std::move(branches);
    if (cancelled_) {
      for (const auto& one : branches_) one->generation->Cancel();
    }
  }
  // How many forks it has is a part of its state.
  if (status.ok()) status = sessions_.Keep(*session_);
  if (status.ok()) status = engine_.StartAll(generations);
  if (status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  for (const auto& one : branches_) {
    if (one->session->name().empty()) continue;
    sessions_.Close(one->session->name(), one->session->owner()).IgnoreError();
  }
  return status;
}

void ContinuationsReactor::SendPiece(Branch& branch, StreamPiece piece) {
  Message message;
  v1::GenerateResponse& response = message.response;
  response.set_continuation(branch.number);
  if (!std::exchange(branch.began, true)) {
    v1::GenerateStart& start = *response.mutable_start();
    start = start_;
    start.set_session(branch.session->name());
    start.set_seed(branch.session->seed());
    start.set_position(branch.position);
    start.clear_unknown_count();
    start.clear_unknown_characters();
  }
  response.set_text(std::move(piece.text));
  response.set_position(piece.position);
  response.mutable_tokens()->Assign(piece.tokens.begin(), piece.tokens.end());
  for (const auto& ranking : piece.rankings) {
    *response.add_log_probabilities() = DrawnLogProbability(ranking);
  }
  const bool ends = piece.end.has_value();
  if (ends && piece.end->ok()) *response.mutable_end() = **piece.end;
  if (!ends) message.more = branch.generation.get();
  const v1::GenerateResponse* first;
  {
    absl::MutexLock lock(&mutex_);
    if (ends) --running_;
    if (ends && status_.ok()) status_ = piece.end->status();
    messages_.push_back(std::move(message));
    if (writing_) return;
    writing_ = true;
    first = &messages_.front().response;
  }
  StartWrite(first);
}

void ContinuationsReactor::OnWriteDone(bool) {
  Generation* more = nullptr;
  v1::GenerateResponse* next = nullptr;
  std::optional<absl::Status> over;
  {
    absl::MutexLock lock(&mutex_);
    if (!std::exchange(prompt_written_, true)) {
      prompt_message_.Clear();
    } else {
      more = messages_.front().more;
      messages_.pop_front();
    }
    if (!messages_.empty()) {
      next = &messages_.front().response;
    } else {
      writing_ = false;
      if (running_ == 0) over = status_;
    }
  }
  if (next != nullptr) StartWrite(next);
  if (more != nullptr) engine_.Written(more);
  if (over.has_value()) Finish(call_.End(*over));
}

void ContinuationsReactor::OnCancel() {
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    if (prompt_ != nullptr) prompt_->Cancel();
    for (const auto& one : branches_) one->generation->Cancel();
  }
  engine_.Wake();
}

}  // namespace derin::server
