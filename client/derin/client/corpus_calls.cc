// The calls of CorpusService.

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "derin/client/client.h"
#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"
#include "derin/internal/corpus_sender.h"
#include "derin/internal/list_all.h"

namespace derin::client {

using internal::FromProto;

std::string NewUploadId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, absl::Hex(random(), absl::kZeroPad8));
  return id;
}

absl::StatusOr<Corpus> Client::UploadCorpus(const UploadCorpusOptions& options,
                                            const ByteSource& source,
                                            const UploadCorpusCallbacks& callbacks,
                                            Cancellation* cancellation) {
  return UploadCorpus(options, std::vector<DocumentSource>{{.name = "", .source = source}},
                      callbacks, cancellation);
}

absl::StatusOr<Corpus> Client::UploadCorpus(const UploadCorpusOptions& options,
                                            const std::vector<DocumentSource>& documents,
                                            const UploadCorpusCallbacks& callbacks,
                                            Cancellation* cancellation) {
  internal::CorpusSender sender(*connection_, options, documents, callbacks, cancellation);
  const auto corpus = sender.Run();
  if (!corpus.ok()) return corpus.status();
  return FromProto(*corpus);
}

absl::StatusOr<CorpusUpload> Client::GetCorpusUpload(const std::string& upload_id) {
  derin::v1::GetCorpusUploadRequest request;
  request.set_upload_id(upload_id);
  const auto reply = connection_->Call(connection_->corpora(),
                                       &derin::v1::CorpusService::Stub::GetCorpusUpload, request);
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
