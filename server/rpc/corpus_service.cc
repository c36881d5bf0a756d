#include "server/rpc/corpus_service.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "server/rpc/corpus_upload.h"
#include "server/rpc/page.h"
#include "server/rpc/unary.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"

namespace derin::server {

// Reads one message after the other; deletes itself when the call is over.
class CorpusService::Upload final : public grpc::ServerReadReactor<v1::UploadCorpusRequest> {
 public:
  Upload(CorpusService& service, const grpc::CallbackServerContext& context, v1::Corpus& response)
      : service_(service), response_(response) {
    absl::StatusOr<AdmittedCall> call =
        service_.admission_.Admit(context, "CorpusService/UploadCorpus");
    if (!call.ok()) {
      Finish(ToGrpcStatus(call.status()));
      return;
    }
    call_ = *std::move(call);
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      // The client has sent all, or is gone: only what goes the other way now can tell. Without
      // this a text that was cut short would be stored as if it were whole.
      StartSendInitialMetadata();
      return;
    }
    if (absl::Status status = Take(request_); !status.ok()) return End(status);
    StartRead(&request_);
  }

  void OnSendInitialMetadataDone(bool ok) override {
    End(ok ? Store() : absl::CancelledError("the caller went away before the text was whole"));
  }

  void OnDone() override { delete this; }

 private:
  absl::Status Take(const v1::UploadCorpusRequest& request) {
    switch (request.part_case()) {
      case v1::UploadCorpusRequest::kHeader: {
        if (upload_.has_value()) return InvalidField("header", "got a second one, wanted a chunk");
        absl::StatusOr<CorpusUpload> upload =
            CorpusUpload::Begin(request.header(), service_.blobs_, service_.max_corpus_bytes_);
        if (!upload.ok()) return upload.status();
        upload_.emplace(*std::move(upload));
        return absl::OkStatus();
      }
      case v1::UploadCorpusRequest::kChunk:
        if (!upload_.has_value()) return MissingHeader();
        return upload_->Append(request.chunk());
      case v1::UploadCorpusRequest::PART_NOT_SET:
        break;
    }
    return InvalidField("part", "got a message with neither header nor chunk");
  }

  absl::Status Store() {
    if (!upload_.has_value()) return MissingHeader();
    absl::StatusOr<v1::Corpus> corpus = upload_->Finish(service_.store_, absl::Now());
    if (!corpus.ok()) return corpus.status();
    response_ = *std::move(corpus);
    return absl::OkStatus();
  }

  static absl::Status MissingHeader() {
    return InvalidField("header", "got none, wanted it as the first message");
  }

  void End(const absl::Status& status) {
    // What was written goes before the client hears of it.
    upload_.reset();
    Finish(call_->End(status));
  }

  CorpusService& service_;
  v1::Corpus& response_;
  std::optional<AdmittedCall> call_;
  std::optional<CorpusUpload> upload_;
  v1::UploadCorpusRequest request_;
};

grpc::ServerReadReactor<v1::UploadCorpusRequest>* CorpusService::UploadCorpus(
    grpc::CallbackServerContext* context, v1::Corpus* response) {
  return new Upload(*this, *context, *response);
}

grpc::ServerUnaryReactor* CorpusService::GetCorpus(grpc::CallbackServerContext* context,
                                                   const v1::GetCorpusRequest* request,
                                                   v1::Corpus* response) {
  return AnswerUnary(context, admission_, "CorpusService/GetCorpus", response,
                     [&](const Caller&) -> absl::StatusOr<v1::Corpus> {
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
                     [&](const Caller&) { return List(*request); });
}

grpc::ServerUnaryReactor* CorpusService::DeleteCorpus(grpc::CallbackServerContext* context,
                                                      const v1::DeleteCorpusRequest* request,
                                                      google::protobuf::Empty* response) {
  return AnswerUnary(context, admission_, "CorpusService/DeleteCorpus", response,
                     [&](const Caller&) -> absl::StatusOr<google::protobuf::Empty> {
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
  for (v1::Corpus& corpus : listing->items) *response.add_corpora() = std::move(corpus);
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
