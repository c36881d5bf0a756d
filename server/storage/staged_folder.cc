#include "server/storage/staged_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/folder.h"

namespace derin::server {
namespace {

absl::Status CheckFree(const std::filesystem::path& target) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::symlink_status(target, error);
  if (status.type() == std::filesystem::file_type::not_found) return absl::OkStatus();
  if (error) {
    return SystemError(error.value(), absl::StrFormat("look at %s", Quoted(target.native())));
  }
  const bool folder = status.type() == std::filesystem::file_type::directory;
  const bool empty = folder && std::filesystem::is_empty(target, error);
  if (error) {
    return SystemError(error.value(), absl::StrFormat("look into %s", Quoted(target.native())));
  }
  if (empty) return absl::OkStatus();
  return Refusal(absl::StatusCode::kFailedPrecondition, "NOT_EMPTY",
                 absl::StrFormat("%s is %s, wanted a folder that is empty or not there yet",
                                 Quoted(target.native()),
                                 folder ? "a folder with something in it" : "not a folder"));
}

}  // namespace

absl::StatusOr<std::filesystem::path> PlainPath(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error).lexically_normal();
  if (path.empty() || error) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "SYSTEM_ERROR",
                   absl::StrFormat("got the folder %s, wanted a path", Quoted(path.native())));
  }
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

absl::StatusOr<StagedFolder> StagedFolder::Create(const std::filesystem::path& target) {
  absl::StatusOr<std::filesystem::path> plain = PlainPath(target);
  if (!plain.ok()) return plain.status();
  if (absl::Status free = CheckFree(*plain); !free.ok()) return free;
  std::error_code error;
  std::filesystem::create_directories(plain->parent_path(), error);
  if (error) {
    return SystemError(error.value(),
                       absl::StrFormat("make the folder of %s", Quoted(plain->native())));
  }
  std::string path = plain->native() + ".partial-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    return SystemError(errno, absl::StrFormat("write beside %s", Quoted(plain->native())));
  }
  return StagedFolder(*std::move(plain), std::move(path));
}

StagedFolder::StagedFolder(StagedFolder&& other) noexcept
    : target_(std::move(other.target_)), path_(std::exchange(other.path_, {})) {}

StagedFolder::~StagedFolder() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

absl::Status StagedFolder::Commit() {
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    if (!entry.is_directory()) continue;
    if (absl::Status synced = SyncFolder(entry.path()); !synced.ok()) return synced;
  }
  if (absl::Status synced = SyncFolder(path_); !synced.ok()) return synced;
  // Over an empty folder, but over nothing else.
  if (std::rename(path_.c_str(), target_.c_str()) != 0) {
    const int code = errno;
    absl::Status failed = SystemError(
        code, absl::StrFormat("rename %s to %s", Quoted(path_.native()), Quoted(target_.native())));
    if (code != EBUSY && code != EXDEV) return failed;
    return absl::Status(failed.code(),
                        absl::StrFormat("%s: it is where a file system is mounted; name a folder "
                                        "inside it",
                                        failed.message()));
  }
  path_.clear();
  return SyncFolder(target_.parent_path());
}

}  // namespace derin::server
