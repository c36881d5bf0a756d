#include "tests/client/fake_server.h"

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace derin::testing {

// Hands each method to the answer of the same name.
class FakeServer::Services final : public v1::CorpusService::Service,
                                   public v1::ModelService::Service,
                                   public v1::TrainingService::Service,
                                   public v1::GenerationService::Service,
                                   public v1::ServerService::Service {
 public:
  Answers answers;

#define DERIN_UNARY(Method, answer, Request, Reply)                                             \
  grpc::Status Method(grpc::ServerContext*, const Request* request, Reply* reply) override {    \
    return answers.answer ? answers.answer(*request, *reply)                                    \
                          : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no answer was set"); \
  }
#define DERIN_STREAM(Method, answer, Request, Reply)                                            \
  grpc::Status Method(grpc::ServerContext* context, const Request* request,                     \
                      grpc::ServerWriter<Reply>* writer) override {                             \
    return answers.answer ? answers.answer(*context, *request, *writer)                         \
                          : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no answer was set"); \
  }
  DERIN_UNARY(GetServerInfo, get_server_info, v1::GetServerInfoRequest, v1::ServerInfo)
  DERIN_UNARY(ListUsage, list_usage, v1::ListUsageRequest, v1::ListUsageResponse)
  DERIN_UNARY(GetCorpusUpload, get_corpus_upload, v1::GetCorpusUploadRequest, v1::CorpusUpload)
  DERIN_UNARY(GetCorpus, get_corpus, v1::GetCorpusRequest, v1::Corpus)
  DERIN_UNARY(ListCorpora, list_corpora, v1::ListCorporaRequest, v1::ListCorporaResponse)
  DERIN_UNARY(DeleteCorpus, delete_corpus, v1::DeleteCorpusRequest, google::protobuf::Empty)
  DERIN_UNARY(GetModel, get_model, v1::GetModelRequest, v1::Model)
  DERIN_UNARY(ListModels, list_models, v1::ListModelsRequest, v1::ListModelsResponse)
  DERIN_UNARY(DeleteModel, delete_model, v1::DeleteModelRequest, google::protobuf::Empty)
  DERIN_UNARY(GetModelVersion, get_model_version, v1::GetModelVersionRequest, v1::ModelVersion)
  DERIN_UNARY(ListModelVersions, list_model_versions, v1::ListModelVersionsRequest,
              v1::ListModelVersionsResponse)
  DERIN_UNARY(DeleteModelVersion, delete_model_version, v1::DeleteModelVersionRequest,
              google::protobuf::Empty)
  DERIN_UNARY(SetModelAlias, set_model_alias, v1::SetModelAliasRequest, v1::ModelAlias)
  DERIN_UNARY(DeleteModelAlias, delete_model_alias, v1::DeleteModelAliasRequest,
              google::protobuf::Empty)
  DERIN_STREAM(ExportModel, export_model, v1::ExportModelRequest, v1::ExportModelResponse)
  DERIN_UNARY(CreateTrainingJob, create_training_job, v1::CreateTrainingJobRequest, v1::TrainingJob)
  DERIN_UNARY(GetTrainingJob, get_training_job, v1::GetTrainingJobRequest, v1::TrainingJob)
  DERIN_UNARY(ListTrainingJobs, list_training_jobs, v1::ListTrainingJobsRequest,
              v1::ListTrainingJobsResponse)
  DERIN_UNARY(UpdateTrainingJob, update_training_job, v1::UpdateTrainingJobRequest, v1::TrainingJob)
  DERIN_UNARY(YieldTrainingJob, yield_training_job, v1::YieldTrainingJobRequest, v1::TrainingJob)
  DERIN_UNARY(PauseTrainingJob, pause_training_job, v1::PauseTrainingJobRequest, v1::TrainingJob)
  DERIN_UNARY(ResumeTrainingJob, resume_training_job, v1::ResumeTrainingJobRequest, v1::TrainingJob)
  DERIN_UNARY(ListTrainingMetrics, list_training_metrics, v1::ListTrainingMetricsRequest,
              v1::ListTrainingMetricsResponse)
  DERIN_UNARY(ListTrainingCheckpoints, list_training_checkpoints,
              v1::ListTrainingCheckpointsRequest, v1::ListTrainingCheckpointsResponse)
  DERIN_UNARY(PublishTrainingCheckpoint, publish_training_checkpoint,
              v1::PublishTrainingCheckpointRequest, v1::ModelVersion)
  DERIN_UNARY(DeleteTrainingCheckpoint, delete_training_checkpoint,
              v1::DeleteTrainingCheckpointRequest, google::protobuf::Empty)
  DERIN_UNARY(CancelTrainingJob, cancel_training_job, v1::CancelTrainingJobRequest, v1::TrainingJob)
  DERIN_UNARY(DeleteTrainingJob, delete_training_job, v1::DeleteTrainingJobRequest,
              google::protobuf::Empty)
  DERIN_UNARY(OpenSession, open_session, v1::OpenSessionRequest, v1::Session)
  DERIN_UNARY(GetSession, get_session, v1::GetSessionRequest, v1::Session)
  DERIN_UNARY(ListSessions, list_sessions, v1::ListSessionsRequest, v1::ListSessionsResponse)
  DERIN_UNARY(ForkSession, fork_session, v1::ForkSessionRequest, v1::Session)
  DERIN_UNARY(RewindSession, rewind_session, v1::RewindSessionRequest, v1::Session)
  DERIN_UNARY(CloseSession, close_session, v1::CloseSessionRequest, google::protobuf::Empty)
  DERIN_UNARY(ExportSession, export_session, v1::ExportSessionRequest, v1::ExportSessionResponse)
  DERIN_UNARY(ImportSession, import_session, v1::ImportSessionRequest, v1::Session)
  DERIN_STREAM(WatchTrainingJob, watch_training_job, v1::WatchTrainingJobRequest,
               v1::WatchTrainingJobResponse)
  DERIN_STREAM(Generate, generate, v1::GenerateRequest, v1::GenerateResponse)
#undef DERIN_UNARY
#undef DERIN_STREAM

  grpc::Status ScoreText(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::ScoreTextResponse, v1::ScoreTextRequest>* stream) override {
    return answers.score_text ? answers.score_text(*context, *stream)
                              : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no answer was set");
  }

  grpc::Status ImportModel(grpc::ServerContext* context,
                           grpc::ServerReader<v1::ImportModelRequest>* reader,
                           v1::ModelVersion* reply) override {
    return answers.import_model
               ? answers.import_model(*context, *reader, *reply)
               : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no answer was set");
  }

  grpc::Status UploadCorpus(grpc::ServerContext* context,
                            grpc::ServerReader<v1::UploadCorpusRequest>* reader,
                            v1::Corpus* reply) override {
    return answers.upload_corpus
               ? answers.upload_corpus(*context, *reader, *reply)
               : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no answer was set");
  }
};

FakeServer::FakeServer() : services_(std::make_unique<Services>()) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(static_cast<v1::CorpusService::Service*>(services_.get()));
  builder.RegisterService(static_cast<v1::ModelService::Service*>(services_.get()));
  builder.RegisterService(static_cast<v1::TrainingService::Service*>(services_.get()));
  builder.RegisterService(static_cast<v1::GenerationService::Service*>(services_.get()));
  builder.RegisterService(static_cast<v1::ServerService::Service*>(services_.get()));
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeServer::~FakeServer() { Stop(); }

Answers& FakeServer::answers() { return services_->answers; }

void FakeServer::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown();
  server_->Wait();
  server_.reset();
}

grpc::Status Refusal::ToGrpc() const {
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("derin");
  details.add_details()->PackFrom(info);
  if (!field.empty()) {
    google::rpc::BadRequest request;
    request.add_field_violations()->set_field(field);
    details.add_details()->PackFrom(request);
  }
  if (retry_seconds > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(retry_seconds);
    details.add_details()->PackFrom(retry);
  }
  return grpc::Status(code, message, details.SerializeAsString());
}

std::string Message(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace derin::testing
