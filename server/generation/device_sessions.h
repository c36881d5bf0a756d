#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/network/hidden_state_pool.h"
#include "server/generation/session.h"

namespace derin::server {

// The sessions whose states are on the device, and the memory for states there. Without a lock of
// its own: its owner hands sessions out under one, so that it sees which of them nobody else has.
class DeviceSessions {
 public:
  using Key = SessionKey;

  // `backend` outlives it and all leases. Models whose states have the same size share a pool; each
  // pool takes half of what is left of `bytes`, and those make room first that nobody works in.
  // `on_leave` is told which session lost its place.
  DeviceSessions(Backend& backend, int64_t bytes, std::function<void(const Session&)> on_leave);

  // A place for a state of this version; the least used session that nobody has makes room.
  // RESOURCE_EXHAUSTED, reason DEVICE_MEMORY_FULL, with a retry hint when there is none.
  absl::StatusOr<std::unique_ptr<SlotLease>> Lease(const LoadedVersion& version);

  // Null when it is not here; else it is the most used one now.
  std::shared_ptr<Session> Use(const Key& key);
  // The same without a use.
  std::shared_ptr<Session> Find(const Key& key) const;
  // Whether somebody has it who was handed it out.
  bool HasUser(const Key& key) const;
  void Add(std::shared_ptr<Session> session);
  void Remove(const Key& key);
  // Closes those of this version, also those that somebody has, and takes their places.
  void CloseAllOf(std::string_view model_version);
  // All that nobody has lose their places.
  void RemoveUnused();

  int64_t size() const { return static_cast<int64_t>(sessions_.size()); }
  int64_t taken_bytes() const;
  // How often a session lost its place for another one.
  int64_t left() const { return left_; }

 private:
  struct Entry {
    std::shared_ptr<Session> session;
    uint64_t last_use = 0;
  };

  // The pool for states of `elements`; makes one where there is none.
  absl::StatusOr<std::shared_ptr<HiddenStatePool>> PoolFor(int64_t elements);
  // The sessions of pools in which nobody has one lose their places, and the pools their memory.
  void RemoveUnusedPools();
  // The least used session that nobody has loses its place, of those in `pool` unless that is null.
  // False when there is none.
  bool RemoveLeastUsed(const HiddenStatePool* pool);

  Backend& backend_;
  const int64_t bytes_;
  const std::function<void(const Session&)> on_leave_;
  // By the number of elements of a slot.
  absl::flat_hash_map<int64_t, std::shared_ptr<HiddenStatePool>> pools_;
  absl::flat_hash_map<Key, Entry> sessions_;
  std::map<uint64_t, Key> by_use_;  // the least used first
  uint64_t uses_ = 0;
  int64_t left_ = 0;
};

}  // namespace derin::server
