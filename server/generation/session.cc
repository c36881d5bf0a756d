#include "server/generation/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

// What never changes of a session.
SessionImage LastingFacts(const SessionImage& image) {
  return {.name = image.name,
          .owner = image.owner,
          .model_version = image.model_version,
          .create_time = image.create_time,
          .durability = image.durability,
          .time_to_live = image.time_to_live};
}

}  // namespace

SlotLease::SlotLease(std::shared_ptr<HiddenStatePool> pool, int32_t slot)
    : pool_(std::move(pool)), slot_(slot) {}

SlotLease::~SlotLease() { pool_->Release(slot_); }

Session::Session(SessionImage image, std::shared_ptr<const LoadedVersion> version,
                 std::unique_ptr<SlotLease> lease)
    : state(std::move(image.state)),
      facts_(LastingFacts(image)),
      version_(std::move(version)),
      lease_(std::move(lease)),
      first_position_(state.position),
      first_engine_id_(image.engine_id.empty() ? version_->engine_id : image.engine_id),
      to_upload_(std::move(image.hidden)),
      sequence_(image.sequence),
      position_(state.position),
      seed_(state.seed),
      stream_(state.stream),
      idle_since_(image.idle_since),
      last_(std::move(image.last)) {}

absl::Status Session::TryBegin(std::optional<int64_t> expected_position) {
  return TryBeginCall({}, /*must_replay=*/false, expected_position).status();
}

absl::StatusOr<bool> Session::TryBeginCall(const CallKey& key, bool must_replay,
                                           std::optional<int64_t> expected_position) {
  if (closed_) {
    return Refusal(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND",
                   absl::StrCat(name(), " was closed"));
  }
  absl::MutexLock lock(&mutex_);
  const bool replays = IsLastCall(key);
  if (replays && last_->key.digest != key.digest) {
    return Refusal(
        absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
        absl::StrCat("request_id: got ", Quoted(key.request_id), " of the last call of ", name(),
                     " with another request, wanted the same request or a new id"));
  }
  // Another than the last call may be in it by now: one that forks it, say, or the next one, which
  // is remembered only when it starts.
  if (busy() && !(replays && last_call_runs_)) {
    return Refusal(absl::StatusCode::kAborted, "SESSION_BUSY",
                   absl::StrCat("another call generates in ", name(),
                                ": wait for its end, or close the session to end it"));
  }
  if (must_replay && !replays && !expected_position.has_value()) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "REQUEST_NOT_REMEMBERED",
                   absl::StrCat("resume_after_position: the last call of ", name(),
                                " is not the one with request_id ", Quoted(key.request_id)));
  }
  // While the last call runs, the state is its own.
  const int64_t position = replays ? last_->start_position : state.position;
  if (expected_position.value_or(position) != position) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "POSITION_MISMATCH",
                   absl::StrCat("expected_position: got ", *expected_position, ", but ", name(),
                                replays ? " was at " : " is at ", position));
  }
  ++calls_;
  last_call_runs_ = replays;
  idle_since_ = absl::InfiniteFuture();
  return replays;
}

void Session::End(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (last_.has_value()) last_->end_position = std::max(last_->end_position, position());
  if (--calls_ > 0) return;
  last_call_runs_ = false;
  idle_since_ = now;
}

void Session::Hold() {
  absl::MutexLock lock(&mutex_);
  ++calls_;
}

void Session::Remember(CallKey key, std::shared_ptr<const v1::GenerateRequest> request) {
  absl::MutexLock lock(&mutex_);
  last_ = {.key = std::move(key),
           .start_sequence = sequence_,
           .start_position = state.position,
           .start_seed = state.seed,
           .end_position = state.position,
           .request = std::move(request)};
  last_call_runs_ = true;
}

void Session::Restore(const SessionImage& image) {
  state = image.state;
  to_upload_ = image.hidden;
  Publish();
}

void Session::RestoreWithCall(const SessionImage& image) {
  Restore(image);
  absl::MutexLock lock(&mutex_);
  last_ = image.last;
}

std::optional<LastCall> Session::last_call() const {
  absl::MutexLock lock(&mutex_);
  return last_;
}

SessionImage Session::Facts(absl::Time now) const {
  SessionImage image = facts_;
  image.engine_id = engine_id();
  image.idle_since = now;
  absl::MutexLock lock(&mutex_);
  image.last = last_;
  if (image.last.has_value()) {
    image.last->end_position = std::max(image.last->end_position, position());
  }
  return image;
}

absl::Time Session::idle_since() const {
  absl::MutexLock lock(&mutex_);
  return busy() ? absl::InfiniteFuture() : idle_since_;
}

}  // namespace derin::server
