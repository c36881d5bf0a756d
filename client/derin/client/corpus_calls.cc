// The calls of CorpusService.

#include <string>
#include <utility>
#include <vector>

#include "derin/client/client.h"
#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"

namespace derin::client {

using internal::FromProto;

namespace {

// A quarter of what one message may hold: large enough to be quick, small beside a stream's window.
constexpr size_t kChunkBytes = size_t{256} << 10;

// Sends `source` to its end or until the server has stopped reading (its status says why). An error
// is the source's own.
absl::Status SendChunks(const ByteSource& source,
                        grpc::ClientWriter<derin::v1::UploadCorpusRequest>& writer) {
  derin::v1::UploadCorpusRequest request;
  std::string& chunk = *request.mutable_chunk();
  while (true) {
    chunk.resize(kChunkBytes);
    const absl::StatusOr<size_t> count = source(absl::MakeSpan(&chunk[0], chunk.size()));
    if (!count.ok()) return count.status();
    if (*count == 0) return absl::OkStatus();
    chunk.resize(*count);
    if (!writer.Write(request)) return absl::OkStatus();
  }
}

}  // namespace

absl::StatusOr<Corpus> Client::UploadCorpus(const UploadCorpusOptions& options,
                                            const ByteSource& source, Cancellation* cancellation) {
  derin::v1::UploadCorpusRequest first;
  *first.mutable_header() = internal::ToProto(options);
  absl::Status valid = internal::CheckUtf8(first);
  if (!valid.ok()) return valid;

  grpc::ClientContext context;
  const internal::CancellationScope scope(cancellation, context);
  derin::v1::Corpus reply;
  const auto writer = connection_->corpora().UploadCorpus(&context, &reply);
  absl::Status read;
  if (writer->Write(first)) read = SendChunks(source, *writer);
  if (read.ok()) {
    writer->WritesDone();
  } else {
    context.TryCancel();
  }
  absl::Status status = connection_->ToStatus(writer->Finish());
  if (!read.ok()) return read;
  if (!status.ok() && cancellation != nullptr && cancellation->cancelled()) {
    return internal::StoppedByCaller();
  }
  if (!status.ok()) return status;
  return FromProto(reply);
}

absl::StatusOr<Corpus> Client::GetCorpus(const std::string& name) {
  derin::v1::GetCorpusRequest request;
  request.set_name(name);
  const auto reply = connection_->Call(connection_->corpora(),
                                       &derin::v1::CorpusService::Stub::GetCorpus, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::StatusOr<std::vector<Corpus>> Client::ListCorpora() {
  std::vector<Corpus> corpora;
  derin::v1::ListCorporaRequest request;
  do {
    const auto reply = connection_->Call(connection_->corpora(),
                                         &derin::v1::CorpusService::Stub::ListCorpora, request);
    if (!reply.ok()) return reply.status();
    for (const auto& corpus : reply->corpora()) corpora.push_back(FromProto(corpus));
    request.set_page_token(reply->next_page_token());
  } while (!request.page_token().empty());
  return corpora;
}

absl::Status Client::DeleteCorpus(const std::string& name) {
  derin::v1::DeleteCorpusRequest request;
  request.set_name(name);
  return connection_
      ->Call(connection_->corpora(), &derin::v1::CorpusService::Stub::DeleteCorpus, request)
      .status();
}

}  // namespace derin::client
