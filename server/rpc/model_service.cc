#include "server/rpc/model_service.h"

#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/rpc/export_reactor.h"
#include "server/rpc/model_import.h"
#include "server/rpc/page.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/unary.h"
#include "server/rpc/upload_reactor.h"
#include "server/status/error.h"
#include "server/storage/proto_time.h"
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

class RefusedExport final : public grpc::ServerWriteReactor<v1::ExportModelResponse> {
 public:
  explicit RefusedExport(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerBidiReactor<v1::ScoreTextRequest, v1::ScoreTextResponse>* ModelService::ScoreText(
    grpc::CallbackServerContext* context) {
  auto call = admission_.Admit(*context, "ModelService/ScoreText");
  if (!call.ok()) return new RefusedScore(call.status());
  return new ScoreReactor(*std::move(call), scoring_);
}

grpc::ServerWriteReactor<v1::ExportModelResponse>* ModelService::ExportModel(
    grpc::CallbackServerContext* context, const v1::ExportModelRequest* request) {
  auto call = admission_.Admit(*context, "ModelService/ExportModel");
  if (!call.ok()) return new RefusedExport(ToGrpcStatus(call.status()));
  const auto reference = ParseModelReference(request->name(), "name");
  if (!reference.ok()) return new RefusedExport(call->End(reference.status()));
  auto version = store_.GetModelVersion(*reference);
  if (!version.ok()) return new RefusedExport(call->End(version.status()));
  auto file = blobs_.NewReader(version->sha256());
  if (!file.ok()) return new RefusedExport(call->End(file.status()));
  return new ExportReactor(*std::move(call), *std::move(version), *std::move(file));
}

grpc::ServerReadReactor<v1::ImportModelRequest>* ModelService::ImportModel(
    grpc::CallbackServerContext* context, v1::ModelVersion* response) {
  using Reactor = UploadReactor<v1::ImportModelRequest, v1::ModelVersion, ModelImport>;
  return new Reactor(
      admission_, *context, "ModelService/ImportModel", *response,
      {.begin =
           [this](const v1::ImportModelRequest& first, const ByteQuota&) {
             return ModelImport::Begin(first.header(), blobs_, max_model_bytes_);
           },
       .finish = [this](
                     ModelImport& import,
                     const ByteQuota& quota) { return import.Finish(store_, absl::Now(), quota); },
       .stored_bytes = [this](const ModelImport&,
                              std::string_view caller) { return store_.StoredBytes(caller); }});
}

grpc::ServerUnaryReactor* ModelService::GetModel(grpc::CallbackServerContext* context,
                                                 const v1::GetModelRequest* request,
                                                 v1::Model* response) {
  return AnswerUnary(context, admission_, "ModelService/GetModel", response,
                     [=, this](const Caller&) -> absl::StatusOr<v1::Model> {
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
                     [=, this](const Caller&) { return List(*request); });
}

grpc::ServerUnaryReactor* ModelService::DeleteModel(grpc::CallbackServerContext* context,
                                                    const v1::DeleteModelRequest* request,
                                                    google::protobuf::Empty* response) {
  return AnswerUnary(context, admission_, "ModelService/DeleteModel", response,
                     [=, this](const Caller&) -> absl::StatusOr<google::protobuf::Empty> {
                       absl::Status deleted = deletion_.Delete(*request);
                       if (!deleted.ok()) return deleted;
                       return google::protobuf::Empty();
                     });
}

grpc::ServerUnaryReactor* ModelService::DeleteModelVersion(
    grpc::CallbackServerContext* context, const v1::DeleteModelVersionRequest* request,
    google::protobuf::Empty* response) {
  return AnswerUnary(context, admission_, "ModelService/DeleteModelVersion", response,
                     [=, this](const Caller&) -> absl::StatusOr<google::protobuf::Empty> {
                       absl::Status deleted = deletion_.DeleteVersion(*request);
                       if (!deleted.ok()) return deleted;
                       return google::protobuf::Empty();
                     });
}

grpc::ServerUnaryReactor* ModelService::GetModelVersion(grpc::CallbackServerContext* context,
                                                        const v1::GetModelVersionRequest* request,
                                                        v1::ModelVersion* response) {
  return AnswerUnary(context, admission_, "ModelService/GetModelVersion", response,
                     [=, this](const Caller&) -> absl::StatusOr<v1::ModelVersion> {
                       const auto reference = ParseModelReference(request->name(), "name");
                       if (!reference.ok()) return reference.status();
                       return store_.GetModelVersion(*reference);
                     });
}

grpc::ServerUnaryReactor* ModelService::ListModelVersions(
    grpc::CallbackServerContext* context, const v1::ListModelVersionsRequest* request,
    v1::ListModelVersionsResponse* response) {
  return AnswerUnary(context, admission_, "ModelService/ListModelVersions", response,
                     [=, this](const Caller&) { return ListVersions(*request); });
}

grpc::ServerUnaryReactor* ModelService::SetModelAlias(grpc::CallbackServerContext* context,
                                                      const v1::SetModelAliasRequest* request,
                                                      v1::ModelAlias* response) {
  return AnswerUnary(context, admission_, "ModelService/SetModelAlias", response,
                     [=, this](const Caller&) { return SetAlias(*request); });
}

grpc::ServerUnaryReactor* ModelService::DeleteModelAlias(grpc::CallbackServerContext* context,
                                                         const v1::DeleteModelAliasRequest* request,
                                                         google::protobuf::Empty* response) {
  return AnswerUnary(context, admission_, "ModelService/DeleteModelAlias", response,
                     [=, this](const Caller&) -> absl::StatusOr<google::protobuf::Empty> {
                       const auto name = ParseModelAliasName(request->name(), "name");
                       if (!name.ok()) return name.status();
                       absl::Status deleted = store_.DeleteModelAlias(*name);
                       if (!deleted.ok()) return deleted;
                       return google::protobuf::Empty();
                     });
}

absl::StatusOr<v1::ModelAlias> ModelService::SetAlias(const v1::SetModelAliasRequest& request) {
  const auto name = ParseModelAliasName(request.name(), "name");
  if (!name.ok()) return name.status();
  const auto target = ParseModelReference(request.model_version(), "model_version");
  if (!target.ok()) return target.status();
  if (target->model_id != name->model_id) {
    return InvalidField(
        "model_version",
        absl::StrFormat("got %s, wanted a version of %s, whose alias it is to be",
                        Quoted(request.model_version()), ResourceName(kModels, name->model_id)));
  }
  return store_.SetModelAlias(*name, *target, ToTimestamp(absl::Now()));
}

absl::StatusOr<v1::ListModelVersionsResponse> ModelService::ListVersions(
    const v1::ListModelVersionsRequest& request) {
  const absl::StatusOr<std::string> id = ParseResourceName(kModels, request.parent(), "parent");
  if (!id.ok()) return id.status();
  absl::StatusOr<Page> page = ParsePage(request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  auto listing = store_.ListModelVersions(*id, page->after, page->size);
  if (!listing.ok()) return listing.status();
  v1::ListModelVersionsResponse response;
  for (v1::ModelVersion& version : listing->items) {
    *response.add_model_versions() = std::move(version);
  }
  response.set_next_page_token(PageToken(listing->next));
  return response;
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
