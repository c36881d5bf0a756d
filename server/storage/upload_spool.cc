#include "server/storage/upload_spool.h"

#include <algorithm>
#include <string>
#include <system_error>
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

}  // namespace

absl::StatusOr<UploadSpool> UploadSpool::Create(const std::filesystem::path& path) {
  auto file = SegmentFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status synced = SyncFolder(path.parent_path()); !synced.ok()) return synced;
  return UploadSpool(*std::move(file), 0, 0);
}

absl::StatusOr<UploadSpool> UploadSpool::Open(const std::filesystem::path& path, int64_t bytes,
                                              uint32_t crc32) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return Damaged(path, "are missing");
  auto file = SegmentFile::Open(path);
  if (!file.ok()) return file.status();
  const auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size < static_cast<uint64_t>(bytes)) {
    return Damaged(path, absl::StrFormat("are %d, wanted %d", *size, bytes));
  }
  UploadSpool spool(*std::move(file), bytes, crc32);
  if (absl::Status cut = spool.CutTo(bytes, crc32); !cut.ok()) return cut;
  return spool;
}

absl::Status UploadSpool::Replay(int64_t keep, uint32_t& crc32, const Sink& sink) const {
  constexpr int64_t kPiece = int64_t{1} << 20;
  uint32_t whole = 0;
  crc32 = 0;
  for (int64_t offset = 0; offset < bytes_;) {
    // One piece ends where the kept part does.
    const int64_t end = std::min(offset + kPiece, offset < keep ? keep : bytes_);
    const auto piece = file_->ReadAt(offset, static_cast<size_t>(std::min(end, bytes_) - offset));
    if (!piece.ok()) return piece.status();
    if (piece->empty()) return Damaged(file_->path(), "end early");
    whole = Crc32(*piece, whole);
    if (offset < keep) {
      crc32 = whole;
      if (absl::Status taken = sink(*piece); !taken.ok()) return taken;
    }
    offset += static_cast<int64_t>(piece->size());
  }
  if (whole != crc32_) return Damaged(file_->path(), "are not those that were written");
  return absl::OkStatus();
}

absl::Status UploadSpool::CutTo(int64_t bytes, uint32_t crc32) {
  if (absl::Status cut = file_->Truncate(bytes); !cut.ok()) return cut;
  bytes_ = bytes;
  crc32_ = crc32;
  return absl::OkStatus();
}

absl::Status UploadSpool::Append(std::string_view bytes) {
  // What a full disk has taken of them is written over, or cut off by Open.
  if (absl::Status written = file_->WriteAt(bytes_, bytes); !written.ok()) return written;
  crc32_ = Crc32(bytes, crc32_);
  bytes_ += static_cast<int64_t>(bytes.size());
  return absl::OkStatus();
}

}  // namespace derin::server
