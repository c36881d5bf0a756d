#include "server/storage/blob_store.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/folder.h"

namespace derin::server {
namespace {

absl::Status Damaged(std::string_view sha256, std::string_view what) {
  return Refusal(absl::StatusCode::kDataLoss, "BLOB_DAMAGED",
                 absl::StrFormat("the blob %s %s", Quoted(sha256), what));
}

}  // namespace

absl::Status BlobWriter::Append(std::string_view bytes) {
  if (absl::Status appended = file_.Append(bytes); !appended.ok()) return appended;
  sha256_.Append(bytes);
  size_bytes_ += static_cast<int64_t>(bytes.size());
  return absl::OkStatus();
}

absl::StatusOr<Blob> BlobWriter::Commit() {
  return store_->Place(file_, sha256_.Finish(), size_bytes_);
}

absl::StatusOr<BlobWriter> BlobStore::NewWriter() {
  absl::StatusOr<DurableFile> file = DurableFile::Create(folder_ / "blob");
  if (!file.ok()) return file.status();
  return BlobWriter(*this, *std::move(file));
}

absl::StatusOr<Blob> BlobStore::Write(std::string_view content) {
  absl::StatusOr<BlobWriter> writer = NewWriter();
  if (!writer.ok()) return writer.status();
  if (absl::Status appended = writer->Append(content); !appended.ok()) return appended;
  return writer->Commit();
}

absl::StatusOr<Blob> BlobStore::Place(DurableFile& file, std::string sha256, int64_t size_bytes) {
  // Held before it is there: from here on no Sweep can take it away.
  Blob blob = Hold(std::move(sha256), size_bytes);
  if (absl::Status committed = file.CommitAs(folder_ / blob.sha256); !committed.ok()) {
    return committed;
  }
  return blob;
}

Blob BlobStore::Hold(std::string sha256, int64_t size_bytes) {
  {
    absl::MutexLock lock(&mutex_);
    ++holds_[sha256];
  }
  // The pointer points to nothing; its deleter runs when the last copy of the Blob is gone.
  std::shared_ptr<void> hold(nullptr, [this, sha256](void*) { Release(sha256); });
  return Blob{std::move(sha256), size_bytes, std::move(hold)};
}

void BlobStore::Release(const std::string& sha256) {
  absl::MutexLock lock(&mutex_);
  const auto hold = holds_.find(sha256);
  if (--hold->second == 0) holds_.erase(hold);
}

absl::StatusOr<std::string> BlobStore::Read(std::string_view sha256) const {
  if (!IsSha256Hex(sha256)) return Damaged(sha256, "is not named by a SHA-256");
  absl::StatusOr<std::string> content = ReadWholeFile(folder_ / sha256);
  if (absl::IsNotFound(content.status())) return Damaged(sha256, "is missing");
  if (!content.ok()) return content.status();
  if (const std::string digest = Sha256Hex(*content); digest != sha256) {
    return Damaged(sha256, absl::StrFormat("is damaged: its %d bytes have the SHA-256 %s",
                                           content->size(), digest));
  }
  return content;
}

absl::StatusOr<BlobReader> BlobStore::NewReader(std::string_view sha256) const {
  if (!IsSha256Hex(sha256)) return Damaged(sha256, "is not named by a SHA-256");
  std::ifstream file(folder_ / sha256, std::ios::binary | std::ios::ate);
  if (!file.is_open()) return Damaged(sha256, "is missing");
  const auto size_bytes = static_cast<int64_t>(file.tellg());
  // Of nothing no last piece would tell.
  if (size_bytes == 0 && sha256 != Sha256Hex("")) return Damaged(sha256, "is damaged: it is empty");
  file.seekg(0);
  return BlobReader(std::string(sha256), std::move(file), size_bytes);
}

absl::StatusOr<std::string> BlobReader::Next(size_t bytes) {
  if (left_ == 0) return std::string();
  std::string piece(static_cast<size_t>(std::min(left_, static_cast<int64_t>(bytes))), '\0');
  if (!file_.read(piece.data(), static_cast<std::streamsize>(piece.size()))) {
    return Damaged(sha256_,
                   absl::StrFormat("cannot be read to its end, %d bytes before it", left_));
  }
  left_ -= static_cast<int64_t>(piece.size());
  digest_.Append(piece);
  if (left_ > 0) return piece;
  if (const std::string digest = digest_.Finish(); digest != sha256_) {
    return Damaged(sha256_, absl::StrFormat("is damaged: its content has the SHA-256 %s", digest));
  }
  return piece;
}

absl::StatusOr<int64_t> BlobStore::Sweep(const std::function<absl::StatusOr<DigestSet>()>& in_use) {
  absl::MutexLock lock(&mutex_);
  const absl::StatusOr<DigestSet> used = in_use();
  if (!used.ok()) return used.status();
  int64_t removed = 0;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder_, error);
  while (!error && entry != std::filesystem::directory_iterator()) {
    const std::string name = entry->path().filename().native();
    // What is not a blob is being written, or not ours.
    if (IsSha256Hex(name) && !used->contains(name) && !holds_.contains(name)) {
      if (std::filesystem::remove(entry->path(), error)) ++removed;
      if (error) break;
    }
    entry.increment(error);
  }
  if (error) {
    return SystemError(error.value(),
                       absl::StrFormat("sweep the blobs in %s", Quoted(folder_.native())));
  }
  return removed;
}

}  // namespace derin::server
