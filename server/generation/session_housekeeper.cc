#include "server/generation/session_housekeeper.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>

namespace derin::server {

SessionHousekeeper::SessionHousekeeper(SessionStore& sessions, SessionArchive& archive,
                                       absl::Duration round, std::function<void()> more)
    : sessions_(sessions),
      archive_(archive),
      round_(round),
      more_(std::move(more)),
      thread_([this] { Run(); }) {}

SessionHousekeeper::~SessionHousekeeper() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

bool SessionHousekeeper::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void SessionHousekeeper::Run() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), round_)) return;
    }
    sessions_.RemoveExpired();
    Compact();
    if (more_) more_();
  }
}

void SessionHousekeeper::Compact() {
  while (!Stopping()) {
    const absl::StatusOr<bool> compacted = archive_.Compact();
    if (!compacted.ok()) {
      spdlog::warn("cannot give back disk that sessions no longer need: {}",
                   std::string(compacted.status().message()));
    }
    if (!compacted.ok() || !*compacted) return;
  }
}

}  // namespace derin::server
