#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "derin/v1/corpus.pb.h"
#include "model/text/normalization.h"
#include "server/rpc/text_statistics.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"
#include "server/storage/sha256.h"

namespace derin::server {

// One text on its way into the store: checked, normalised, counted and written as it arrives, in
// bounded memory. Destroyed without Finish, it leaves nothing behind. One thread at a time.
class CorpusUpload {
 public:
  // At most `max_bytes` of text may follow. INVALID_ARGUMENT names the field of the header at
  // fault.
  static absl::StatusOr<CorpusUpload> Begin(const v1::UploadCorpusHeader& header, BlobStore& blobs,
                                            int64_t max_bytes);

  // The next bytes as sent. INVALID_ARGUMENT for a chunk above kMaxChunkBytes (naming the field),
  // with reason CORPUS_TOO_LARGE, or NOT_UTF8 and the byte offset of the first fault. After an
  // error the object is of no more use.
  absl::Status Append(std::string_view chunk);

  // The text is whole: stores it and answers with the corpus, that of an earlier upload of the same
  // text where there is one. INVALID_ARGUMENT, reason EMPTY_TEXT; DATA_LOSS, reason
  // DIGEST_MISMATCH; ALREADY_EXISTS; RESOURCE_EXHAUSTED beyond `quota`. Once only.
  absl::StatusOr<v1::Corpus> Finish(MetadataStore& store, absl::Time now,
                                    const ByteQuota& quota = {});

  int64_t size_bytes() const { return writer_.size_bytes(); }

 private:
  CorpusUpload(v1::Corpus corpus, std::string expected_sha256, Normalization normalization,
               BlobWriter writer, int64_t max_bytes);

  absl::Status WriteNormalized();
  absl::Status CheckNotEmpty() const;

  v1::Corpus corpus_;  // what is known of it
  std::string expected_sha256_;
  const Normalization normalization_;
  Normalizer normalizer_;
  BlobWriter writer_;
  const int64_t max_bytes_;
  Sha256 sent_sha256_;
  int64_t sent_bytes_ = 0;
  TextStatistics statistics_;
  std::string normalized_;  // not written yet
};

}  // namespace derin::server
