#include "server/generation/session_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/sampling/philox.h"
#include "server/status/error.h"
#include "server/storage/random_id.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

// A stream for the next fork of `state`: the same for the same fork of the same text, and but for a
// chance of 2^-32 another one for each other.
uint32_t ForkStream(const Session::State& state) {
  const auto position = static_cast<uint64_t>(state.position);
  return Philox4x32({{state.stream, state.forks + 1, static_cast<uint32_t>(position),
                      static_cast<uint32_t>(position >> 32)}},
                    /*key=*/0)
      .word[0];
}

}  // namespace

SessionStore::SessionStore(Backend& backend, std::string server_id,
                           const SessionStoreOptions& options, std::function<absl::Time()> now)
    : backend_(backend),
      server_id_(std::move(server_id)),
      options_(options),
      now_(std::move(now)),
      copier_(backend) {}

absl::StatusOr<std::unique_ptr<SlotLease>> SessionStore::Lease(const LoadedVersion& version,
                                                               bool remembers) {
  if (*leases_ >= options_.max_sessions) CloseIdle();
  if (*leases_ >= options_.max_sessions) {
    return WithRetryAfter(
        Refusal(absl::StatusCode::kResourceExhausted, "SESSIONS_FULL",
                absl::StrFormat("all %d sessions of this server are in use: close one, or have the "
                                "operator raise --max-sessions",
                                options_.max_sessions)),
        absl::Seconds(1));
  }
  const int64_t elements = StateElements(version.model->config());
  std::shared_ptr<HiddenStatePool>& pool = pools_[elements];
  if (pool == nullptr) {
    auto created =
        HiddenStatePool::Create(backend_, ElementType::kF32, elements, 2 * options_.max_sessions);
    if (!created.ok()) return created.status();
    pool = *std::move(created);
  }
  absl::StatusOr<int32_t> slot = pool->Acquire();
  if (!slot.ok()) return slot.status();
  int32_t start_slot = 0;
  if (remembers) {
    absl::StatusOr<int32_t> second = pool->Acquire();
    if (!second.ok()) {
      pool->Release(*slot);
      return second.status();
    }
    start_slot = *second;
  }
  return std::make_unique<SlotLease>(pool, *slot, start_slot, leases_);
}

void SessionStore::CloseIdle() {
  const absl::Time limit = now_() - options_.idle_limit;
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    if (it->second->idle_since() > limit) {
      ++it;
      continue;
    }
    it->second->Close();
    it = sessions_.erase(it);
    ++evicted_;
  }
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::Open(
    std::shared_ptr<const LoadedVersion> version, std::string_view owner, uint64_t seed) {
  absl::MutexLock lock(&mutex_);
  return OpenNamed(std::move(version), owner, seed);
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::OpenForCall(
    std::shared_ptr<const LoadedVersion> version, std::string_view owner, uint64_t seed,
    std::string_view request_id) {
  absl::MutexLock lock(&mutex_);
  if (request_id.empty()) return OpenNamed(std::move(version), owner, seed);
  std::weak_ptr<Session>& opened = opened_by_[{std::string(owner), std::string(request_id)}];
  if (auto session = opened.lock(); session != nullptr && !session->closed()) {
    if (session->last_request_id() == request_id) return session;
  }
  auto session = OpenNamed(std::move(version), owner, seed);
  if (session.ok()) opened = *session;
  if (opened_by_.size() >= opened_by_limit_) {
    absl::erase_if(opened_by_, [](const auto& one) { return one.second.expired(); });
    opened_by_limit_ = 64 + 2 * opened_by_.size();
  }
  return session;
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::OpenNamed(
    std::shared_ptr<const LoadedVersion> version, std::string_view owner, uint64_t seed) {
  auto lease = Lease(*version, /*remembers=*/true);
  if (!lease.ok()) return lease.status();
  auto session = std::make_shared<Session>(ResourceName(kSessions, NewSessionId(server_id_)),
                                           std::string(owner), std::move(version), seed,
                                           *std::move(lease), now_());
  sessions_[{session->owner(), session->name()}] = session;
  return session;
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::OpenForOneCall(
    std::shared_ptr<const LoadedVersion> version, std::string_view owner, uint64_t seed) {
  absl::MutexLock lock(&mutex_);
  auto lease = Lease(*version, /*remembers=*/false);
  if (!lease.ok()) return lease.status();
  return std::make_shared<Session>("", std::string(owner), std::move(version), seed,
                                   *std::move(lease), now_());
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::Find(std::string_view name,
                                                            std::string_view owner,
                                                            std::string_view field) {
  const absl::StatusOr<std::string> id = ParseResourceName(kSessions, name, field);
  if (!id.ok()) return id.status();
  absl::MutexLock lock(&mutex_);
  const auto found = sessions_.find({std::string(owner), std::string(name)});
  if (found != sessions_.end()) return found->second;
  const std::string_view server = ServerOfSession(*id);
  if (!server.empty() && server != server_id_) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "WRONG_SERVER",
                   absl::StrCat("session ", Quoted(name), " belongs to server ", Quoted(server),
                                ", this is ", server_id_));
  }
  return Refusal(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND",
                 absl::StrCat("there is no session ", Quoted(name),
                              "; sessions end with their server's process, when they are closed, "
                              "and when room is needed after long idleness"));
}

SessionStore::Page SessionStore::List(std::string_view owner, std::string_view after,
                                      int limit) const {
  absl::MutexLock lock(&mutex_);
  Page page;
  auto it = sessions_.upper_bound({std::string(owner), std::string(after)});
  for (; it != sessions_.end() && it->first.first == owner; ++it) {
    if (static_cast<int>(page.sessions.size()) == limit) {
      page.next = page.sessions.back()->name();
      break;
    }
    page.sessions.push_back(it->second);
  }
  return page;
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::Fork(std::string_view name,
                                                            std::string_view owner,
                                                            const ForkOptions& options) {
  const auto found = Find(name, owner, "name");
  if (!found.ok()) return found.status();
  if (absl::Status health = backend_.health(); !health.ok()) return DeviceLost(health);
  // As a call would: nobody else may change it meanwhile.
  if (absl::Status begun = (*found)->TryBegin(); !begun.ok()) return begun;
  auto fork = ForkBegun(**found, options);
  (*found)->End(now_());
  return fork;
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::ForkBegun(Session& from,
                                                                 const ForkOptions& options) {
  absl::StatusOr<std::unique_ptr<SlotLease>> lease = absl::UnknownError("");
  {
    absl::MutexLock lock(&mutex_);
    lease = Lease(*from.version(), /*remembers=*/!options.for_one_call);
  }
  if (!lease.ok()) return lease.status();
  auto fork = std::make_shared<Session>(
      options.for_one_call ? "" : ResourceName(kSessions, NewSessionId(server_id_)), from.owner(),
      from.version(), 0, *std::move(lease), now_());
  if (from.state.position > 0) {
    absl::Status copied = copier_.Copy(from.lease().pool(), from.slot(), fork->slot());
    if (!copied.ok()) return copied;
  }
  fork->state = from.state;
  fork->state.forks = 0;
  if (options.seed.has_value()) fork->state.seed = *options.seed;
  if (!options.same_stream) fork->state.stream = ForkStream(from.state);
  fork->Publish();
  if (!options.same_stream) ++from.state.forks;
  if (options.for_one_call) return fork;
  absl::MutexLock lock(&mutex_);
  sessions_[{fork->owner(), fork->name()}] = fork;
  return fork;
}

absl::Status SessionStore::Close(std::string_view name, std::string_view owner) {
  const auto session = Find(name, owner, "name");
  if (!session.ok()) return session.status();
  (*session)->Close();
  absl::MutexLock lock(&mutex_);
  sessions_.erase({(*session)->owner(), (*session)->name()});
  return absl::OkStatus();
}

int SessionStore::size() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(sessions_.size());
}

int64_t SessionStore::state_bytes() const {
  absl::MutexLock lock(&mutex_);
  int64_t bytes = 0;
  for (const auto& [elements, pool] : pools_) bytes += pool->taken_bytes();
  return bytes;
}

int64_t SessionStore::evicted() const {
  absl::MutexLock lock(&mutex_);
  return evicted_;
}

}  // namespace derin::server
