#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "derin/v1/corpus.pb.h"
#include "model/text/character_counter.h"
#include "model/text/normalization.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"
#include "server/storage/sha256.h"
#include "server/storage/upload_store.h"

namespace derin::server {

// One text on its way into the store: checked, normalised, counted and written as it arrives, in
// bounded memory. Destroyed without Finish, it leaves nothing behind but what a lease keeps of it.
// One thread at a time.
class CorpusUpload {
 public:
  // At most `max_bytes` of text may follow. INVALID_ARGUMENT names the field of the header at
  // fault.
  static absl::StatusOr<CorpusUpload> Begin(const v1::UploadCorpusHeader& header, BlobStore& blobs,
                                            int64_t max_bytes);
  // The same of one that can go on after a break: begins with what `uploads` have of it for the
  // quota's owner before header.offset. Errors as UploadStore::Begin and UploadLease::GoOnAt.
  static absl::StatusOr<CorpusUpload> Begin(const v1::UploadCorpusHeader& header, BlobStore& blobs,
                                            int64_t max_bytes, UploadStore& uploads,
                                            const ByteQuota& quota);

  // What follows is of the document of this name. INVALID_ARGUMENT naming `document` when it cannot
  // be, or with reason EMPTY_TEXT when the one before has nothing.
  absl::Status StartDocument(std::string_view name);

  // The next bytes as sent. INVALID_ARGUMENT for a chunk above kMaxChunkBytes (naming the field),
  // with reason CORPUS_TOO_LARGE, or NOT_UTF8 and the byte offset of the first fault;
  // RESOURCE_EXHAUSTED as UploadLease::Append. After an error the object is of no more use.
  absl::Status Append(std::string_view chunk);

  // The text is whole: stores it and answers with the corpus, that of an earlier upload of the same
  // text where there is one. INVALID_ARGUMENT, reason EMPTY_TEXT; DATA_LOSS, reason
  // DIGEST_MISMATCH; ALREADY_EXISTS; RESOURCE_EXHAUSTED beyond `quota`. Once only.
  absl::StatusOr<v1::Corpus> Finish(MetadataStore& store, absl::Time now,
                                    const ByteQuota& quota = {});

  // There is no room for it: nothing of it is to be kept.
  void Forget();

  // Of what is or would be stored of it.
  int64_t size_bytes() const { return lease_ != nullptr ? sent_bytes_ : writer_.size_bytes(); }
  // Of those, how many were stored when it began.
  int64_t bytes_before() const { return bytes_before_; }

 private:
  CorpusUpload(v1::Corpus corpus, std::string expected_sha256, Normalization normalization,
               BlobWriter writer, int64_t max_bytes);

  absl::Status Take(std::string_view bytes);
  absl::Status BeginDocument(std::string_view name);
  absl::Status EndDocument();
  absl::Status CheckDocument(std::string_view name) const;
  // With what a lease has of it before `offset`.
  absl::Status GoOnWith(UploadLease& lease, int64_t offset);
  absl::Status WriteNormalized();
  // Checks and commits the whole text, whose figures `corpus_` has then.
  absl::StatusOr<Blob> Close(absl::Time now);
  absl::Status CheckNotEmpty() const;
  absl::Status NotUtf8(const absl::Status& fault) const;
  // Another call with what led to `status` would only lead to it again.
  absl::Status EndLeaseOn(absl::Status status);

  v1::Corpus corpus_;  // what is known of it
  std::string expected_sha256_;
  const Normalization normalization_;
  Normalizer normalizer_;
  BlobWriter writer_;
  const int64_t max_bytes_;
  Sha256 sent_sha256_;
  int64_t sent_bytes_ = 0;
  CharacterCounter characters_;
  CharacterCounter document_characters_;  // of the last document
  absl::flat_hash_set<std::string> document_names_;
  std::string normalized_;              // not written yet
  std::unique_ptr<UploadLease> lease_;  // null: it ends with the call
  int64_t bytes_before_ = 0;
};

}  // namespace derin::server
