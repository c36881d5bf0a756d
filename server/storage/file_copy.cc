#include "server/storage/file_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "model/checkpoint/durable_file.h"
#include "server/status/error.h"
#include "server/storage/folder.h"
#include "server/storage/sha256.h"

namespace derin::server {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

// Shows `take`, which returns a status, the content of a file piece by piece.
template <typename Take>
absl::Status ReadPieces(const std::filesystem::path& path, Take take) {
  const std::string doing = absl::StrFormat("read %s", Quoted(path.native()));
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return errno == ENOENT ? absl::NotFoundError(absl::StrFormat("%s is missing", path.native()))
                           : SystemError(errno, doing);
  }
  const absl::Cleanup close_it = [file] { close(file); };
  std::string piece(kPieceBytes, '\0');
  while (true) {
    const ssize_t got = read(file, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(errno, doing);
    if (got == 0) return absl::OkStatus();
    const absl::Status taken = take(std::string_view(piece).substr(0, static_cast<size_t>(got)));
    if (!taken.ok()) return taken;
  }
}

}  // namespace

absl::StatusOr<CopiedFile> DigestOfFile(const std::filesystem::path& path) {
  CopiedFile file;
  Sha256 digest;
  const absl::Status read = ReadPieces(path, [&](std::string_view piece) {
    digest.Append(piece);
    file.size_bytes += static_cast<int64_t>(piece.size());
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  file.sha256 = digest.Finish();
  return file;
}

absl::StatusOr<CopiedFile> CopyFileTo(const std::filesystem::path& from,
                                      const std::filesystem::path& to) {
  absl::StatusOr<DurableFile> copy = DurableFile::Create(to);
  if (!copy.ok()) return copy.status();
  absl::Status copied =
      ReadPieces(from, [&copy](std::string_view piece) { return copy->Append(piece); });
  if (copied.ok()) copied = copy->Commit();
  if (!copied.ok()) return copied;
  return DigestOfFile(to);
}

absl::StatusOr<CopiedFile> LinkOrCopy(const std::filesystem::path& from,
                                      const std::filesystem::path& to) {
  if (link(from.c_str(), to.c_str()) == 0) {
    absl::StatusOr<CopiedFile> file = DigestOfFile(to);
    if (file.ok()) file->linked = true;
    return file;
  }
  // Another file system, one without links, or the files of another user: whatever it is, if it
  // keeps the file from being copied too, that says so.
  return CopyFileTo(from, to);
}

}  // namespace derin::server
