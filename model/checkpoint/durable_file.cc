#include "model/checkpoint/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "model/check.h"

namespace derin {
namespace {

std::string Words(int error) { return std::generic_category().message(error); }

// `action`, such as `write`, failed on `path` with `error`.
absl::Status WriteError(std::string_view action, const std::filesystem::path& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return absl::Status(full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
                      absl::StrFormat("cannot %s %s: %s", action, path.string(), Words(error)));
}

absl::Status ReadError(const std::filesystem::path& path, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    return absl::NotFoundError(absl::StrFormat("there is no file %s", path.string()));
  }
  return absl::UnavailableError(absl::StrFormat("cannot read %s: %s", path.string(), Words(error)));
}

// `call` again for as long as signals interrupt it.
template <typename Call>
auto Uninterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

// Makes the names in `folder` last. Some file systems cannot and say EINVAL.
absl::Status SyncFolder(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder.empty() ? "." : folder;
  const int descriptor =
      Uninterrupted([&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor == -1) return WriteError("open", path, errno);
  const int result = Uninterrupted([&] { return fsync(descriptor); });
  const int error = errno;
  close(descriptor);
  if (result == -1 && error != EINVAL) return WriteError("sync", path, error);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadAll(int descriptor, const std::filesystem::path& path) {
  struct stat status;
  if (fstat(descriptor, &status) == -1) return ReadError(path, errno);
  std::string bytes;
  size_t length = 0;
  // One byte more than expected, so that the file's end shows without growing.
  bytes.resize(static_cast<size_t>(status.st_size) + 1);
  while (true) {
    if (length == bytes.size()) bytes.resize(2 * bytes.size());
    const ssize_t got = Uninterrupted(
        [&] { return read(descriptor, bytes.data() + length, bytes.size() - length); });
    if (got == -1) return ReadError(path, errno);
    if (got == 0) break;
    length += static_cast<size_t>(got);
  }
  bytes.resize(length);
  return bytes;
}

}  // namespace

absl::StatusOr<DurableFile> DurableFile::Create(const std::filesystem::path& path) {
  std::string partial = path.string() + ".partial-XXXXXX";
  const int descriptor = Uninterrupted([&] { return mkostemp(partial.data(), O_CLOEXEC); });
  if (descriptor == -1) return WriteError("create", path, errno);
  return DurableFile(path, partial, descriptor);
}

DurableFile::DurableFile(std::filesystem::path path, std::filesystem::path partial, int descriptor)
    : path_(std::move(path)), partial_(std::move(partial)), descriptor_(descriptor) {}

DurableFile::DurableFile(DurableFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::exchange(other.partial_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

DurableFile& DurableFile::operator=(DurableFile&& other) noexcept {
  if (this != &other) {
    Discard();
    path_ = std::move(other.path_);
    partial_ = std::exchange(other.partial_, {});
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

DurableFile::~DurableFile() { Discard(); }

void DurableFile::Discard() {
  if (descriptor_ != -1) close(std::exchange(descriptor_, -1));
  if (!partial_.empty()) unlink(std::exchange(partial_, {}).c_str());
}

absl::Status DurableFile::Append(std::string_view bytes) {
  DERIN_CHECK(descriptor_ != -1);
  while (!bytes.empty()) {
    const ssize_t written =
        Uninterrupted([&] { return write(descriptor_, bytes.data(), bytes.size()); });
    if (written == -1) return WriteError("write", path_, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status DurableFile::Commit() { return CommitAs(path_); }

absl::Status DurableFile::CommitAs(const std::filesystem::path& path) {
  DERIN_CHECK(descriptor_ != -1 && path.parent_path() == path_.parent_path());
  if (Uninterrupted([&] { return fsync(descriptor_); }) == -1) {
    return WriteError("sync", path_, errno);
  }
  // Not repeated when interrupted: Linux has closed it even then.
  if (close(std::exchange(descriptor_, -1)) == -1 && errno != EINTR) {
    return WriteError("close", path_, errno);
  }
  if (rename(partial_.c_str(), path.c_str()) == -1) return WriteError("rename to", path, errno);
  partial_.clear();
  return SyncFolder(path.parent_path());
}

absl::Status WriteDurably(const std::filesystem::path& path, std::string_view bytes) {
  absl::StatusOr<DurableFile> file = DurableFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = file->Append(bytes); !status.ok()) return status;
  return file->Commit();
}

absl::StatusOr<std::string> ReadWholeFile(const std::filesystem::path& path) {
  const int descriptor = Uninterrupted([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (descriptor == -1) return ReadError(path, errno);
  absl::StatusOr<std::string> bytes = ReadAll(descriptor, path);
  close(descriptor);
  return bytes;
}

}  // namespace derin
