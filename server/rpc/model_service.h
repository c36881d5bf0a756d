#pragma once

#include "derin/v1/model.grpc.pb.h"
#include "server/rpc/admission.h"
#include "server/rpc/model_deletion.h"
#include "server/rpc/score_reactor.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

// Models, their versions and aliases, from the metadata store, and how probable they find texts.
// All that it is given outlives it.
class ModelService final : public v1::ModelService::CallbackService {
 public:
  // Imports of more than `max_model_bytes` are refused.
  ModelService(Admission& admission, MetadataStore& store, BlobStore& blobs,
               int64_t max_model_bytes, const ScoreReactor::Parts& scoring)
      : admission_(admission),
        store_(store),
        blobs_(blobs),
        max_model_bytes_(max_model_bytes),
        scoring_(scoring),
        deletion_(store, blobs, scoring.sessions, scoring.engine) {}

  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::Model* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteModel(grpc::CallbackServerContext* context,
                                        const v1::DeleteModelRequest* request,
                                        google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* GetModelVersion(grpc::CallbackServerContext* context,
                                            const v1::GetModelVersionRequest* request,
                                            v1::ModelVersion* response) override;
  grpc::ServerUnaryReactor* ListModelVersions(grpc::CallbackServerContext* context,
                                              const v1::ListModelVersionsRequest* request,
                                              v1::ListModelVersionsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteModelVersion(grpc::CallbackServerContext* context,
                                               const v1::DeleteModelVersionRequest* request,
                                               google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* SetModelAlias(grpc::CallbackServerContext* context,
                                          const v1::SetModelAliasRequest* request,
                                          v1::ModelAlias* response) override;
  grpc::ServerUnaryReactor* DeleteModelAlias(grpc::CallbackServerContext* context,
                                             const v1::DeleteModelAliasRequest* request,
                                             google::protobuf::Empty* response) override;
  grpc::ServerWriteReactor<v1::ExportModelResponse>* ExportModel(
      grpc::CallbackServerContext* context, const v1::ExportModelRequest* request) override;
  grpc::ServerReadReactor<v1::ImportModelRequest>* ImportModel(grpc::CallbackServerContext* context,
                                                               v1::ModelVersion* response) override;
  grpc::ServerBidiReactor<v1::ScoreTextRequest, v1::ScoreTextResponse>* ScoreText(
      grpc::CallbackServerContext* context) override;

 private:
  absl::StatusOr<v1::ListModelsResponse> List(const v1::ListModelsRequest& request);
  absl::StatusOr<v1::ListModelVersionsResponse> ListVersions(
      const v1::ListModelVersionsRequest& request);
  absl::StatusOr<v1::ModelAlias> SetAlias(const v1::SetModelAliasRequest& request);

  Admission& admission_;
  MetadataStore& store_;
  BlobStore& blobs_;
  const int64_t max_model_bytes_;
  const ScoreReactor::Parts scoring_;
  ModelDeletion deletion_;
};

}  // namespace derin::server
