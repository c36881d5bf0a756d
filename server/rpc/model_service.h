#pragma once

#include "derin/v1/model.grpc.pb.h"
#include "server/rpc/admission.h"
#include "server/rpc/score_reactor.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

// What training jobs have made, from the metadata store, and how probable it finds texts. All that
// it is given outlives it.
class ModelService final : public v1::ModelService::CallbackService {
 public:
  ModelService(Admission& admission, MetadataStore& store, const ScoreReactor::Parts& scoring)
      : admission_(admission), store_(store), scoring_(scoring) {}

  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::Model* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerBidiReactor<v1::ScoreTextRequest, v1::ScoreTextResponse>* ScoreText(
      grpc::CallbackServerContext* context) override;

 private:
  absl::StatusOr<v1::ListModelsResponse> List(const v1::ListModelsRequest& request);

  Admission& admission_;
  MetadataStore& store_;
  const ScoreReactor::Parts scoring_;
};

}  // namespace derin::server
