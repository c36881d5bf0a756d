#include "server/rpc/training_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/logging/trace_context.h"
#include "server/rpc/page.h"
#include "server/rpc/unary.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"

namespace derin::server {

namespace {

// One watched job on its way to one client: one write in flight, and the next message is made when
// that is done. Destroys itself.
class WatchReactor final : public grpc::ServerWriteReactor<v1::WatchTrainingJobResponse> {
 public:
  // A call that was let in, or why it was not.
  WatchReactor(absl::StatusOr<AdmittedCall> call, TrainingJobs& jobs,
               const v1::WatchTrainingJobRequest& request) {
    if (!call.ok()) {
      Finish(ToGrpcStatus(call.status()));
      return;
    }
    call->OnlyWatches();
    {
      absl::MutexLock lock(&mutex_);
      call_ = *std::move(call);
    }
    Begin(Subscribe(jobs, request));
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (!ok) left_ = true;
    }
    Advance();
  }

  void OnCancel() override {
    std::unique_ptr<JobWatch> leaving;
    {
      absl::MutexLock lock(&mutex_);
      left_ = true;
      leaving = std::move(watch_);
    }
    leaving.reset();  // not under the lock: it waits for Advance
    Advance();
  }

  void OnDone() override { delete this; }

 private:
  absl::StatusOr<std::unique_ptr<JobWatch>> Subscribe(TrainingJobs& jobs,
                                                      const v1::WatchTrainingJobRequest& request) {
    absl::StatusOr<std::string> id = ParseResourceName(kTrainingJobs, request.name(), "name");
    if (!id.ok()) return id.status();
    return jobs.Watch(*id, request.since_sequence(), [this] { Advance(); });
  }

  void Begin(absl::StatusOr<std::unique_ptr<JobWatch>> watch) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      if (watch.ok()) {
        watch_ = *std::move(watch);
      } else {
        End(watch.status());
      }
    }
    Advance();
  }

  // Sends what there is to send, unless something is on its way.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (writing_ || ended_) return;
    if (left_) return End(absl::CancelledError("the client left"));
    if (watch_ == nullptr) return;  // news came before Begin
    absl::StatusOr<std::optional<v1::WatchTrainingJobResponse>> next = watch_->Next();
    if (!next.ok()) {
      End(next.status());
    } else if (next->has_value()) {
      message_ = **std::move(next);
      writing_ = true;
      StartWrite(&message_);
    } else if (watch_->over()) {
      End(absl::OkStatus());
    }
  }

  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (ended_) return;
    ended_ = true;
    Finish(call_->End(status));
  }

  absl::Mutex mutex_;
  std::optional<AdmittedCall> call_ ABSL_GUARDED_BY(mutex_);
  v1::WatchTrainingJobResponse message_ ABSL_GUARDED_BY(mutex_);  // belongs to gRPC while writing
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool left_ ABSL_GUARDED_BY(mutex_) = false;  // the client
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  // Last, so that it is destroyed first: it waits for Advance.
  std::unique_ptr<JobWatch> watch_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

TrainingService::TrainingService(Admission& admission, TrainingJobs& jobs)
    : admission_(admission), jobs_(jobs) {}

grpc::ServerUnaryReactor* TrainingService::CreateTrainingJob(
    grpc::CallbackServerContext* context, const v1::CreateTrainingJobRequest* request,
    v1::TrainingJob* response) {
  return AnswerUnary(context, admission_, "TrainingService/CreateTrainingJob", response,
                     [=, this](const Caller& caller) {
                       return jobs_.Create(*request, {caller.name, caller.limits.jobs},
                                           TraceIdIn(context->client_metadata()));
                     });
}

grpc::ServerUnaryReactor* TrainingService::GetTrainingJob(grpc::CallbackServerContext* context,
                                                          const v1::GetTrainingJobRequest* request,
                                                          v1::TrainingJob* response) {
  return AnswerUnary(context, admission_, "TrainingService/GetTrainingJob", response,
                     [=, this](const Caller&) -> absl::StatusOr<v1::TrainingJob> {
                       auto id = ParseResourceName(kTrainingJobs, request->name(), "name");
                       if (!id.ok()) return id.status();
                       return jobs_.Get(*id);
                     });
}

grpc::ServerUnaryReactor* TrainingService::ListTrainingJobs(
    grpc::CallbackServerContext* context, const v1::ListTrainingJobsRequest* request,
    v1::ListTrainingJobsResponse* response) {
  return AnswerUnary(context, admission_, "TrainingService/ListTrainingJobs", response,
                     [=, this](const Caller&) { return List(*request); });
}

absl::StatusOr<v1::ListTrainingJobsResponse> TrainingService::List(
    const v1::ListTrainingJobsRequest& request) {
  absl::StatusOr<Page> page = ParsePage(request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  absl::StatusOr<Listing<v1::TrainingJob>> listing =
      jobs_.List(page->after, page->size, request.labels());
  if (!listing.ok()) return listing.status();
  v1::ListTrainingJobsResponse response;
  for (v1::TrainingJob& job : listing->items) *response.add_training_jobs() = std::move(job);
  response.set_next_page_token(PageToken(listing->next));
  return response;
}

grpc::ServerWriteReactor<v1::WatchTrainingJobResponse>* TrainingService::WatchTrainingJob(
    grpc::CallbackServerContext* context, const v1::WatchTrainingJobRequest* request) {
  return new WatchReactor(admission_.Admit(*context, "TrainingService/WatchTrainingJob"), jobs_,
                          *request);
}

grpc::ServerUnaryReactor* TrainingService::Change(
    grpc::CallbackServerContext* context, std::string_view method, const std::string& name,
    v1::TrainingJob* response,
    absl::StatusOr<v1::TrainingJob> (TrainingJobs::*change)(const std::string& id)) {
  // With `(jobs_.*change)` in the lambda g++ 12's undefined-behaviour sanitizer takes `this` for
  // null.
  return AnswerUnary(context, admission_, method, response,
                     [=, this](const Caller&) -> absl::StatusOr<v1::TrainingJob> {
                       auto id = ParseResourceName(kTrainingJobs, name, "name");
                       if (!id.ok()) return id.status();
                       TrainingJobs& jobs = jobs_;
                       return (jobs.*change)(*id);
                     });
}

grpc::ServerUnaryReactor* TrainingService::PauseTrainingJob(
    grpc::CallbackServerContext* context, const v1::PauseTrainingJobRequest* request,
    v1::TrainingJob* response) {
  return Change(context, "TrainingService/PauseTrainingJob", request->name(), response,
                &TrainingJobs::Pause);
}

grpc::ServerUnaryReactor* TrainingService::ResumeTrainingJob(
    grpc::CallbackServerContext* context, const v1::ResumeTrainingJobRequest* request,
    v1::TrainingJob* response) {
  return Change(context, "TrainingService/ResumeTrainingJob", request->name(), response,
                &TrainingJobs::Resume);
}

grpc::ServerUnaryReactor* TrainingService::YieldTrainingJob(
    grpc::CallbackServerContext* context, const v1::YieldTrainingJobRequest* request,
    v1::TrainingJob* response) {
  return Change(context, "TrainingService/YieldTrainingJob", request->name(), response,
                &TrainingJobs::Yield);
}

grpc::ServerUnaryReactor* TrainingService::UpdateTrainingJob(
    grpc::CallbackServerContext* context, const v1::UpdateTrainingJobRequest* request,
    v1::TrainingJob* response) {
  return AnswerUnary(context, admission_, "TrainingService/UpdateTrainingJob", response,
                     [=, this](const Caller&) -> absl::StatusOr<v1::TrainingJob> {
                       auto id = ParseResourceName(kTrainingJobs, request->training_job().name(),
                                                   "training_job.name");
                       if (!id.ok()) return id.status();
                       return jobs_.Update(*id, *request);
                     });
}

grpc::ServerUnaryReactor* TrainingService::ListTrainingMetrics(
    grpc::CallbackServerContext* context, const v1::ListTrainingMetricsRequest* request,
    v1::ListTrainingMetricsResponse* response) {
  return AnswerUnary(context, admission_, "TrainingService/ListTrainingMetrics", response,
                     [=, this](const Caller&) -> absl::StatusOr<v1::ListTrainingMetricsResponse> {
                       auto id = ParseResourceName(kTrainingJobs, request->training_job(),
                                                   "training_job");
                       if (!id.ok()) return id.status();
                       return jobs_.ListMetrics(*id);
                     });
}

grpc::ServerUnaryReactor* TrainingService::ListTrainingCheckpoints(
    grpc::CallbackServerContext* context, const v1::ListTrainingCheckpointsRequest* request,
    v1::ListTrainingCheckpointsResponse* response) {
  return AnswerUnary(
      context, admission_, "TrainingService/ListTrainingCheckpoints", response,
      [=, this](const Caller&) -> absl::StatusOr<v1::ListTrainingCheckpointsResponse> {
        auto id = ParseResourceName(kTrainingJobs, request->training_job(), "training_job");
        if (!id.ok()) return id.status();
        auto checkpoints = jobs_.ListCheckpoints(*id);
        if (!checkpoints.ok()) return checkpoints.status();
        v1::ListTrainingCheckpointsResponse reply;
        for (v1::TrainingCheckpoint& one : *checkpoints) {
          *reply.add_training_checkpoints() = std::move(one);
        }
        return reply;
      });
}

grpc::ServerUnaryReactor* TrainingService::PublishTrainingCheckpoint(
    grpc::CallbackServerContext* context, const v1::PublishTrainingCheckpointRequest* request,
    v1::ModelVersion* response) {
  return AnswerUnary(context, admission_, "TrainingService/PublishTrainingCheckpoint", response,
                     [=, this](const Caller&) -> absl::StatusOr<v1::ModelVersion> {
                       auto checkpoint = ParseCheckpointName(request->name(), "name");
                       if (!checkpoint.ok()) return checkpoint.status();
                       return jobs_.PublishCheckpoint(*checkpoint);
                     });
}

grpc::ServerUnaryReactor* TrainingService::DeleteTrainingCheckpoint(
    grpc::CallbackServerContext* context, const v1::DeleteTrainingCheckpointRequest* request,
    google::protobuf::Empty* response) {
  return AnswerUnary(context, admission_, "TrainingService/DeleteTrainingCheckpoint", response,
                     [=, this](const Caller&) -> absl::StatusOr<google::protobuf::Empty> {
                       auto checkpoint = ParseCheckpointName(request->name(), "name");
                       if (!checkpoint.ok()) return checkpoint.status();
                       absl::Status deleted = jobs_.DeleteCheckpoint(*checkpoint);
                       if (!deleted.ok()) return deleted;
                       return google::protobuf::Empty();
                     });
}

grpc::ServerUnaryReactor* TrainingService::CancelTrainingJob(
    grpc::CallbackServerContext* context, const v1::CancelTrainingJobRequest* request,
    v1::TrainingJob* response) {
  return Change(context, "TrainingService/CancelTrainingJob", request->name(), response,
                &TrainingJobs::Cancel);
}

grpc::ServerUnaryReactor* TrainingService::DeleteTrainingJob(
    grpc::CallbackServerContext* context, const v1::DeleteTrainingJobRequest* request,
    google::protobuf::Empty* response) {
  return AnswerUnary(context, admission_, "TrainingService/DeleteTrainingJob", response,
                     [=, this](const Caller&) -> absl::StatusOr<google::protobuf::Empty> {
                       auto id = ParseResourceName(kTrainingJobs, request->name(), "name");
                       if (!id.ok()) return id.status();
                       if (absl::Status deleted = jobs_.Delete(*id); !deleted.ok()) return deleted;
                       return google::protobuf::Empty();
                     });
}

void TrainingService::StopWatching() { jobs_.StopWatching(ServerStopping()); }

}  // namespace derin::server
