#include "server/rpc/corpus_service.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "server/rpc/corpus_upload.h"
#include "server/rpc/page.h"
#include "server/rpc/unary.h"
#include "server/rpc/upload_reactor.h"
#include "server/storage/resource_name.h"

namespace derin::server {

grpc::ServerReadReactor<v1::UploadCorpusRequest>* CorpusService::UploadCorpus(
    grpc::CallbackServerContext* context, v1::Corpus* response) {
  using Reactor = UploadReactor<v1::UploadCorpusRequest, v1::Corpus, CorpusUpload>;
  return new Reactor(
      admission_, *context, "CorpusService/UploadCorpus", *response,
      {.begin =
           [this](const v1::UploadCorpusRequest& first, const ByteQuota& quota) {
             return CorpusUpload::Begin(first.header(), blobs_, max_corpus_bytes_, uploads_, quota);
           },
       .finish = [this](
                     CorpusUpload& upload,
                     const ByteQuota& quota) { return upload.Finish(store_, absl::Now(), quota); },
       .stored_bytes = [this](const CorpusUpload& upload,
                              std::string_view caller) -> absl::StatusOr<int64_t> {
         absl::StatusOr<int64_t> stored = store_.StoredBytes(caller);
         if (stored.ok()) *stored -= upload.bytes_before();
         return stored;
       }});
}

grpc::ServerUnaryReactor* CorpusService::GetCorpusUpload(grpc::CallbackServerContext* context,
                                                         const v1::GetCorpusUploadRequest* request,
                                                         v1::CorpusUpload* response) {
  return AnswerUnary(context, admission_, "CorpusService/GetCorpusUpload", response,
                     [=, this](const Caller& caller) {
                       return uploads_.Describe(caller.name, request->upload_id());
                     });
}

grpc::ServerUnaryReactor* CorpusService::GetCorpus(grpc::CallbackServerContext* context,
                                                   const v1::GetCorpusRequest* request,
                                                   v1::Corpus* response) {
  return AnswerUnary(context, admission_, "CorpusService/GetCorpus", response,
                     [=, this](const Caller&) -> absl::StatusOr<v1::Corpus> {
                       absl::StatusOr<std::string> id =
                           ParseResourceName(kCorpora, request->name(), "name");
                       if (!id.ok()) return id.status();
                       return store_.GetCorpus(*id);
                     });
}

grpc::ServerUnaryReactor* CorpusService::ListCorpora(grpc::CallbackServerContext* context,
                                                     const v1::ListCorporaRequest* request,
                                                     v1::ListCorporaResponse* response) {
  return AnswerUnary(context, admission_, "CorpusService/ListCorpora", response,
                     [=, this](const Caller&) { return List(*request); });
}

grpc::ServerUnaryReactor* CorpusService::DeleteCorpus(grpc::CallbackServerContext* context,
                                                      const v1::DeleteCorpusRequest* request,
                                                      google::protobuf::Empty* response) {
  return AnswerUnary(context, admission_, "CorpusService/DeleteCorpus", response,
                     [=, this](const Caller&) -> absl::StatusOr<google::protobuf::Empty> {
                       if (absl::Status status = Delete(*request); !status.ok()) return status;
                       return google::protobuf::Empty();
                     });
}

absl::StatusOr<v1::ListCorporaResponse> CorpusService::List(const v1::ListCorporaRequest& request) {
  absl::StatusOr<Page> page = ParsePage(request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  absl::StatusOr<Listing<v1::Corpus>> listing = store_.ListCorpora(page->after, page->size);
  if (!listing.ok()) return listing.status();
  v1::ListCorporaResponse response;
  for (v1::Corpus& corpus : listing->items) {
    corpus.clear_documents();  // a page of them would not fit a message
    *response.add_corpora() = std::move(corpus);
  }
  response.set_next_page_token(PageToken(listing->next));
  return response;
}

absl::Status CorpusService::Delete(const v1::DeleteCorpusRequest& request) {
  absl::StatusOr<std::string> id = ParseResourceName(kCorpora, request.name(), "name");
  if (!id.ok()) return id.status();
  if (absl::Status status = store_.DeleteCorpus(*id); !status.ok()) return status;
  // The corpus is gone; a text that stays behind is swept at the next chance.
  absl::StatusOr<int64_t> swept = blobs_.Sweep([this] { return store_.DigestsInUse(); });
  if (!swept.ok()) spdlog::warn("Cannot sweep unused texts: {}", swept.status().ToString());
  return absl::OkStatus();
}

}  // namespace derin::server
