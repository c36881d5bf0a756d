#include "server/storage/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"

namespace derin::server {
absl::Status SyncFolder(const std::filesystem::path& folder) {
  const std::string doing = absl::StrFormat("sync the folder %s", Quoted(folder.native()));
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return SystemError(errno, doing);
  const absl::Cleanup close_it = [descriptor] { close(descriptor); };
  return fsync(descriptor) == 0 ? absl::OkStatus() : SystemError(errno, doing);
}

absl::Status MakeFolder(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (std::filesystem::is_directory(folder, ignored)) return absl::OkStatus();
  if (mkdir(folder.c_str(), 0700) != 0) {
    // Another thread may have been quicker.
    const int error = errno;
    if (error == EEXIST && std::filesystem::is_directory(folder, ignored)) return absl::OkStatus();
    if (error == EEXIST) {
      return Refusal(absl::StatusCode::kFailedPrecondition, "SYSTEM_ERROR",
                     absl::StrFormat("cannot make the folder %s: there is a file of that name",
                                     Quoted(folder.native())));
    }
    return SystemError(error, absl::StrFormat("make the folder %s", Quoted(folder.native())));
  }
  const std::filesystem::path parent = folder.parent_path();
  return SyncFolder(parent.empty() ? "." : parent);
}

absl::Status SystemError(int error, std::string_view doing) {
  const std::string message =
      absl::StrFormat("cannot %s: %s", doing, std::generic_category().message(error));
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return Refusal(absl::StatusCode::kPermissionDenied, "NOT_PERMITTED", message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:  // the process's own limit, or the file system's
      return Refusal(absl::StatusCode::kResourceExhausted, "DISK_FULL", message);
    default:
      return Refusal(absl::StatusCode::kFailedPrecondition, "SYSTEM_ERROR", message);
  }
}

}  // namespace derin::server
