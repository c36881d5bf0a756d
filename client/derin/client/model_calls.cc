// The calls of ModelService, but ScoreText.

#include <string>
#include <vector>

#include "derin/client/client.h"
#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"

namespace derin::client {

using internal::FromProto;

absl::StatusOr<Model> Client::GetModel(const std::string& name) {
  derin::v1::GetModelRequest request;
  request.set_name(name);
  const auto reply =
      connection_->Call(connection_->models(), &derin::v1::ModelService::Stub::GetModel, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::StatusOr<std::vector<Model>> Client::ListModels() {
  std::vector<Model> models;
  derin::v1::ListModelsRequest request;
  do {
    const auto reply = connection_->Call(connection_->models(),
                                         &derin::v1::ModelService::Stub::ListModels, request);
    if (!reply.ok()) return reply.status();
    for (const auto& model : reply->models()) models.push_back(FromProto(model));
    request.set_page_token(reply->next_page_token());
  } while (!request.page_token().empty());
  return models;
}

absl::StatusOr<ModelVersion> Client::GetModelVersion(const std::string& name) {
  derin::v1::GetModelVersionRequest request;
  request.set_name(name);
  const auto reply = connection_->Call(connection_->models(),
                                       &derin::v1::ModelService::Stub::GetModelVersion, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::StatusOr<std::vector<ModelVersion>> Client::ListModelVersions(const std::string& model) {
  std::vector<ModelVersion> versions;
  derin::v1::ListModelVersionsRequest request;
  request.set_parent(model);
  do {
    const auto reply = connection_->Call(
        connection_->models(), &derin::v1::ModelService::Stub::ListModelVersions, request);
    if (!reply.ok()) return reply.status();
    for (const auto& version : reply->model_versions()) versions.push_back(FromProto(version));
    request.set_page_token(reply->next_page_token());
  } while (!request.page_token().empty());
  return versions;
}

absl::StatusOr<ModelAlias> Client::SetModelAlias(const std::string& name,
                                                 const std::string& model_version) {
  derin::v1::SetModelAliasRequest request;
  request.set_name(name);
  request.set_model_version(model_version);
  const auto reply = connection_->Call(connection_->models(),
                                       &derin::v1::ModelService::Stub::SetModelAlias, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::Status Client::DeleteModelAlias(const std::string& name) {
  derin::v1::DeleteModelAliasRequest request;
  request.set_name(name);
  return connection_
      ->Call(connection_->models(), &derin::v1::ModelService::Stub::DeleteModelAlias, request)
      .status();
}

absl::Status Client::DeleteModelVersion(const std::string& name, bool force) {
  derin::v1::DeleteModelVersionRequest request;
  request.set_name(name);
  request.set_force(force);
  return connection_
      ->Call(connection_->models(), &derin::v1::ModelService::Stub::DeleteModelVersion, request)
      .status();
}

absl::Status Client::DeleteModel(const std::string& name, bool force) {
  derin::v1::DeleteModelRequest request;
  request.set_name(name);
  request.set_force(force);
  return connection_
      ->Call(connection_->models(), &derin::v1::ModelService::Stub::DeleteModel, request)
      .status();
}

}  // namespace derin::client
