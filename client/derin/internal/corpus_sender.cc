#include "derin/internal/corpus_sender.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "derin/internal/conversion.h"

namespace derin::client::internal {
namespace {

// A quarter of what one message may hold: large enough to be quick, small beside a stream's window.
constexpr size_t kChunkBytes = size_t{256} << 10;
// Beyond so many that may have to be sent again, the server is asked what it has.
constexpr int64_t kHeldBytes = int64_t{16} << 20;

// Whether the same call may end better.
bool IsBreak(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status);
}

}  // namespace

void SentBytes::Add(std::string chunk) {
  end_ += static_cast<int64_t>(chunk.size());
  chunks_.push_back(std::move(chunk));
}

void SentBytes::DropBefore(int64_t bytes) {
  while (!chunks_.empty()) {
    const int64_t next = begin_ + static_cast<int64_t>(chunks_.front().size());
    if (next > bytes) return;
    begin_ = next;
    chunks_.pop_front();
  }
}

std::string_view SentBytes::From(int64_t offset) const {
  int64_t begin = begin_;
  for (const std::string& chunk : chunks_) {
    const int64_t end = begin + static_cast<int64_t>(chunk.size());
    if (offset < end) return std::string_view(chunk).substr(static_cast<size_t>(offset - begin));
    begin = end;
  }
  return {};
}

CorpusSender::CorpusSender(Connection& connection, const UploadCorpusOptions& options,
                           const std::vector<DocumentSource>& documents,
                           const UploadCorpusCallbacks& callbacks, Cancellation* cancellation)
    : connection_(connection),
      options_(options),
      documents_(documents),
      callbacks_(callbacks),
      cancellation_(cancellation),
      reconnections_(connection, options.reconnect_tries, options.reconnect_wait, cancellation) {}

absl::StatusOr<derin::v1::Corpus> CorpusSender::Run() {
  if (options_.upload_id.empty()) {
    options_.upload_id = NewUploadId();
  } else if (absl::Status skipped = SkipCommitted(); !skipped.ok()) {
    return skipped;
  }
  reconnections_.Received();
  while (true) {
    if (corpus_.has_value()) return *corpus_;
    absl::StatusOr<derin::v1::Corpus> corpus = Send();
    if (corpus.ok() || source_failed_) return corpus;
    if (cancelled()) return StoppedByCaller();
    if (!IsBreak(corpus.status())) return corpus;
    if (callbacks_.reconnecting && reconnections_.left()) callbacks_.reconnecting(corpus.status());
    bool located = false;
    while (!located) {
      if (!reconnections_.left()) return corpus.status();
      if (!reconnections_.Await()) return StoppedByCaller();
      const absl::StatusOr<bool> asked = Locate();
      // A server that cannot go on with uploads has said why this one broke.
      if (absl::IsUnimplemented(asked.status())) return corpus.status();
      if (!asked.ok()) return asked.status();
      located = *asked;
    }
  }
}

absl::StatusOr<derin::v1::CorpusUpload> CorpusSender::Ask() {
  derin::v1::GetCorpusUploadRequest request;
  request.set_upload_id(options_.upload_id);
  return connection_.Call(connection_.corpora(), &derin::v1::CorpusService::Stub::GetCorpusUpload,
                          request);
}

absl::Status CorpusSender::SkipCommitted() {
  const auto upload = Ask();
  // A server that knows no such uploads has nothing of one.
  if (absl::IsNotFound(upload.status()) || absl::IsUnimplemented(upload.status())) {
    return absl::OkStatus();
  }
  if (!upload.ok()) return upload.status();
  if (upload->has_corpus()) {
    corpus_ = upload->corpus();
    return absl::OkStatus();
  }
  while (offset_ < upload->committed_bytes()) {
    const absl::StatusOr<std::string_view> next = Next();
    if (!next.ok()) return next.status();
    if (next->empty()) {
      return absl::FailedPreconditionError(
          absl::StrFormat("the server has %d bytes of the upload %s; the source has only %d",
                          upload->committed_bytes(), options_.upload_id, offset_));
    }
    offset_ = std::min(upload->committed_bytes(), sent_.end());
    sent_.DropBefore(offset_);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> CorpusSender::Locate() {
  const auto upload = Ask();
  if (absl::IsUnavailable(upload.status()) || absl::IsDeadlineExceeded(upload.status())) {
    return false;
  }
  // A call that broke before the server saw its header left nothing.
  const bool none = absl::IsNotFound(upload.status());
  if (!none && !upload.ok()) return upload.status();
  if (!none && upload->has_corpus()) {
    corpus_ = upload->corpus();
    return true;
  }
  const int64_t committed = none ? 0 : upload->committed_bytes();
  if (committed < sent_.begin() || committed > sent_.end()) {
    return absl::DataLossError(
        absl::StrFormat("the server has %d bytes of the upload %s, wanted %d to %d of them",
                        committed, options_.upload_id, sent_.begin(), sent_.end()));
  }
  // It comes further: the tries are there again.
  if (committed > sent_.begin()) reconnections_.Received();
  sent_.DropBefore(committed);
  offset_ = committed;
  return true;
}

absl::StatusOr<std::string_view> CorpusSender::Next() {
  if (offset_ < sent_.end()) return sent_.From(offset_);
  if (begins_.empty() && !documents_.empty()) begins_.push_back(0);
  while (!begins_.empty()) {
    std::string chunk(kChunkBytes, '\0');
    const ByteSource& source = documents_[begins_.size() - 1].source;
    const absl::StatusOr<size_t> count = source(absl::MakeSpan(&chunk[0], chunk.size()));
    if (!count.ok()) {
      source_failed_ = true;
      return count.status();
    }
    if (*count > 0) {
      chunk.resize(*count);
      sent_.Add(std::move(chunk));
      return sent_.From(offset_);
    }
    if (begins_.back() == sent_.end() && !documents_[begins_.size() - 1].name.empty()) {
      source_failed_ = true;
      return absl::InvalidArgumentError(
          absl::StrCat("the document ", documents_[begins_.size() - 1].name, " is empty"));
    }
    if (begins_.size() == documents_.size()) break;
    begins_.push_back(sent_.end());
  }
  return std::string_view();
}

const std::string* CorpusSender::DocumentHere() const {
  const auto found = std::lower_bound(begins_.begin(), begins_.end(), offset_);
  if (found == begins_.end() || *found != offset_) return nullptr;
  const std::string& name = documents_[static_cast<size_t>(found - begins_.begin())].name;
  return name.empty() ? nullptr : &name;
}

void CorpusSender::Tell() {
  if (offset_ <= told_ || !callbacks_.progress) return;
  told_ = offset_;
  callbacks_.progress(told_);
}

absl::StatusOr<derin::v1::Corpus> CorpusSender::Send() {
  derin::v1::UploadCorpusRequest request;
  *request.mutable_header() = ToProto(options_);
  request.mutable_header()->set_offset(offset_);
  if (absl::Status valid = CheckUtf8(request); !valid.ok()) return valid;
  grpc::ClientContext context;
  const CancellationScope scope(cancellation_, context);
  derin::v1::Corpus corpus;
  const auto writer = connection_.corpora().UploadCorpus(&context, &corpus);
  int64_t ask_at = sent_.begin() + kHeldBytes;
  absl::Status read;
  // Until the source ends or the server has stopped reading; its status says why.
  for (bool more = writer->Write(request); more;) {
    const absl::StatusOr<std::string_view> next = Next();
    if (!next.ok()) read = next.status();
    if (!next.ok() || next->empty()) break;
    if (const std::string* name = DocumentHere(); name != nullptr) {
      derin::v1::UploadCorpusRequest begin;
      begin.mutable_document()->set_name(*name);
      if (absl::Status valid = CheckUtf8(begin); !valid.ok()) read = valid;
      if (!read.ok() || !writer->Write(begin)) break;
    }
    request.set_chunk(next->data(), next->size());
    more = writer->Write(request);
    if (!more) break;
    offset_ += static_cast<int64_t>(next->size());
    Tell();
    if (offset_ < ask_at) continue;
    const auto upload = Ask();
    if (upload.ok()) {
      sent_.DropBefore(std::min(upload->committed_bytes(), offset_));
      if (upload->committed_bytes() > 0) reconnections_.Received();
    }
    ask_at = offset_ + kHeldBytes / 2;
  }
  if (read.ok()) {
    writer->WritesDone();
  } else {
    context.TryCancel();
  }
  absl::Status status = connection_.ToStatus(writer->Finish());
  if (!read.ok()) return read;
  if (!status.ok()) return status;
  return corpus;
}

}  // namespace derin::client::internal
