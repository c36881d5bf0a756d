#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "gtest/gtest.h"
#include "server/generation/session_archive.h"
#include "server/generation/session_store.h"
#include "server/status/error.h"
#include "tests/temporary_folder.h"

namespace derin::server {

// A store with its archive in a folder of its own, for the versions that it is told of.
class StoredSessions {
 public:
  explicit StoredSessions(Backend& backend, const SessionStoreOptions& options = {},
                          const SessionArchiveOptions& archive_options = {})
      : backend_(backend), options_(options), archive_options_(archive_options) {
    Start();
  }

  void Add(std::shared_ptr<const LoadedVersion> version) {
    const std::string name = version->version.name();
    versions_[name] = std::move(version);
  }
  void Delete(const LoadedVersion& version) { versions_.erase(version.version.name()); }

  // A session that was opened, on the device.
  std::shared_ptr<Session> Open(const std::shared_ptr<const LoadedVersion>& version,
                                std::string_view owner, uint64_t seed,
                                v1::Durability durability = v1::DURABILITY_PROCESS) {
    Add(version);
    const auto view = store_->Open(*version, owner, {.seed = seed, .durability = durability});
    EXPECT_TRUE(view.ok()) << view.status();
    return view.ok() ? Acquire(view->image.name, owner) : nullptr;
  }
  std::shared_ptr<Session> Acquire(std::string_view name, std::string_view owner) {
    const auto acquired = store_->Acquire(name, owner, "session");
    EXPECT_TRUE(acquired.ok()) << acquired.status();
    return acquired.ok() ? acquired->session : nullptr;
  }

  // As after the death of the process: only what is with the system is there. Nobody has a session.
  void Restart() {
    store_.reset();
    archive_.reset();
    Start();
  }

  SessionStore& operator*() { return *store_; }
  SessionStore* operator->() { return store_.get(); }
  SessionArchive& archive() { return *archive_; }

  absl::Time now = absl::UnixEpoch() + absl::Hours(1);

 private:
  void Start() {
    auto archive = SessionArchive::Open(folder_.path() / "sessions", archive_options_, now);
    ASSERT_TRUE(archive.ok()) << archive.status();
    archive_ = *std::move(archive);
    store_ = std::make_unique<SessionStore>(
        backend_, *archive_,
        [this](std::string_view name,
               std::string_view) -> absl::StatusOr<std::shared_ptr<const LoadedVersion>> {
          const auto found = versions_.find(name);
          if (found != versions_.end()) return found->second;
          return Refusal(absl::StatusCode::kNotFound, "MODEL_VERSION_NOT_FOUND", name);
        },
        "a1b2", options_, [this] { return now; });
  }

  Backend& backend_;
  const SessionStoreOptions options_;
  const SessionArchiveOptions archive_options_;
  const TemporaryFolder folder_;
  std::map<std::string, std::shared_ptr<const LoadedVersion>, std::less<>> versions_;
  std::unique_ptr<SessionArchive> archive_;
  std::unique_ptr<SessionStore> store_;
};

}  // namespace derin::server
