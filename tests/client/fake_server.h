#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "derin/v1/corpus.grpc.pb.h"
#include "derin/v1/generation.grpc.pb.h"
#include "derin/v1/model.grpc.pb.h"
#include "derin/v1/server.grpc.pb.h"
#include "derin/v1/training.grpc.pb.h"

namespace derin::testing {

template <typename Request, typename Reply>
using Unary = std::function<grpc::Status(const Request&, Reply&)>;
template <typename Request, typename Reply>
using Stream =
    std::function<grpc::Status(grpc::ServerContext&, const Request&, grpc::ServerWriter<Reply>&)>;

// What the server answers; set before the call. A method that has no answer is UNIMPLEMENTED.
struct Answers {
  Unary<v1::GetServerInfoRequest, v1::ServerInfo> get_server_info;
  Unary<v1::ListUsageRequest, v1::ListUsageResponse> list_usage;
  std::function<grpc::Status(grpc::ServerContext&, grpc::ServerReader<v1::UploadCorpusRequest>&,
                             v1::Corpus&)>
      upload_corpus;
  std::function<grpc::Status(
      grpc::ServerContext& context,
      grpc::ServerReaderWriter<v1::ScoreTextResponse, v1::ScoreTextRequest>& stream)>
      score_text;
  Unary<v1::GetCorpusUploadRequest, v1::CorpusUpload> get_corpus_upload;
  Unary<v1::GetCorpusRequest, v1::Corpus> get_corpus;
  Unary<v1::ListCorporaRequest, v1::ListCorporaResponse> list_corpora;
  Unary<v1::DeleteCorpusRequest, google::protobuf::Empty> delete_corpus;
  Unary<v1::GetModelRequest, v1::Model> get_model;
  Unary<v1::ListModelsRequest, v1::ListModelsResponse> list_models;
  Unary<v1::DeleteModelRequest, google::protobuf::Empty> delete_model;
  Unary<v1::GetModelVersionRequest, v1::ModelVersion> get_model_version;
  Unary<v1::ListModelVersionsRequest, v1::ListModelVersionsResponse> list_model_versions;
  Unary<v1::DeleteModelVersionRequest, google::protobuf::Empty> delete_model_version;
  Unary<v1::SetModelAliasRequest, v1::ModelAlias> set_model_alias;
  Unary<v1::DeleteModelAliasRequest, google::protobuf::Empty> delete_model_alias;
  Stream<v1::ExportModelRequest, v1::ExportModelResponse> export_model;
  std::function<grpc::Status(grpc::ServerContext&, grpc::ServerReader<v1::ImportModelRequest>&,
                             v1::ModelVersion&)>
      import_model;
  Unary<v1::CreateTrainingJobRequest, v1::TrainingJob> create_training_job;
  Unary<v1::GetTrainingJobRequest, v1::TrainingJob> get_training_job;
  Unary<v1::ListTrainingJobsRequest, v1::ListTrainingJobsResponse> list_training_jobs;
  Unary<v1::UpdateTrainingJobRequest, v1::TrainingJob> update_training_job;
  Unary<v1::YieldTrainingJobRequest, v1::TrainingJob> yield_training_job;
  Unary<v1::PauseTrainingJobRequest, v1::TrainingJob> pause_training_job;
  Unary<v1::ResumeTrainingJobRequest, v1::TrainingJob> resume_training_job;
  Unary<v1::ListTrainingMetricsRequest, v1::ListTrainingMetricsResponse> list_training_metrics;
  Unary<v1::ListTrainingCheckpointsRequest, v1::ListTrainingCheckpointsResponse>
      list_training_checkpoints;
  Unary<v1::PublishTrainingCheckpointRequest, v1::ModelVersion> publish_training_checkpoint;
  Unary<v1::DeleteTrainingCheckpointRequest, google::protobuf::Empty> delete_training_checkpoint;
  Unary<v1::CancelTrainingJobRequest, v1::TrainingJob> cancel_training_job;
  Unary<v1::DeleteTrainingJobRequest, google::protobuf::Empty> delete_training_job;
  Stream<v1::WatchTrainingJobRequest, v1::WatchTrainingJobResponse> watch_training_job;
  Unary<v1::OpenSessionRequest, v1::Session> open_session;
  Unary<v1::GetSessionRequest, v1::Session> get_session;
  Unary<v1::ListSessionsRequest, v1::ListSessionsResponse> list_sessions;
  Unary<v1::ForkSessionRequest, v1::Session> fork_session;
  Unary<v1::RewindSessionRequest, v1::Session> rewind_session;
  Unary<v1::CloseSessionRequest, google::protobuf::Empty> close_session;
  Unary<v1::ExportSessionRequest, v1::ExportSessionResponse> export_session;
  Unary<v1::ImportSessionRequest, v1::Session> import_session;
  Stream<v1::GenerateRequest, v1::GenerateResponse> generate;
};

// A gRPC server in this process, on a free port of the loopback.
class FakeServer {
 public:
  FakeServer();
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  Answers& answers();
  // 127.0.0.1:PORT.
  const std::string& address() const { return address_; }
  // From here on nothing answers at the address.
  void Stop();

 private:
  class Services;

  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// An error as derind sends it: with ErrorInfo, and BadRequest and RetryInfo where they are given.
struct Refusal {
  grpc::StatusCode code = grpc::StatusCode::UNKNOWN;
  std::string message;
  std::string reason;
  std::string field;
  int retry_seconds = 0;

  grpc::Status ToGrpc() const;
};

// std::string of Abseil's view, for matchers.
std::string Message(const absl::Status& status);

}  // namespace derin::testing
