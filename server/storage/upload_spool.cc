#include "server/storage/upload_spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/crc32.h"
#include "server/storage/folder.h"

namespace derin::server {
namespace {

absl::Status Damaged(const std::filesystem::path& path, std::string_view what) {
  return Refusal(absl::StatusCode::kDataLoss, "UPLOAD_DAMAGED",
                 absl::StrFormat("the bytes of the upload in %s %s; begin it anew",
                                 Quoted(path.native()), std::string(what)));
}

absl::Status FileError(std::string_view action, const std::filesystem::path& path) {
  return SystemError(errno, absl::StrFormat("%s %s", std::string(action), Quoted(path.native())));
}

// `call` again for as long as signals interrupt it.
template <typename Call>
auto Uninterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace

absl::StatusOr<UploadSpool> UploadSpool::Create(const std::filesystem::path& path) {
  const int descriptor = Uninterrupted(
      [&] { return open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600); });
  if (descriptor == -1) return FileError("create", path);
  UploadSpool spool(path, descriptor, 0, 0);
  if (absl::Status synced = SyncFolder(path.parent_path()); !synced.ok()) return synced;
  return spool;
}

absl::StatusOr<UploadSpool> UploadSpool::Open(const std::filesystem::path& path, int64_t bytes,
                                              uint32_t crc32) {
  const int descriptor = Uninterrupted([&] { return open(path.c_str(), O_RDWR | O_CLOEXEC); });
  if (descriptor == -1) {
    return errno == ENOENT ? Damaged(path, "are missing") : FileError("open", path);
  }
  UploadSpool spool(path, descriptor, bytes, crc32);
  struct stat status;
  if (fstat(descriptor, &status) == -1) return FileError("look at", path);
  if (status.st_size < bytes) {
    return Damaged(path, absl::StrFormat("are %d, wanted %d", status.st_size, bytes));
  }
  if (absl::Status cut = spool.CutTo(bytes, crc32); !cut.ok()) return cut;
  return spool;
}

UploadSpool::UploadSpool(std::filesystem::path path, int descriptor, int64_t bytes, uint32_t crc32)
    : path_(std::move(path)), descriptor_(descriptor), bytes_(bytes), crc32_(crc32) {}

UploadSpool::UploadSpool(UploadSpool&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      bytes_(other.bytes_),
      crc32_(other.crc32_) {}

UploadSpool& UploadSpool::operator=(UploadSpool&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(bytes_, other.bytes_);
  std::swap(crc32_, other.crc32_);
  return *this;
}

UploadSpool::~UploadSpool() {
  if (descriptor_ != -1) close(descriptor_);
}

absl::Status UploadSpool::Replay(int64_t keep, uint32_t& crc32, const Sink& sink) const {
  constexpr int64_t kPiece = int64_t{1} << 20;
  std::string piece;
  uint32_t whole = 0;
  crc32 = 0;
  for (int64_t offset = 0; offset < bytes_;) {
    // One piece ends where the kept part does.
    const int64_t end = std::min(offset + kPiece, offset < keep ? keep : bytes_);
    piece.resize(static_cast<size_t>(std::min(end, bytes_) - offset));
    const ssize_t got =
        Uninterrupted([&] { return pread(descriptor_, piece.data(), piece.size(), offset); });
    if (got == -1) return FileError("read", path_);
    if (got == 0) return Damaged(path_, "end early");
    piece.resize(static_cast<size_t>(got));
    whole = Crc32(piece, whole);
    if (offset < keep) {
      crc32 = whole;
      if (absl::Status taken = sink(piece); !taken.ok()) return taken;
    }
    offset += got;
  }
  if (whole != crc32_) return Damaged(path_, "are not those that were written");
  return absl::OkStatus();
}

absl::Status UploadSpool::CutTo(int64_t bytes, uint32_t crc32) {
  if (Uninterrupted([&] { return ftruncate(descriptor_, bytes); }) == -1) {
    return FileError("cut", path_);
  }
  bytes_ = bytes;
  crc32_ = crc32;
  return absl::OkStatus();
}

absl::Status UploadSpool::Append(std::string_view bytes) {
  int64_t offset = bytes_;
  for (std::string_view left = bytes; !left.empty();) {
    const ssize_t written =
        Uninterrupted([&] { return pwrite(descriptor_, left.data(), left.size(), offset); });
    // What a full disk has taken of them is written over, or cut off by Open.
    if (written == -1) return FileError("write", path_);
    left.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  crc32_ = Crc32(bytes, crc32_);
  bytes_ = offset;
  return absl::OkStatus();
}

absl::Status UploadSpool::Sync() {
  if (Uninterrupted([&] { return fdatasync(descriptor_); }) == -1) return FileError("sync", path_);
  return absl::OkStatus();
}

}  // namespace derin::server
