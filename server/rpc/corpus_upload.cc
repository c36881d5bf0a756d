#include "server/rpc/corpus_upload.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "server/registry/proto_conversion.h"
#include "server/rpc/upload_check.h"
#include "server/status/error.h"
#include "server/storage/proto_time.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

constexpr size_t kMostFrequent = 20;

// `fault` says that the text is not UTF-8, and where.
absl::Status NotUtf8(const absl::Status& fault) {
  return Refusal(absl::StatusCode::kInvalidArgument, "NOT_UTF8", std::string(fault.message()));
}

}  // namespace

absl::StatusOr<CorpusUpload> CorpusUpload::Begin(const v1::UploadCorpusHeader& header,
                                                 BlobStore& blobs, int64_t max_bytes,
                                                 UploadStore& uploads, std::string_view owner) {
  absl::StatusOr<CorpusUpload> upload = Begin(header, blobs, max_bytes);
  if (!upload.ok()) return upload;
  if (header.upload_id().empty()) {
    if (header.offset() == 0) return upload;
    return InvalidField("header.offset", absl::StrFormat("got %d, wanted 0 without a %s",
                                                         header.offset(), "header.upload_id"));
  }
  absl::StatusOr<std::unique_ptr<UploadLease>> lease = uploads.Begin(owner, header);
  if (!lease.ok()) return lease.status();
  if (!(*lease)->corpus().has_value()) {
    const absl::Status gone_on = (*lease)->GoOnAt(
        header.offset(), [&upload](std::string_view piece) { return upload->Take(piece); });
    if (!gone_on.ok()) {
      // Lost, or refused before: a server that stopped meanwhile may not have forgotten it.
      if (absl::IsDataLoss(gone_on) || absl::IsInvalidArgument(gone_on)) (*lease)->Remove();
      return gone_on;
    }
    upload->bytes_before_ = header.offset();
  }
  upload->lease_ = *std::move(lease);
  return upload;
}

absl::StatusOr<CorpusUpload> CorpusUpload::Begin(const v1::UploadCorpusHeader& header,
                                                 BlobStore& blobs, int64_t max_bytes) {
  if (absl::Status status = CheckId(header.corpus_id(), "header.corpus_id"); !status.ok()) {
    return status;
  }
  absl::StatusOr<Normalization> normalization =
      FromProto(header.normalization(), "header.normalization");
  if (!normalization.ok()) return normalization.status();
  absl::StatusOr<std::string> expected = AnnouncedSha256(header.sha256());
  if (!expected.ok()) return expected.status();
  absl::StatusOr<BlobWriter> writer = blobs.NewWriter();
  if (!writer.ok()) return writer.status();

  v1::Corpus corpus;
  corpus.set_name(ResourceName(kCorpora, header.corpus_id()));
  corpus.set_normalization(ToProto(*normalization));
  return CorpusUpload(std::move(corpus), *std::move(expected), *normalization, *std::move(writer),
                      max_bytes);
}

CorpusUpload::CorpusUpload(v1::Corpus corpus, std::string expected_sha256,
                           Normalization normalization, BlobWriter writer, int64_t max_bytes)
    : corpus_(std::move(corpus)),
      expected_sha256_(std::move(expected_sha256)),
      normalization_(normalization),
      normalizer_(normalization),
      writer_(std::move(writer)),
      max_bytes_(max_bytes) {}

absl::Status CorpusUpload::Append(std::string_view chunk) {
  if (absl::Status status = CheckChunk(chunk); !status.ok()) return status;
  if (lease_ == nullptr) return Take(chunk);
  if (lease_->corpus().has_value()) return absl::OkStatus();
  if (absl::Status status = Take(chunk); !status.ok()) return EndLeaseOn(status);
  return lease_->Append(chunk);
}

absl::Status CorpusUpload::EndLeaseOn(absl::Status status) {
  if (absl::IsInvalidArgument(status) || absl::IsDataLoss(status) ||
      absl::IsAlreadyExists(status) || ErrorReason(status) == kCallerBytesFull) {
    lease_->Remove();
  }
  return status;
}

void CorpusUpload::Forget() {
  if (lease_ != nullptr) lease_->Remove();
}

absl::Status CorpusUpload::Take(std::string_view chunk) {
  sent_bytes_ += static_cast<int64_t>(chunk.size());
  if (sent_bytes_ > max_bytes_) {
    return Refusal(
        absl::StatusCode::kInvalidArgument, "CORPUS_TOO_LARGE",
        absl::StrFormat(
            "got at least %d bytes of text, wanted at most the %d that this server takes; the "
            "operator may raise --max-corpus-bytes",
            sent_bytes_, max_bytes_));
  }
  sent_sha256_.Append(chunk);
  if (absl::Status status = normalizer_.Append(chunk, normalized_); !status.ok()) {
    return NotUtf8(status);
  }
  return WriteNormalized();
}

absl::Status CorpusUpload::WriteNormalized() {
  statistics_.Append(normalized_);
  absl::Status status = writer_.Append(normalized_);
  normalized_.clear();
  return status;
}

absl::StatusOr<v1::Corpus> CorpusUpload::Finish(MetadataStore& store, absl::Time now,
                                                const ByteQuota& quota) {
  if (lease_ != nullptr && lease_->corpus().has_value()) return *lease_->corpus();
  absl::StatusOr<Blob> blob = Close(now);
  if (lease_ == nullptr) {
    return blob.ok() ? store.InsertCorpus(corpus_, quota) : blob.status();
  }
  absl::StatusOr<v1::Corpus> stored = blob.ok() ? lease_->Complete(corpus_, quota) : blob.status();
  if (!stored.ok()) return EndLeaseOn(stored.status());
  return stored;
}

absl::StatusOr<Blob> CorpusUpload::Close(absl::Time now) {
  if (absl::Status status = CheckArrived(expected_sha256_, sent_sha256_.Finish(), sent_bytes_);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = normalizer_.Finish(normalized_); !status.ok()) return NotUtf8(status);
  if (absl::Status status = WriteNormalized(); !status.ok()) return status;
  if (absl::Status status = CheckNotEmpty(); !status.ok()) return status;
  absl::StatusOr<Blob> blob = writer_.Commit();
  if (!blob.ok()) return blob.status();

  *corpus_.mutable_create_time() = ToTimestamp(now);
  corpus_.set_size_bytes(blob->size_bytes);
  corpus_.set_sha256(blob->sha256);
  corpus_.set_character_count(statistics_.character_count());
  corpus_.set_vocabulary_size(statistics_.distinct_characters() + 1);
  for (auto& [character, count] : statistics_.MostFrequent(kMostFrequent)) {
    v1::CharacterCount& one = *corpus_.add_most_frequent();
    one.set_character(std::move(character));
    one.set_count(count);
  }
  return blob;
}

absl::Status CorpusUpload::CheckNotEmpty() const {
  if (writer_.size_bytes() > 0) return absl::OkStatus();
  const std::string_view name = NormalizationName(normalization_);
  return Refusal(absl::StatusCode::kInvalidArgument, "EMPTY_TEXT",
                 sent_bytes_ == 0
                     ? "got no text, wanted at least one character"
                     : absl::StrFormat("nothing is left of the %d bytes after normalization %s",
                                       sent_bytes_, std::string(name)));
}

}  // namespace derin::server
