#include "server/rpc/admission.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/logging/trace_context.h"
#include "server/rpc/status_mapping.h"
#include "server/security/method_rule.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

absl::Status StreamsFull(const Caller& caller, int64_t limit) {
  const char* const by = caller.limits.streams.has_value()
                             ? "as its token allows: max_streams"
                             : "as a caller may have here: --max-streams-per-caller";
  return WithRetryAfter(
      Refusal(absl::StatusCode::kResourceExhausted, "CALLER_STREAMS_FULL",
              absl::StrCat(caller.name, " has as many streams ", by, " is ", limit)),
      absl::Seconds(1));
}

// A hint that nobody waits for longer than this.
constexpr absl::Duration kLongestHint = absl::Minutes(1);

absl::Status TokensUsedUp(const Caller& caller, absl::Duration delay) {
  return WithRetryAfter(
      Refusal(absl::StatusCode::kResourceExhausted, "CALLER_TOKENS_USED_UP",
              absl::StrCat(caller.name, " has used up what its token allows for now: ",
                           "max_tokens_per_minute is ", *caller.limits.tokens_per_minute)),
      std::min(delay, kLongestHint));
}

}  // namespace

AdmittedCall::AdmittedCall(Admission* admission, Caller caller, std::string method,
                           std::string trace_id, bool counted)
    : admission_(admission),
      caller_(std::move(caller)),
      method_(std::move(method)),
      trace_id_(std::move(trace_id)),
      start_(admission->metrics_.all.Now()),
      counted_(counted) {}

AdmittedCall::AdmittedCall(AdmittedCall&& other) noexcept
    : admission_(std::exchange(other.admission_, nullptr)),
      caller_(std::move(other.caller_)),
      method_(std::move(other.method_)),
      trace_id_(std::move(other.trace_id_)),
      start_(other.start_),
      awaited_(other.awaited_),
      counted_(other.counted_) {}

AdmittedCall& AdmittedCall::operator=(AdmittedCall&& other) noexcept {
  std::swap(admission_, other.admission_);
  std::swap(caller_, other.caller_);
  std::swap(method_, other.method_);
  std::swap(trace_id_, other.trace_id_);
  std::swap(start_, other.start_);
  std::swap(awaited_, other.awaited_);
  std::swap(counted_, other.counted_);
  return *this;
}

AdmittedCall::~AdmittedCall() {
  if (admission_ != nullptr) End(absl::CancelledError("the caller went away"));
}

void AdmittedCall::OnlyWatches() {
  if (std::exchange(awaited_, false)) admission_->Leave();
}

grpc::Status AdmittedCall::End(const absl::Status& status) {
  OnlyWatches();
  Admission* admission = std::exchange(admission_, nullptr);
  if (counted_) admission->EndStream(caller_.name);
  admission->metrics_.grpc_in_flight.With(method_).Add(-1);
  const absl::Duration duration = admission->metrics_.all.Now() - start_;
  admission->metrics_.grpc_request_seconds.With(method_).Record(duration);
  if (caller_.account != nullptr) caller_.account->AddCallTime(duration);
  admission->Ended(method_, caller_.name, status, duration, trace_id_);
  return ToGrpcStatus(status);
}

absl::StatusOr<AdmittedCall> Admission::Admit(const grpc::CallbackServerContext& context,
                                              std::string_view method) {
  std::string trace_id = Logs() ? TraceIdIn(context.client_metadata()) : "";
  if (callers_ == nullptr) {
    return Admit(Caller{.name = kLocalCaller, .roles = {Role::kAdmin}}, method,
                 /*is_stream=*/false, std::move(trace_id));
  }
  const std::string path =
      absl::StrCat("/derin.v1.", absl::string_view(method.data(), method.size()));
  absl::StatusOr<Caller> caller =
      callers_->Authorize(path, AuthorizationIn(context.client_metadata()));
  if (!caller.ok()) {
    Ended(std::string(method), "", caller.status(), absl::ZeroDuration(), trace_id);
    return caller.status();
  }
  return Admit(*std::move(caller), method, RuleOf(path)->is_stream, std::move(trace_id));
}

absl::StatusOr<AdmittedCall> Admission::Admit(Caller caller, std::string_view method,
                                              bool is_stream, std::string trace_id) {
  std::string name(method);
  absl::Status refusal;
  absl::Duration token_delay;
  if (usage_ != nullptr) {
    caller.account = usage_->Of(caller.name);
    caller.account->SetTokensPerMinute(caller.limits.tokens_per_minute);
    if (is_stream) token_delay = caller.account->TokenDelay();
  }
  {
    absl::MutexLock lock(&mutex_);
    std::optional<int64_t> limit = caller.limits.streams;
    if (!limit.has_value() && limits_.streams_per_caller > 0) limit = limits_.streams_per_caller;
    const bool counted = is_stream && limit.has_value();
    if (draining_) {
      refusal = ServerStopping();
    } else if (counted && streams_[caller.name] >= *limit) {
      refusal = StreamsFull(caller, *limit);
    } else if (token_delay > absl::ZeroDuration()) {
      refusal = TokensUsedUp(caller, token_delay);
    } else {
      if (counted) ++streams_[caller.name];
      ++awaited_;
      metrics_.grpc_in_flight.With(name).Add(1);
      return AdmittedCall(this, std::move(caller), std::move(name), std::move(trace_id), counted);
    }
  }
  Ended(name, caller.name, refusal, absl::ZeroDuration(), trace_id);
  return refusal;
}

void Admission::EndStream(const std::string& caller) {
  absl::MutexLock lock(&mutex_);
  const auto found = streams_.find(caller);
  if (--found->second == 0) streams_.erase(found);
}

void Admission::StartDraining() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
}

bool Admission::AwaitIdle(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  DERIN_CHECK(draining_);
  const auto idle_or_hurried = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return awaited_ == 0 || hurried_;
  };
  mutex_.AwaitWithDeadline(absl::Condition(&idle_or_hurried), deadline);
  hurried_ = false;
  return awaited_ == 0;
}

void Admission::StopWaiting() {
  absl::MutexLock lock(&mutex_);
  hurried_ = true;
}

void Admission::Leave() {
  absl::MutexLock lock(&mutex_);
  --awaited_;
}

void Admission::Ended(const std::string& method, const std::string& caller,
                      const absl::Status& status, absl::Duration duration,
                      const std::string& trace_id) {
  metrics_.CallIsOver(method, status);
  if (!Logs()) return;
  const std::string reason = ErrorReason(status);
  log_->Ended({.method = method,
               .caller = caller,
               .code = status.code(),
               .reason = reason,
               .duration = duration,
               .trace_id = trace_id});
}

}  // namespace derin::server
