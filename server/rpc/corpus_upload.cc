#include "server/rpc/corpus_upload.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/registry/proto_conversion.h"
#include "server/rpc/upload_check.h"
#include "server/status/error.h"
#include "server/storage/proto_time.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

constexpr size_t kMostFrequent = 20;
constexpr int kMostDocuments = 1000;
constexpr size_t kLongestName = 200;

}  // namespace

absl::StatusOr<CorpusUpload> CorpusUpload::Begin(const v1::UploadCorpusHeader& header,
                                                 BlobStore& blobs, int64_t max_bytes,
                                                 UploadStore& uploads, const ByteQuota& quota) {
  absl::StatusOr<CorpusUpload> upload = Begin(header, blobs, max_bytes);
  if (!upload.ok()) return upload;
  if (header.upload_id().empty()) {
    if (header.offset() == 0) return upload;
    return InvalidField("header.offset", absl::StrFormat("got %d, wanted 0 without a %s",
                                                         header.offset(), "header.upload_id"));
  }
  absl::StatusOr<std::unique_ptr<UploadLease>> lease = uploads.Begin(quota, header);
  if (!lease.ok()) return lease.status();
  if (!(*lease)->corpus().has_value()) {
    const absl::Status gone_on = upload->GoOnWith(**lease, header.offset());
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
  return EndLeaseOn(lease_->Append(chunk));
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

absl::Status CorpusUpload::GoOnWith(UploadLease& lease, int64_t offset) {
  const std::vector<storage::DocumentBegin> documents = lease.DocumentsBefore(offset);
  size_t next = 0;
  return lease.GoOnAt(offset, [&](std::string_view piece) {
    while (next < documents.size() &&
           documents[next].offset() < sent_bytes_ + static_cast<int64_t>(piece.size())) {
      const auto before = static_cast<size_t>(documents[next].offset() - sent_bytes_);
      absl::Status status = before > 0 ? Take(piece.substr(0, before)) : absl::OkStatus();
      if (status.ok()) status = BeginDocument(documents[next++].name());
      if (!status.ok()) return status;
      piece.remove_prefix(before);
    }
    return Take(piece);
  });
}

absl::Status CorpusUpload::StartDocument(std::string_view name) {
  if (lease_ == nullptr) return BeginDocument(name);
  if (lease_->corpus().has_value()) return absl::OkStatus();
  if (absl::Status status = BeginDocument(name); !status.ok()) return EndLeaseOn(status);
  return lease_->AppendDocument(name);
}

absl::Status CorpusUpload::CheckDocument(std::string_view name) const {
  if (sent_bytes_ > 0 && corpus_.documents().empty()) {
    return InvalidField("document", "got one after a chunk of none, wanted it before any");
  }
  if (corpus_.documents_size() == kMostDocuments) {
    return InvalidField("document",
                        absl::StrFormat("got more than %d, the most of a corpus", kMostDocuments));
  }
  const bool printable = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  });
  if (name.empty() || name.size() > kLongestName || !printable) {
    return InvalidField("document.name",
                        absl::StrFormat("got %s, wanted 1 to %d bytes without control characters",
                                        Quoted(name), kLongestName));
  }
  if (document_names_.contains(std::string(name))) {
    return InvalidField("document.name", absl::StrCat("got ", Quoted(name), " twice"));
  }
  return absl::OkStatus();
}

absl::Status CorpusUpload::BeginDocument(std::string_view name) {
  if (absl::Status status = CheckDocument(name); !status.ok()) return status;
  if (absl::Status status = EndDocument(); !status.ok()) return status;
  document_names_.emplace(std::string(name));
  corpus_.add_documents()->set_name(std::string(name));
  normalizer_ = Normalizer(normalization_);
  document_characters_ = CharacterCounter();
  return absl::OkStatus();
}

absl::Status CorpusUpload::EndDocument() {
  if (absl::Status status = normalizer_.Finish(normalized_); !status.ok()) return NotUtf8(status);
  if (absl::Status status = WriteNormalized(); !status.ok()) return status;
  if (corpus_.documents().empty()) return absl::OkStatus();
  v1::CorpusDocument& last = *corpus_.mutable_documents()->rbegin();
  if (last.size_bytes() == 0) {
    return Refusal(
        absl::StatusCode::kInvalidArgument, "EMPTY_TEXT",
        absl::StrFormat("nothing of the document %s is there after normalization %s",
                        Quoted(last.name()), std::string(NormalizationName(normalization_))));
  }
  last.set_character_count(document_characters_.character_count());
  last.set_vocabulary_size(document_characters_.distinct_characters() + 1);
  return absl::OkStatus();
}

// `fault` says that the text is not UTF-8, and where.
absl::Status CorpusUpload::NotUtf8(const absl::Status& fault) const {
  const std::string where =
      corpus_.documents().empty()
          ? ""
          : absl::StrCat("in the document ", Quoted(corpus_.documents().rbegin()->name()), " ");
  return Refusal(absl::StatusCode::kInvalidArgument, "NOT_UTF8",
                 absl::StrCat(where, fault.message()));
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
  characters_.Append(normalized_);
  if (!corpus_.documents().empty()) {
    v1::CorpusDocument& last = *corpus_.mutable_documents()->rbegin();
    last.set_size_bytes(last.size_bytes() + static_cast<int64_t>(normalized_.size()));
    document_characters_.Append(normalized_);
  }
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
  if (absl::Status status = EndDocument(); !status.ok()) return status;
  if (absl::Status status = CheckNotEmpty(); !status.ok()) return status;
  corpus_.set_document_count(corpus_.documents_size());
  absl::StatusOr<Blob> blob = writer_.Commit();
  if (!blob.ok()) return blob.status();

  *corpus_.mutable_create_time() = ToTimestamp(now);
  corpus_.set_size_bytes(blob->size_bytes);
  corpus_.set_sha256(blob->sha256);
  corpus_.set_character_count(characters_.character_count());
  corpus_.set_vocabulary_size(characters_.distinct_characters() + 1);
  for (auto& [character, count] : characters_.MostFrequent(kMostFrequent)) {
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
