#pragma once

#include <filesystem>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace derin::server {

// A folder that appears whole or not at all: filled beside its place, synced and renamed. Destroyed
// without Commit, it leaves nothing behind; a process that is killed leaves a folder with
// `.partial-` in its name.
class StagedFolder {
 public:
  // `target` is not there or an empty folder; FAILED_PRECONDITION, reason NOT_EMPTY, when it is
  // anything else. Its parents are made.
  static absl::StatusOr<StagedFolder> Create(const std::filesystem::path& target);
  StagedFolder(StagedFolder&& other) noexcept;
  StagedFolder& operator=(StagedFolder&&) = delete;
  ~StagedFolder();

  // Where to write.
  const std::filesystem::path& path() const { return path_; }
  // Where it is going to be, absolute.
  const std::filesystem::path& target() const { return target_; }

  // As the last call. The files in it were synced before; folders are synced here.
  absl::Status Commit();

 private:
  StagedFolder(std::filesystem::path target, std::filesystem::path path)
      : target_(std::move(target)), path_(std::move(path)) {}

  std::filesystem::path target_;
  std::filesystem::path path_;  // empty once committed or moved from
};

// `path` as an absolute one, without `.`, `..` and a slash at its end.
absl::StatusOr<std::filesystem::path> PlainPath(const std::filesystem::path& path);

}  // namespace derin::server
