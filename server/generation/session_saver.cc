#include "server/generation/session_saver.h"

#include <utility>

#include "absl/time/clock.h"

namespace derin::server {
namespace {

constexpr absl::Duration kSyncInterval = absl::Milliseconds(5);

}  // namespace

SessionSaver::SessionSaver(
    SessionKeeper& keeper,
    std::function<void(absl::Span<const std::shared_ptr<Generation>>)> on_kept)
    : keeper_(keeper), on_kept_(std::move(on_kept)), thread_([this] { Run(); }) {}

SessionSaver::~SessionSaver() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void SessionSaver::Add(absl::Span<const std::shared_ptr<Generation>> ended) {
  absl::MutexLock lock(&mutex_);
  for (const auto& one : ended) {
    sessions_.insert(&one->session());
    ended_.push_back(one);
  }
}

bool SessionSaver::Has(const Session& session) const {
  absl::MutexLock lock(&mutex_);
  return sessions_.contains(&session);
}

void SessionSaver::Run() {
  std::vector<std::shared_ptr<Generation>> unsynced;
  absl::Time next_sync = absl::InfinitePast();
  for (;;) {
    std::vector<std::shared_ptr<Generation>> ended;
    bool stopping;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithDeadline(absl::Condition(this, &SessionSaver::HasNews),
                               unsynced.empty() ? absl::InfiniteFuture() : next_sync);
      ended.swap(ended_);
      stopping = stopping_;
    }
    for (auto& one : ended) {
      const absl::Status kept = keeper_.Keep(one->session());
      if (kept.ok() && one->session().durability() == v1::DURABILITY_POWER) {
        unsynced.push_back(std::move(one));
      } else {
        Release({&one, 1}, kept);
      }
    }
    if (!unsynced.empty() && (stopping || absl::Now() >= next_sync)) {
      next_sync = absl::Now() + kSyncInterval;
      Release(unsynced, keeper_.Sync());
      unsynced.clear();
    }
    if (stopping && ended.empty() && unsynced.empty()) return;
  }
}

void SessionSaver::Release(absl::Span<const std::shared_ptr<Generation>> kept,
                           const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& one : kept) sessions_.erase(&one->session());
  }
  for (const auto& one : kept) one->Release(status, absl::Now());
  on_kept_(kept);
}

}  // namespace derin::server
