#include "server/generation/session.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/status/error.h"

namespace derin::server {

SlotLease::SlotLease(std::shared_ptr<HiddenStatePool> pool, int32_t slot,
                     std::shared_ptr<std::atomic<int>> count)
    : pool_(std::move(pool)), slot_(slot), count_(std::move(count)) {
  ++*count_;
}

SlotLease::~SlotLease() {
  pool_->Release(slot_);
  --*count_;
}

Session::Session(std::string name, std::string owner, std::shared_ptr<const LoadedVersion> version,
                 uint64_t seed, std::unique_ptr<SlotLease> lease, absl::Time now)
    : state{.seed = seed},
      name_(std::move(name)),
      owner_(std::move(owner)),
      version_(std::move(version)),
      lease_(std::move(lease)),
      create_time_(now),
      seed_(seed),
      idle_since_(now) {}

absl::Status Session::TryBegin(std::optional<int64_t> expected_position) {
  if (closed_) {
    return Refusal(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND",
                   absl::StrCat(name_, " was closed"));
  }
  absl::MutexLock lock(&mutex_);
  if (idle_since_ == absl::InfiniteFuture()) {
    return Refusal(absl::StatusCode::kAborted, "SESSION_BUSY",
                   absl::StrCat("another call generates in ", name_,
                                ": wait for its end, or close the session to end it"));
  }
  if (expected_position.value_or(state.position) != state.position) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "POSITION_MISMATCH",
                   absl::StrCat("expected_position: got ", *expected_position, ", but ", name_,
                                " is at ", state.position));
  }
  idle_since_ = absl::InfiniteFuture();
  return absl::OkStatus();
}

void Session::End(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  idle_since_ = now;
}

absl::Time Session::idle_since() const {
  absl::MutexLock lock(&mutex_);
  return idle_since_;
}

}  // namespace derin::server
