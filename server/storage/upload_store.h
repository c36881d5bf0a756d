#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "derin/v1/corpus.pb.h"
#include "server/storage/byte_quota.h"
#include "server/storage/metadata_store.h"
#include "server/storage/proto_time.h"
#include "server/storage/upload_spool.h"

namespace derin::server {

// One call's hold on an upload. Another call that goes on with the upload takes it over: from then
// on this one is ABORTED, reason UPLOAD_TAKEN_OVER. Destroyed, it commits what it has. One thread
// at a time.
class UploadLease {
 public:
  ~UploadLease();
  UploadLease(const UploadLease&) = delete;
  UploadLease& operator=(const UploadLease&) = delete;

  // What the upload became, where it had ended well before; then nothing else may be called.
  const std::optional<v1::Corpus>& corpus() const { return corpus_; }
  // At the begin of the call.
  int64_t committed_bytes() const { return committed_bytes_; }

  // The documents that begin before `offset`, in order.
  std::vector<storage::DocumentBegin> DocumentsBefore(int64_t offset) const;
  // Hands the bytes before `offset` to `sink` in order and drops those behind, and the documents
  // that do not begin before. OUT_OF_RANGE, reason UPLOAD_OFFSET, when they are not all there;
  // DATA_LOSS as UploadSpool. First, and once.
  absl::Status GoOnAt(int64_t offset, const UploadSpool::Sink& sink);
  // A document begins behind what was appended; committed with its bytes.
  absl::Status AppendDocument(std::string_view name);
  // The next bytes; commits those of every 4 MiB. RESOURCE_EXHAUSTED, reason CALLER_BYTES_FULL,
  // when they do not fit the quota beside all that the owner has stored by then.
  absl::Status Append(std::string_view bytes);
  // Stores what the upload became, as MetadataStore::InsertCorpus, and the upload as ended well.
  absl::StatusOr<v1::Corpus> Complete(const v1::Corpus& corpus, const ByteQuota& quota);
  // It is of no use to anybody.
  void Remove();

 private:
  friend class UploadStore;
  struct Held {
    absl::Mutex mutex;
    bool over ABSL_GUARDED_BY(mutex) = false;  // taken over, completed or removed
    std::optional<UploadSpool> spool ABSL_GUARDED_BY(mutex);
    StoredUpload stored ABSL_GUARDED_BY(mutex);
    ByteQuota quota ABSL_GUARDED_BY(mutex);
  };

  UploadLease(MetadataStore& store, std::filesystem::path folder, const WallClock& clock,
              std::shared_ptr<Held> held);
  static absl::Status Commit(MetadataStore& store, const WallClock& clock, Held& held)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(held.mutex);
  static absl::Status CheckHeld(const Held& held) ABSL_EXCLUSIVE_LOCKS_REQUIRED(held.mutex);
  void RemoveFile(const std::string& file) const;

  MetadataStore& store_;
  const std::filesystem::path folder_;
  const WallClock& clock_;
  const std::shared_ptr<Held> held_;
  std::optional<v1::Corpus> corpus_;
  int64_t committed_bytes_ = 0;
};

// Uploads that can go on after a break: rows of the metadata store, and a file of bytes each in a
// folder. What was committed of one is on the disk. Thread-safe; outlives its leases.
class UploadStore {
 public:
  static constexpr absl::Duration kKept = absl::Hours(24);  // since the last commit
  static constexpr int64_t kMostOfACaller = 64;             // that have not ended

  // `folder` is there, and nobody else's.
  UploadStore(MetadataStore& store, std::filesystem::path folder, WallClock clock);

  // Before all else: forgets the uploads whose bytes are not there, and removes files of none.
  absl::Status Recover();

  // A lease on the upload of the quota's owner that `header` names, which begins if there is none.
  // INVALID_ARGUMENT naming `header.upload_id`, when that is not one or of an upload with another
  // header; RESOURCE_EXHAUSTED, reason UPLOADS_FULL.
  absl::StatusOr<std::unique_ptr<UploadLease>> Begin(const ByteQuota& quota,
                                                     const v1::UploadCorpusHeader& header)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // NOT_FOUND, reason UPLOAD_NOT_FOUND.
  absl::StatusOr<v1::CorpusUpload> Describe(std::string_view owner, std::string_view id);

  // Removes the uploads that nobody went on with for kKept; how many.
  absl::StatusOr<int> RemoveAbandoned() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Key = std::pair<std::string, std::string>;  // owner, id

  absl::StatusOr<StoredUpload> Find(std::string_view owner, std::string_view id);
  absl::Status TakeOver(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<StoredUpload> Insert(const Key& key, const v1::UploadCorpusHeader& header)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Delete(const StoredUpload& upload);

  MetadataStore& store_;
  const std::filesystem::path folder_;
  const WallClock clock_;
  absl::Mutex mutex_;
  absl::flat_hash_map<Key, std::weak_ptr<UploadLease::Held>> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
