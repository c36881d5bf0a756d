#include "server/rpc/admission.h"

#include <utility>

#include "model/check.h"
#include "server/rpc/status_mapping.h"
#include "server/status/error.h"

namespace derin::server {

AdmittedCall::AdmittedCall(Admission* admission, Caller caller, std::string method)
    : admission_(admission),
      caller_(std::move(caller)),
      method_(std::move(method)),
      start_(admission->metrics_.all.Now()) {}

AdmittedCall::AdmittedCall(AdmittedCall&& other) noexcept
    : admission_(std::exchange(other.admission_, nullptr)),
      caller_(std::move(other.caller_)),
      method_(std::move(other.method_)),
      start_(other.start_),
      awaited_(other.awaited_) {}

AdmittedCall& AdmittedCall::operator=(AdmittedCall&& other) noexcept {
  std::swap(admission_, other.admission_);
  std::swap(caller_, other.caller_);
  std::swap(method_, other.method_);
  std::swap(start_, other.start_);
  std::swap(awaited_, other.awaited_);
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
  admission->metrics_.grpc_in_flight.With(method_).Add(-1);
  admission->metrics_.grpc_request_seconds.With(method_).Record(admission->metrics_.all.Now() -
                                                                start_);
  admission->Count(method_, status.code());
  return ToGrpcStatus(status);
}

absl::StatusOr<AdmittedCall> Admission::Admit(const grpc::CallbackServerContext& /*context*/,
                                              std::string_view method) {
  std::string name(method);
  {
    absl::MutexLock lock(&mutex_);
    if (!draining_) {
      ++awaited_;
      metrics_.grpc_in_flight.With(name).Add(1);
      return AdmittedCall(this, Caller{.name = "local"}, std::move(name));
    }
  }
  Count(name, absl::StatusCode::kUnavailable);
  return ServerStopping();
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

void Admission::Count(const std::string& method, absl::StatusCode code) {
  metrics_.grpc_requests.With(method, absl::StatusCodeToString(code)).Add();
}

}  // namespace derin::server
