#include "server/storage/upload_store.h"

#include <spdlog/spdlog.h>

#include <system_error>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/folder.h"
#include "server/storage/random_id.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

// Each commit waits for the disk twice, so it must be worth it.
constexpr int64_t kCommitBytes = int64_t{4} << 20;
constexpr size_t kLongestId = 64;

absl::Status CheckUploadId(std::string_view id, std::string_view field) {
  bool good = !id.empty() && id.size() <= kLongestId;
  for (const char c : id) good = good && (absl::ascii_isalnum(c) || c == '-' || c == '_');
  if (good) return absl::OkStatus();
  return InvalidField(field, absl::StrFormat("got %s, wanted 1 to %d of A-Z, a-z, 0-9, - and _",
                                             Quoted(id), kLongestId));
}

absl::Status CheckSame(const v1::UploadCorpusHeader& first, const v1::UploadCorpusHeader& again) {
  if (first.corpus_id() == again.corpus_id() && first.normalization() == again.normalization() &&
      first.sha256() == again.sha256()) {
    return absl::OkStatus();
  }
  return InvalidField(
      "header.upload_id",
      absl::StrFormat("got %s, that of an upload to %s, wanted the header that it "
                      "began with, but for its offset",
                      Quoted(again.upload_id()), ResourceName(kCorpora, first.corpus_id())));
}

}  // namespace

UploadLease::UploadLease(MetadataStore& store, std::filesystem::path folder, const WallClock& clock,
                         std::shared_ptr<Held> held)
    : store_(store), folder_(std::move(folder)), clock_(clock), held_(std::move(held)) {
  absl::MutexLock lock(&held_->mutex);
  if (held_->stored.record.has_corpus()) corpus_ = held_->stored.record.corpus();
  committed_bytes_ = held_->stored.bytes;
}

UploadLease::~UploadLease() {
  absl::MutexLock lock(&held_->mutex);
  if (held_->over) return;
  if (absl::Status committed = Commit(store_, clock_, *held_); !committed.ok()) {
    spdlog::warn("Bytes of an upload that broke are lost: {}", std::string(committed.message()));
    // Nobody counts them, so they must not wait for another call; that would cut them off, too.
    held_->spool->CutTo(held_->stored.bytes, held_->stored.crc32).IgnoreError();
  }
}

absl::Status UploadLease::CheckHeld(const Held& held) {
  if (!held.over) return absl::OkStatus();
  return Refusal(absl::StatusCode::kAborted, "UPLOAD_TAKEN_OVER",
                 absl::StrFormat("another call goes on with the upload %s", held.stored.id));
}

absl::Status UploadLease::Commit(MetadataStore& store, const WallClock& clock, Held& held) {
  if (!held.spool.has_value() || held.spool->bytes() == held.stored.bytes) return absl::OkStatus();
  if (absl::Status synced = held.spool->Sync(); !synced.ok()) return synced;
  StoredUpload stored = held.stored;
  stored.bytes = held.spool->bytes();
  stored.crc32 = held.spool->crc32();
  stored.update_time = clock();
  if (absl::Status put = store.PutUpload(stored, held.quota); !put.ok()) return put;
  held.stored = std::move(stored);
  return absl::OkStatus();
}

absl::Status UploadLease::GoOnAt(int64_t offset, const UploadSpool::Sink& sink) {
  if (offset < 0 || offset > committed_bytes_) {
    return Refusal(absl::StatusCode::kOutOfRange, "UPLOAD_OFFSET",
                   absl::StrFormat("header.offset: got %d, wanted 0 to the %d bytes that are there",
                                   offset, committed_bytes_));
  }
  if (committed_bytes_ == 0) return absl::OkStatus();
  // Gigabytes are read without the lock, so that another call can take them over meanwhile: only a
  // lease that is held changes them.
  const UploadSpool* spool = nullptr;
  {
    absl::MutexLock lock(&held_->mutex);
    if (absl::Status held = CheckHeld(*held_); !held.ok()) return held;
    auto& documents = *held_->stored.record.mutable_documents();
    while (!documents.empty() && documents.rbegin()->offset() >= offset) documents.RemoveLast();
    spool = &*held_->spool;
  }
  uint32_t crc32 = 0;
  if (absl::Status replayed = spool->Replay(offset, crc32, sink); !replayed.ok()) return replayed;
  if (offset == committed_bytes_) return absl::OkStatus();
  absl::MutexLock lock(&held_->mutex);
  if (absl::Status held = CheckHeld(*held_); !held.ok()) return held;
  // The row first: it must never say more than is there.
  StoredUpload stored = held_->stored;
  stored.bytes = offset;
  stored.crc32 = crc32;
  stored.update_time = clock_();
  if (absl::Status put = store_.PutUpload(stored); !put.ok()) return put;
  held_->stored = std::move(stored);
  return held_->spool->CutTo(offset, crc32);
}

std::vector<storage::DocumentBegin> UploadLease::DocumentsBefore(int64_t offset) const {
  absl::MutexLock lock(&held_->mutex);
  std::vector<storage::DocumentBegin> before;
  for (const storage::DocumentBegin& one : held_->stored.record.documents()) {
    if (one.offset() < offset) before.push_back(one);
  }
  return before;
}

absl::Status UploadLease::AppendDocument(std::string_view name) {
  absl::MutexLock lock(&held_->mutex);
  if (absl::Status held = CheckHeld(*held_); !held.ok()) return held;
  storage::DocumentBegin& begin = *held_->stored.record.add_documents();
  begin.set_name(std::string(name));
  begin.set_offset(held_->spool->bytes());
  return absl::OkStatus();
}

absl::Status UploadLease::Append(std::string_view bytes) {
  absl::MutexLock lock(&held_->mutex);
  if (absl::Status held = CheckHeld(*held_); !held.ok()) return held;
  if (absl::Status appended = held_->spool->Append(bytes); !appended.ok()) return appended;
  if (held_->spool->bytes() - held_->stored.bytes < kCommitBytes) return absl::OkStatus();
  return Commit(store_, clock_, *held_);
}

absl::StatusOr<v1::Corpus> UploadLease::Complete(const v1::Corpus& corpus, const ByteQuota& quota) {
  absl::MutexLock lock(&held_->mutex);
  if (absl::Status held = CheckHeld(*held_); !held.ok()) return held;
  StoredUpload ended = held_->stored;
  ended.update_time = clock_();
  absl::StatusOr<v1::Corpus> stored = store_.InsertCorpus(corpus, quota, &ended);
  if (!stored.ok()) return stored;
  held_->over = true;
  held_->spool.reset();
  RemoveFile(ended.file);
  return stored;
}

void UploadLease::Remove() {
  absl::MutexLock lock(&held_->mutex);
  if (held_->over) return;
  held_->over = true;
  held_->spool.reset();
  const StoredUpload stored = held_->stored;
  if (absl::Status gone = store_.DeleteUpload(stored.owner, stored.id); !gone.ok()) {
    spdlog::warn("A refused upload stays for a day: {}", std::string(gone.message()));
    return;
  }
  RemoveFile(stored.file);
}

void UploadLease::RemoveFile(const std::string& file) const {
  std::error_code error;
  // What stays behind goes when the server starts.
  std::filesystem::remove(folder_ / file, error);
}

UploadStore::UploadStore(MetadataStore& store, std::filesystem::path folder, WallClock clock)
    : store_(store), folder_(std::move(folder)), clock_(std::move(clock)) {}

absl::Status UploadStore::Recover() {
  const auto uploads = store_.ListUploads();
  if (!uploads.ok()) return uploads.status();
  absl::flat_hash_set<std::string> files;
  std::error_code error;
  for (const StoredUpload& upload : *uploads) {
    if (upload.record.has_corpus()) continue;
    const auto size = std::filesystem::file_size(folder_ / upload.file, error);
    if (error || static_cast<int64_t>(size) < upload.bytes) {
      if (absl::Status gone = store_.DeleteUpload(upload.owner, upload.id); !gone.ok()) return gone;
      continue;
    }
    files.insert(upload.file);
  }
  error.clear();
  std::filesystem::directory_iterator entry(folder_, error);
  while (!error && entry != std::filesystem::directory_iterator()) {
    if (!files.contains(entry->path().filename().native())) {
      std::filesystem::remove(entry->path(), error);
      if (error) break;
    }
    entry.increment(error);
  }
  if (error) {
    return SystemError(error.value(),
                       absl::StrFormat("sweep the uploads in %s", Quoted(folder_.native())));
  }
  return RemoveAbandoned().status();
}

absl::Status UploadStore::Delete(const StoredUpload& upload) {
  if (absl::Status gone = store_.DeleteUpload(upload.owner, upload.id); !gone.ok()) return gone;
  std::error_code ignored;  // as in UploadLease::RemoveFile
  std::filesystem::remove(folder_ / upload.file, ignored);
  return absl::OkStatus();
}

absl::StatusOr<int> UploadStore::RemoveAbandoned() {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_();
  const auto uploads = store_.ListUploads();
  if (!uploads.ok()) return uploads.status();
  int removed = 0;
  for (const StoredUpload& upload : *uploads) {
    if (upload.update_time + kKept > now) break;
    const auto held = held_.find(Key(upload.owner, upload.id));
    if (held != held_.end() && !held->second.expired()) continue;
    if (absl::Status gone = Delete(upload); !gone.ok()) return gone;
    ++removed;
  }
  absl::erase_if(held_, [](const auto& one) { return one.second.expired(); });
  return removed;
}

absl::StatusOr<StoredUpload> UploadStore::Find(std::string_view owner, std::string_view id) {
  absl::StatusOr<StoredUpload> upload = store_.GetUpload(owner, id);
  if (!upload.ok() || !upload->record.has_corpus()) return upload;
  // One that became a corpus that is deleted since is no answer any more.
  const v1::Corpus& became = upload->record.corpus();
  const auto corpus = store_.GetCorpus(IdOf(became.name()));
  if (corpus.ok() && corpus->sha256() == became.sha256()) return upload;
  if (!corpus.ok() && !absl::IsNotFound(corpus.status())) return corpus.status();
  if (absl::Status gone = Delete(*upload); !gone.ok()) return gone;
  return store_.GetUpload(owner, id);
}

absl::Status UploadStore::TakeOver(const Key& key) {
  const auto found = held_.find(key);
  if (found == held_.end()) return absl::OkStatus();
  const std::shared_ptr<UploadLease::Held> held = found->second.lock();
  if (held == nullptr) return absl::OkStatus();
  absl::MutexLock lock(&held->mutex);
  if (held->over) return absl::OkStatus();
  if (absl::Status committed = UploadLease::Commit(store_, clock_, *held); !committed.ok()) {
    return committed;
  }
  held->over = true;
  return absl::OkStatus();
}

absl::StatusOr<StoredUpload> UploadStore::Insert(const Key& key,
                                                 const v1::UploadCorpusHeader& header) {
  const auto count = store_.CountUploads(key.first);
  if (!count.ok()) return count.status();
  if (*count >= kMostOfACaller) {
    return Refusal(absl::StatusCode::kResourceExhausted, "UPLOADS_FULL",
                   absl::StrFormat("%s has %d uploads that have not ended, the most that a caller "
                                   "may have: finish some, or upload without header.upload_id",
                                   key.first, *count));
  }
  StoredUpload upload{
      .owner = key.first, .id = key.second, .file = RandomHex(16), .update_time = clock_()};
  *upload.record.mutable_header() = header;
  if (absl::Status put = store_.PutUpload(upload); !put.ok()) return put;
  return upload;
}

absl::StatusOr<std::unique_ptr<UploadLease>> UploadStore::Begin(
    const ByteQuota& quota, const v1::UploadCorpusHeader& header) {
  if (absl::Status id = CheckUploadId(header.upload_id(), "header.upload_id"); !id.ok()) return id;
  if (const auto removed = RemoveAbandoned(); !removed.ok()) return removed.status();
  const Key key(quota.owner, header.upload_id());
  absl::MutexLock lock(&mutex_);
  if (absl::Status taken = TakeOver(key); !taken.ok()) return taken;
  absl::StatusOr<StoredUpload> upload = Find(key.first, key.second);
  const bool is_new = absl::IsNotFound(upload.status());
  if (is_new) upload = Insert(key, header);
  if (!upload.ok()) return upload.status();
  if (absl::Status same = CheckSame(upload->record.header(), header); !same.ok()) return same;
  auto held = std::make_shared<UploadLease::Held>();
  {
    absl::MutexLock held_lock(&held->mutex);
    if (upload->record.has_corpus()) {
      held->over = true;
    } else {
      absl::StatusOr<UploadSpool> spool =
          is_new ? UploadSpool::Create(folder_ / upload->file)
                 : UploadSpool::Open(folder_ / upload->file, upload->bytes, upload->crc32);
      if (!spool.ok()) {
        // Without its bytes it is of no use.
        if (is_new || absl::IsDataLoss(spool.status())) {
          if (absl::Status gone = Delete(*upload); !gone.ok()) return gone;
        }
        return spool.status();
      }
      held->spool.emplace(*std::move(spool));
    }
    held->stored = *std::move(upload);
    held->quota = quota;
  }
  held_[key] = held;
  return std::unique_ptr<UploadLease>(new UploadLease(store_, folder_, clock_, std::move(held)));
}

absl::StatusOr<v1::CorpusUpload> UploadStore::Describe(std::string_view owner,
                                                       std::string_view id) {
  if (absl::Status good = CheckUploadId(id, "upload_id"); !good.ok()) return good;
  absl::StatusOr<StoredUpload> upload = Find(owner, id);
  if (!upload.ok()) return upload.status();
  v1::CorpusUpload described;
  described.set_upload_id(upload->id);
  described.set_committed_bytes(upload->bytes);
  *described.mutable_expire_time() = ToTimestamp(upload->update_time + kKept);
  if (upload->record.has_corpus()) *described.mutable_corpus() = upload->record.corpus();
  return described;
}

}  // namespace derin::server
