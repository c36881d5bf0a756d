// The calls of ModelService, but ScoreText.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "derin/client/client.h"
#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"
#include "derin/internal/list_all.h"
#include "derin/internal/upload.h"

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
  derin::v1::ListModelsRequest request;
  return internal::ListAll(*connection_, connection_->models(),
                           &derin::v1::ModelService::Stub::ListModels, request,
                           [](const auto& reply) -> const auto& { return reply.models(); });
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
  derin::v1::ListModelVersionsRequest request;
  request.set_parent(model);
  return internal::ListAll(*connection_, connection_->models(),
                           &derin::v1::ModelService::Stub::ListModelVersions, request,
                           [](const auto& reply) -> const auto& { return reply.model_versions(); });
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

absl::StatusOr<ModelVersion> Client::ExportModel(const std::string& name, const ByteSink& sink,
                                                 Cancellation* cancellation) {
  derin::v1::ExportModelRequest request;
  request.set_name(name);
  absl::Status valid = internal::CheckUtf8(request);
  if (!valid.ok()) return valid;
  grpc::ClientContext context;
  const internal::CancellationScope scope(cancellation, context);
  const auto reader = connection_->models().ExportModel(&context, request);
  ModelVersion version;
  int64_t bytes = 0;
  absl::Status taken;
  const grpc::Status ended =
      internal::ReadAll(context, *reader, [&](const derin::v1::ExportModelResponse& response) {
        if (response.has_model_version()) version = FromProto(response.model_version());
        bytes += static_cast<int64_t>(response.chunk().size());
        if (!response.chunk().empty()) taken = sink(response.chunk());
        return taken.ok();
      });
  if (!taken.ok()) return taken;
  absl::Status status = connection_->ToStatus(ended);
  if (!status.ok() && cancellation != nullptr && cancellation->cancelled()) {
    return internal::StoppedByCaller();
  }
  if (!status.ok()) return status;
  if (version.name.empty() || bytes != version.size_bytes) {
    return absl::DataLossError(absl::StrCat("got ", bytes, " bytes of ", name, ", wanted the ",
                                            version.size_bytes, " of its file"));
  }
  return version;
}

absl::StatusOr<ModelVersion> Client::ImportModel(const ImportModelOptions& options,
                                                 const ByteSource& source,
                                                 Cancellation* cancellation) {
  derin::v1::ImportModelRequest first;
  first.mutable_header()->set_model(options.model);
  first.mutable_header()->set_sha256(options.sha256);
  const auto reply = internal::Upload<derin::v1::ImportModelRequest, derin::v1::ModelVersion>(
      *connection_, first, source, cancellation,
      [this](grpc::ClientContext* context, derin::v1::ModelVersion* version) {
        return connection_->models().ImportModel(context, version);
      });
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
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
