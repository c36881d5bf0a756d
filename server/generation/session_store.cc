#include "server/generation/session_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/random_id.h"
#include "server/storage/resource_name.h"

namespace derin::server {

SessionStore::SessionStore(Backend& backend, std::string server_id,
                           const SessionStoreOptions& options, std::function<absl::Time()> now)
    : backend_(backend),
      server_id_(std::move(server_id)),
      options_(options),
      now_(std::move(now)) {}

absl::StatusOr<std::unique_ptr<SlotLease>> SessionStore::Lease(const LoadedVersion& version) {
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
        HiddenStatePool::Create(backend_, ElementType::kF32, elements, options_.max_sessions);
    if (!created.ok()) return created.status();
    pool = *std::move(created);
  }
  absl::StatusOr<int32_t> slot = pool->Acquire();
  if (!slot.ok()) return slot.status();
  return std::make_unique<SlotLease>(pool, *slot, leases_);
}

void SessionStore::CloseIdle() {
  const absl::Time limit = now_() - options_.idle_limit;
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const auto current = it++;
    if (current->second->idle_since() > limit) continue;
    current->second->Close();
    sessions_.erase(current);
    ++evicted_;
  }
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::Open(
    std::shared_ptr<const LoadedVersion> version, std::string_view owner, uint64_t seed) {
  absl::MutexLock lock(&mutex_);
  auto lease = Lease(*version);
  if (!lease.ok()) return lease.status();
  auto session = std::make_shared<Session>(ResourceName(kSessions, NewSessionId(server_id_)),
                                           std::string(owner), std::move(version), seed,
                                           *std::move(lease), now_());
  sessions_[session->name()] = session;
  return session;
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::OpenForOneCall(
    std::shared_ptr<const LoadedVersion> version, std::string_view owner, uint64_t seed) {
  absl::MutexLock lock(&mutex_);
  auto lease = Lease(*version);
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
  const auto found = sessions_.find(std::string(name));
  if (found != sessions_.end() && found->second->owner() == owner) return found->second;
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

absl::Status SessionStore::Close(std::string_view name, std::string_view owner) {
  const auto session = Find(name, owner, "name");
  if (!session.ok()) return session.status();
  (*session)->Close();
  absl::MutexLock lock(&mutex_);
  sessions_.erase((*session)->name());
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
