// The calls of CorpusService.

#include <string>
#include <utility>
#include <vector>

#include "derin/client/client.h"
#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"
#include "derin/internal/list_all.h"
#include "derin/internal/upload.h"

namespace derin::client {

using internal::FromProto;

absl::StatusOr<Corpus> Client::UploadCorpus(const UploadCorpusOptions& options,
                                            const ByteSource& source, Cancellation* cancellation) {
  derin::v1::UploadCorpusRequest first;
  *first.mutable_header() = internal::ToProto(options);
  const auto reply = internal::Upload<derin::v1::UploadCorpusRequest, derin::v1::Corpus>(
      *connection_, first, source, cancellation,
      [this](grpc::ClientContext* context, derin::v1::Corpus* corpus) {
        return connection_->corpora().UploadCorpus(context, corpus);
      });
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
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
  derin::v1::ListCorporaRequest request;
  return internal::ListAll(*connection_, connection_->corpora(),
                           &derin::v1::CorpusService::Stub::ListCorpora, request,
                           [](const auto& reply) -> const auto& { return reply.corpora(); });
}

absl::Status Client::DeleteCorpus(const std::string& name) {
  derin::v1::DeleteCorpusRequest request;
  request.set_name(name);
  return connection_
      ->Call(connection_->corpora(), &derin::v1::CorpusService::Stub::DeleteCorpus, request)
      .status();
}

}  // namespace derin::client
