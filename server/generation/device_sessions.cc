#include "server/generation/device_sessions.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/str_format.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

// How soon calls under way may have let go of what they hold.
constexpr absl::Duration kRetryDelay = absl::Milliseconds(200);

constexpr int64_t kMostSlots = std::numeric_limits<int>::max();

}  // namespace

DeviceSessions::DeviceSessions(Backend& backend, int64_t bytes,
                               std::function<void(const Session&)> on_leave)
    : backend_(backend), bytes_(bytes), on_leave_(std::move(on_leave)) {}

absl::StatusOr<std::shared_ptr<HiddenStatePool>> DeviceSessions::PoolFor(int64_t elements) {
  std::shared_ptr<HiddenStatePool>& pool = pools_[elements];
  if (pool != nullptr) return pool;
  RemoveUnusedPools();
  int64_t left = bytes_;
  for (const auto& [others, other] : pools_) {
    if (other != nullptr) left -= other->capacity_bytes();
  }
  const int64_t slots =
      std::min<int64_t>(left / 2 / (elements * static_cast<int64_t>(sizeof(float))), kMostSlots);
  if (slots < 1) {
    return Refusal(absl::StatusCode::kResourceExhausted, "DEVICE_MEMORY_FULL",
                   absl::StrFormat("a state of %d bytes does not fit in half of what is left, %d "
                                   "bytes, of --session-device-memory: have the operator raise it",
                                   elements * sizeof(float), left));
  }
  auto created =
      HiddenStatePool::Create(backend_, ElementType::kF32, elements, static_cast<int>(slots));
  if (!created.ok()) return created.status();
  pool = *std::move(created);
  return pool;
}

absl::StatusOr<std::unique_ptr<SlotLease>> DeviceSessions::Lease(const LoadedVersion& version) {
  auto pool = PoolFor(StateElements(version.model->config()));
  if (!pool.ok()) return pool.status();
  absl::StatusOr<int32_t> slot = (*pool)->Acquire();
  if (!slot.ok() && RemoveLeastUsed(pool->get())) slot = (*pool)->Acquire();
  if (!slot.ok()) {
    return WithRetryAfter(
        Refusal(absl::StatusCode::kResourceExhausted, "DEVICE_MEMORY_FULL",
                absl::StrFormat("calls under way have all %d places for states on the device: try "
                                "again, or have the operator raise --session-device-memory",
                                (*pool)->capacity())),
        kRetryDelay);
  }
  return std::make_unique<SlotLease>(*std::move(pool), *slot);
}

std::shared_ptr<Session> DeviceSessions::Use(const Key& key) {
  const auto found = sessions_.find(key);
  if (found == sessions_.end()) return nullptr;
  by_use_.erase(found->second.last_use);
  found->second.last_use = ++uses_;
  by_use_.emplace(uses_, key);
  return found->second.session;
}

std::shared_ptr<Session> DeviceSessions::Find(const Key& key) const {
  const auto found = sessions_.find(key);
  return found == sessions_.end() ? nullptr : found->second.session;
}

bool DeviceSessions::HasUser(const Key& key) const {
  const auto found = sessions_.find(key);
  return found != sessions_.end() && found->second.session.use_count() > 1;
}

void DeviceSessions::Add(std::shared_ptr<Session> session) {
  const Key key = session->key();
  sessions_[key] = {std::move(session), ++uses_};
  by_use_.emplace(uses_, key);
}

void DeviceSessions::Remove(const Key& key) {
  const auto found = sessions_.find(key);
  if (found == sessions_.end()) return;
  by_use_.erase(found->second.last_use);
  const std::shared_ptr<Session> session = std::move(found->second.session);
  sessions_.erase(found);
  on_leave_(*session);
}

void DeviceSessions::CloseAllOf(std::string_view model_version) {
  std::vector<Key> keys;
  for (const auto& [key, entry] : sessions_) {
    if (entry.session->version()->version.name() == model_version) keys.push_back(key);
  }
  for (const Key& key : keys) {
    sessions_.at(key).session->Close();
    Remove(key);
  }
}

bool DeviceSessions::RemoveLeastUsed(const HiddenStatePool* pool) {
  for (const auto& [use, key] : by_use_) {
    const bool fits = pool == nullptr || &sessions_.at(key).session->lease().pool() == pool;
    if (!fits || HasUser(key)) continue;
    Remove(Key(key));
    ++left_;
    return true;
  }
  return false;
}

void DeviceSessions::RemoveUnusedPools() {
  absl::flat_hash_map<const HiddenStatePool*, std::vector<Key>> unused;
  for (const auto& [key, entry] : sessions_) {
    if (!HasUser(key)) unused[&entry.session->lease().pool()].push_back(key);
  }
  for (auto& [elements, pool] : pools_) {
    if (pool == nullptr) continue;
    const std::vector<Key>& keys = unused[pool.get()];
    if (static_cast<int64_t>(keys.size()) * pool->slot_bytes() < pool->taken_bytes()) continue;
    for (const Key& key : keys) Remove(key);
    left_ += static_cast<int64_t>(keys.size());
    pool = nullptr;
  }
}

void DeviceSessions::RemoveUnused() {
  while (RemoveLeastUsed(nullptr)) {
  }
}

int64_t DeviceSessions::taken_bytes() const {
  int64_t bytes = 0;
  for (const auto& [elements, pool] : pools_) {
    if (pool != nullptr) bytes += pool->taken_bytes();
  }
  return bytes;
}

}  // namespace derin::server
