#include "server/rpc/model_service.h"

#include <string>
#include <utility>

#include "server/rpc/page.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/unary.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

// A call that never got in.
class RefusedScore final
    : public grpc::ServerBidiReactor<v1::ScoreTextRequest, v1::ScoreTextResponse> {
 public:
  explicit RefusedScore(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerBidiReactor<v1::ScoreTextRequest, v1::ScoreTextResponse>* ModelService::ScoreText(
    grpc::CallbackServerContext* context) {
  auto call = admission_.Admit(*context, "ModelService/ScoreText");
  if (!call.ok()) return new RefusedScore(call.status());
  return new ScoreReactor(*std::move(call), scoring_);
}

grpc::ServerUnaryReactor* ModelService::GetModel(grpc::CallbackServerContext* context,
                                                 const v1::GetModelRequest* request,
                                                 v1::Model* response) {
  return AnswerUnary(context, admission_, "ModelService/GetModel", response,
                     [&](const Caller&) -> absl::StatusOr<v1::Model> {
                       absl::StatusOr<std::string> id =
                           ParseResourceName(kModels, request->name(), "name");
                       if (!id.ok()) return id.status();
                       return store_.GetModel(*id);
                     });
}

grpc::ServerUnaryReactor* ModelService::ListModels(grpc::CallbackServerContext* context,
                                                   const v1::ListModelsRequest* request,
                                                   v1::ListModelsResponse* response) {
  return AnswerUnary(context, admission_, "ModelService/ListModels", response,
                     [&](const Caller&) { return List(*request); });
}

absl::StatusOr<v1::ListModelsResponse> ModelService::List(const v1::ListModelsRequest& request) {
  absl::StatusOr<Page> page = ParsePage(request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  absl::StatusOr<Listing<v1::Model>> listing = store_.ListModels(page->after, page->size);
  if (!listing.ok()) return listing.status();
  v1::ListModelsResponse response;
  for (v1::Model& model : listing->items) *response.add_models() = std::move(model);
  response.set_next_page_token(PageToken(listing->next));
  return response;
}

}  // namespace derin::server
