#include "server/generation/session.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/status/error.h"

namespace derin::server {

SlotLease::SlotLease(std::shared_ptr<HiddenStatePool> pool, int32_t slot, int32_t start_slot,
                     std::shared_ptr<std::atomic<int>> count)
    : pool_(std::move(pool)), slot_(slot), start_slot_(start_slot), count_(std::move(count)) {
  ++*count_;
}

SlotLease::~SlotLease() {
  pool_->Release(slot_);
  if (start_slot_ != 0) pool_->Release(start_slot_);
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
  return TryBeginCall({}, /*must_replay=*/false, expected_position).status();
}

absl::StatusOr<bool> Session::TryBeginCall(const CallKey& key, bool must_replay,
                                           std::optional<int64_t> expected_position) {
  if (closed_) {
    return Refusal(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND",
                   absl::StrCat(name_, " was closed"));
  }
  absl::MutexLock lock(&mutex_);
  const bool replays = IsLastCall(key);
  if (replays && last_->key.digest != key.digest) {
    return Refusal(
        absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
        absl::StrCat("request_id: got ", Quoted(key.request_id), " of the last call of ", name_,
                     " with another request, wanted the same request or a new id"));
  }
  if (must_replay && !replays) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "REQUEST_NOT_REMEMBERED",
                   absl::StrCat("resume_after_position: the last call of ", name_,
                                " is not the one with request_id ", Quoted(key.request_id)));
  }
  if (busy() && !replays) {
    return Refusal(absl::StatusCode::kAborted, "SESSION_BUSY",
                   absl::StrCat("another call generates in ", name_,
                                ": wait for its end, or close the session to end it"));
  }
  // While the last call runs, the state is its own.
  const int64_t position = replays ? last_->start.position : state.position;
  if (expected_position.value_or(position) != position) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "POSITION_MISMATCH",
                   absl::StrCat("expected_position: got ", *expected_position, ", but ", name_,
                                replays ? " was at " : " is at ", position));
  }
  ++calls_;
  idle_since_ = absl::InfiniteFuture();
  return replays;
}

void Session::End(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (last_.has_value()) last_->end = std::max(last_->end, position());
  if (--calls_ == 0) idle_since_ = now;
}

void Session::Hold() {
  absl::MutexLock lock(&mutex_);
  ++calls_;
}

void Session::Remember(CallKey key, std::shared_ptr<const GenerationRequest> request) {
  start_saved_ = at_start_;
  absl::MutexLock lock(&mutex_);
  last_ = {
      .key = std::move(key), .start = state, .end = state.position, .request = std::move(request)};
}

void Session::Restore() {
  {
    absl::MutexLock lock(&mutex_);
    state = last_->start;
  }
  at_start_ = start_saved_;
  Publish();
}

int64_t Session::start_position() const {
  absl::MutexLock lock(&mutex_);
  return last_.has_value() ? last_->start.position : position();
}

uint64_t Session::start_seed() const {
  absl::MutexLock lock(&mutex_);
  return last_.has_value() ? last_->start.seed : seed();
}

std::string Session::last_request_id() const {
  absl::MutexLock lock(&mutex_);
  return last_.has_value() ? last_->key.request_id : "";
}

std::vector<PositionRange> Session::Remembered() const {
  const int64_t now = position();
  if (!last_.has_value()) return {{now, now}};
  const int64_t start = last_->start.position;
  if (last_->request != nullptr) return {{start, last_->end}};
  if (start == now) return {{now, now}};
  return {{start, start}, {now, now}};
}

std::vector<PositionRange> Session::remembered() const {
  absl::MutexLock lock(&mutex_);
  return Remembered();
}

absl::StatusOr<std::shared_ptr<const GenerationRequest>> Session::Rewind(int64_t position) {
  std::shared_ptr<const GenerationRequest> request;
  {
    absl::MutexLock lock(&mutex_);
    std::optional<int64_t> nearest;
    for (const PositionRange& range : Remembered()) {
      const int64_t near = std::clamp(position, range.first, range.last);
      if (!nearest.has_value() || std::abs(near - position) < std::abs(*nearest - position)) {
        nearest = near;
      }
    }
    if (*nearest != position) {
      return Refusal(absl::StatusCode::kOutOfRange, "POSITION_NOT_REMEMBERED",
                     absl::StrCat("position: got ", position, ", which ", name_,
                                  " does not remember; the nearest that it does is ", *nearest));
    }
    if (position == state.position) return nullptr;
    if (position != last_->start.position) return last_->request;
  }
  Restore();
  return nullptr;
}

std::optional<Session::SlotCopy> Session::CopyBeforeFirstStep() const {
  const int32_t live = lease_->slot(), start = lease_->start_slot();
  if (at_start_) return SlotCopy{start, live};
  // A state from nothing needs no copy to begin again.
  if (start == 0 || start_saved_ || state.position == 0) return std::nullopt;
  return SlotCopy{live, start};
}

void Session::FirstStepDone() {
  start_saved_ = at_start_ || CopyBeforeFirstStep().has_value();
  at_start_ = false;
}

absl::Time Session::idle_since() const {
  absl::MutexLock lock(&mutex_);
  return busy() ? absl::InfiniteFuture() : idle_since_;
}

}  // namespace derin::server
