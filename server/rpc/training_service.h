#pragma once

#include "derin/v1/training.grpc.pb.h"
#include "server/jobs/training_jobs.h"
#include "server/rpc/admission.h"

namespace derin::server {

// Training jobs over gRPC.
class TrainingService final : public v1::TrainingService::CallbackService {
 public:
  // Both outlive the service.
  TrainingService(Admission& admission, TrainingJobs& jobs);

  grpc::ServerUnaryReactor* CreateTrainingJob(grpc::CallbackServerContext* context,
                                              const v1::CreateTrainingJobRequest* request,
                                              v1::TrainingJob* response) override;
  grpc::ServerUnaryReactor* GetTrainingJob(grpc::CallbackServerContext* context,
                                           const v1::GetTrainingJobRequest* request,
                                           v1::TrainingJob* response) override;
  grpc::ServerUnaryReactor* ListTrainingJobs(grpc::CallbackServerContext* context,
                                             const v1::ListTrainingJobsRequest* request,
                                             v1::ListTrainingJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchTrainingJobResponse>* WatchTrainingJob(
      grpc::CallbackServerContext* context, const v1::WatchTrainingJobRequest* request) override;
  grpc::ServerUnaryReactor* PauseTrainingJob(grpc::CallbackServerContext* context,
                                             const v1::PauseTrainingJobRequest* request,
                                             v1::TrainingJob* response) override;
  grpc::ServerUnaryReactor* ResumeTrainingJob(grpc::CallbackServerContext* context,
                                              const v1::ResumeTrainingJobRequest* request,
                                              v1::TrainingJob* response) override;
  grpc::ServerUnaryReactor* YieldTrainingJob(grpc::CallbackServerContext* context,
                                             const v1::YieldTrainingJobRequest* request,
                                             v1::TrainingJob* response) override;
  grpc::ServerUnaryReactor* UpdateTrainingJob(grpc::CallbackServerContext* context,
                                              const v1::UpdateTrainingJobRequest* request,
                                              v1::TrainingJob* response) override;
  grpc::ServerUnaryReactor* ListTrainingMetrics(grpc::CallbackServerContext* context,
                                                const v1::ListTrainingMetricsRequest* request,
                                                v1::ListTrainingMetricsResponse* response) override;
  grpc::ServerUnaryReactor* ListTrainingCheckpoints(
      grpc::CallbackServerContext* context, const v1::ListTrainingCheckpointsRequest* request,
      v1::ListTrainingCheckpointsResponse* response) override;
  grpc::ServerUnaryReactor* PublishTrainingCheckpoint(
      grpc::CallbackServerContext* context, const v1::PublishTrainingCheckpointRequest* request,
      v1::ModelVersion* response) override;
  grpc::ServerUnaryReactor* DeleteTrainingCheckpoint(
      grpc::CallbackServerContext* context, const v1::DeleteTrainingCheckpointRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* CancelTrainingJob(grpc::CallbackServerContext* context,
                                              const v1::CancelTrainingJobRequest* request,
                                              v1::TrainingJob* response) override;
  grpc::ServerUnaryReactor* DeleteTrainingJob(grpc::CallbackServerContext* context,
                                              const v1::DeleteTrainingJobRequest* request,
                                              google::protobuf::Empty* response) override;

  // Watches, which would last as long as their jobs, end with UNAVAILABLE, reason SERVER_STOPPING.
  void StopWatching();

 private:
  // Answers a call that changes the state of the job `name`; `method` as AnswerUnary has it.
  grpc::ServerUnaryReactor* Change(
      grpc::CallbackServerContext* context, std::string_view method, const std::string& name,
      v1::TrainingJob* response,
      absl::StatusOr<v1::TrainingJob> (TrainingJobs::*change)(const std::string& id));
  absl::StatusOr<v1::ListTrainingJobsResponse> List(const v1::ListTrainingJobsRequest& request);

  Admission& admission_;
  TrainingJobs& jobs_;
};

}  // namespace derin::server
