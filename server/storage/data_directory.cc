#include "server/storage/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/folder.h"

namespace derin::server {
namespace {

// The part of a file's name that says it was never finished (see DurableFile).
constexpr std::string_view kPartial = ".partial-";

absl::Status RemoveUnfinished(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(folder, error);
  while (!error && entry != std::filesystem::recursive_directory_iterator()) {
    const std::filesystem::path& path = entry->path();
    if (path.filename().native().find(kPartial) != std::string::npos) {
      std::filesystem::remove(path, error);
      if (error) break;
    }
    entry.increment(error);
  }
  if (!error) return absl::OkStatus();
  return SystemError(error.value(),
                     absl::StrFormat("remove unfinished files below %s", Quoted(folder.native())));
}

}  // namespace

absl::StatusOr<DataDirectory> DataDirectory::Open(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error).lexically_normal();
  const std::string quoted = Quoted(path.native());
  if (path.empty() || error) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "SYSTEM_ERROR",
                   absl::StrFormat("the data directory is %s, wanted a path", quoted));
  }
  // `a/b/` is the folder `a/b`.
  const std::filesystem::path folder = absolute.has_filename() ? absolute : absolute.parent_path();
  std::filesystem::create_directories(folder.parent_path(), error);
  if (error) {
    return SystemError(error.value(), absl::StrFormat("make the data directory %s", quoted));
  }
  if (absl::Status made = MakeFolder(folder); !made.ok()) return made;

  const int lock = open((folder / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock < 0) {
    return SystemError(errno, absl::StrFormat("write in the data directory %s", quoted));
  }
  DataDirectory directory(folder, lock);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    if (code != EWOULDBLOCK) {
      return SystemError(code, absl::StrFormat("lock the data directory %s", quoted));
    }
    return Refusal(absl::StatusCode::kFailedPrecondition, "DATA_DIRECTORY_IN_USE",
                   absl::StrFormat("the data directory %s is in use by another derind; stop it, or "
                                   "give this one a directory of its own",
                                   quoted));
  }
  for (const auto& inner : {directory.blobs(), directory.sessions(), directory.uploads()}) {
    if (absl::Status made = MakeFolder(inner); !made.ok()) return made;
  }
  if (absl::Status removed = RemoveUnfinished(folder); !removed.ok()) return removed;
  return directory;
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

DataDirectory& DataDirectory::operator=(DataDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  return *this;
}

// The file stays: removing it would let two servers lock two files of one name.
DataDirectory::~DataDirectory() {
  if (lock_ >= 0) close(lock_);
}

}  // namespace derin::server
