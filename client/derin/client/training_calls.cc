// The calls of TrainingService.

#include <utility>

#include "derin/client/client.h"
#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"
#include "derin/internal/list_all.h"

namespace derin::client {

using internal::FromProto;

namespace {

// True when there is no callback for `value`, or it wants more.
template <typename Callback, typename Value>
bool Deliver(const Callback& callback, const Value& value) {
  return !callback || callback(value);
}

// One watch over any number of connections.
class Watch {
 public:
  Watch(internal::Connection& connection, const std::string& name, int64_t since_sequence,
        const WatchCallbacks& callbacks, Cancellation* cancellation)
      : connection_(connection), callbacks_(callbacks), cancellation_(cancellation) {
    request_.set_name(name);
    request_.set_since_sequence(since_sequence);
  }

  // Reads from one connection until it ends.
  absl::Status Run() {
    received_ = false;
    absl::Status valid = internal::CheckUtf8(request_);
    if (!valid.ok()) return valid;
    grpc::ClientContext context;
    const internal::CancellationScope scope(cancellation_, context);
    const auto reader = connection_.training().WatchTrainingJob(&context, request_);
    bool wanted = true;
    const grpc::Status status = internal::ReadAll(context, *reader, [&](const auto& response) {
      received_ = true;
      return wanted = Handle(response);
    });
    return wanted ? connection_.ToStatus(status) : internal::StoppedByCaller();
  }

  // Whether the last Run() got anything.
  bool received() const { return received_; }

 private:
  bool Handle(const derin::v1::WatchTrainingJobResponse& response) {
    switch (response.update_case()) {
      case derin::v1::WatchTrainingJobResponse::kSnapshot:
        return Deliver(callbacks_.snapshot, FromProto(response.snapshot()));
      case derin::v1::WatchTrainingJobResponse::kEvent:
        // From here the next connection goes on.
        request_.set_since_sequence(response.event().sequence());
        return Deliver(callbacks_.event, FromProto(response.event()));
      case derin::v1::WatchTrainingJobResponse::kProgress:
        return Deliver(callbacks_.progress, FromProto(response.progress()));
      default:
        return true;
    }
  }

  internal::Connection& connection_;
  const WatchCallbacks& callbacks_;
  Cancellation* cancellation_;
  derin::v1::WatchTrainingJobRequest request_;
  bool received_ = false;
};

// A call of a job by its name, which answers with the job.
template <typename Request>
absl::StatusOr<TrainingJob> CallOfJob(
    internal::Connection& connection,
    grpc::Status (derin::v1::TrainingService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                             derin::v1::TrainingJob*),
    const std::string& name) {
  Request request;
  request.set_name(name);
  const auto reply = connection.Call(connection.training(), method, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

}  // namespace

absl::StatusOr<TrainingJob> Client::CreateTrainingJob(const TrainingSpec& spec,
                                                      const CreateTrainingJobOptions& options) {
  derin::v1::CreateTrainingJobRequest request;
  *request.mutable_training_job()->mutable_spec() = internal::ToProto(spec);
  request.set_training_job_id(options.id);
  request.set_request_id(options.request_id);
  request.set_validate_only(options.validate_only);
  derin::v1::TrainingJob& job = *request.mutable_training_job();
  job.mutable_labels()->insert(options.labels.begin(), options.labels.end());
  job.set_priority(options.priority);
  job.set_share(options.share);
  const auto reply = connection_->Call(
      connection_->training(), &derin::v1::TrainingService::Stub::CreateTrainingJob, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::StatusOr<TrainingJob> Client::GetTrainingJob(const std::string& name) {
  return CallOfJob(*connection_, &derin::v1::TrainingService::Stub::GetTrainingJob, name);
}

absl::StatusOr<std::vector<TrainingJob>> Client::ListTrainingJobs(
    const std::map<std::string, std::string>& labels) {
  derin::v1::ListTrainingJobsRequest request;
  request.mutable_labels()->insert(labels.begin(), labels.end());
  return internal::ListAll(*connection_, connection_->training(),
                           &derin::v1::TrainingService::Stub::ListTrainingJobs, request,
                           [](const auto& reply) -> const auto& { return reply.training_jobs(); });
}

absl::StatusOr<TrainingJob> Client::UpdateTrainingJob(const std::string& name,
                                                      const TrainingJobEdit& edit) {
  derin::v1::UpdateTrainingJobRequest request;
  derin::v1::TrainingJob& job = *request.mutable_training_job();
  job.set_name(name);
  if (edit.priority.has_value()) {
    job.set_priority(*edit.priority);
    request.mutable_update_mask()->add_paths("priority");
  }
  if (edit.share.has_value()) {
    job.set_share(*edit.share);
    request.mutable_update_mask()->add_paths("share");
  }
  job.mutable_labels()->insert(edit.set_labels.begin(), edit.set_labels.end());
  for (const auto& [key, value] : edit.set_labels) {
    request.mutable_update_mask()->add_paths("labels." + key);
  }
  for (const std::string& key : edit.remove_labels) {
    request.mutable_update_mask()->add_paths("labels." + key);
  }
  const auto reply = connection_->Call(
      connection_->training(), &derin::v1::TrainingService::Stub::UpdateTrainingJob, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::StatusOr<TrainingJob> Client::YieldTrainingJob(const std::string& name) {
  return CallOfJob(*connection_, &derin::v1::TrainingService::Stub::YieldTrainingJob, name);
}

absl::StatusOr<TrainingJob> Client::PauseTrainingJob(const std::string& name) {
  return CallOfJob(*connection_, &derin::v1::TrainingService::Stub::PauseTrainingJob, name);
}

absl::StatusOr<TrainingJob> Client::ResumeTrainingJob(const std::string& name) {
  return CallOfJob(*connection_, &derin::v1::TrainingService::Stub::ResumeTrainingJob, name);
}

absl::StatusOr<std::vector<TrainingMetrics>> Client::ListTrainingMetrics(const std::string& job) {
  derin::v1::ListTrainingMetricsRequest request;
  request.set_training_job(job);
  const auto reply = connection_->Call(
      connection_->training(), &derin::v1::TrainingService::Stub::ListTrainingMetrics, request);
  if (!reply.ok()) return reply.status();
  std::vector<TrainingMetrics> points;
  for (const auto& one : reply->training_metrics()) points.push_back(FromProto(one));
  return points;
}

absl::StatusOr<std::vector<TrainingCheckpoint>> Client::ListTrainingCheckpoints(
    const std::string& job) {
  derin::v1::ListTrainingCheckpointsRequest request;
  request.set_training_job(job);
  const auto reply = connection_->Call(
      connection_->training(), &derin::v1::TrainingService::Stub::ListTrainingCheckpoints, request);
  if (!reply.ok()) return reply.status();
  std::vector<TrainingCheckpoint> checkpoints;
  for (const auto& one : reply->training_checkpoints()) checkpoints.push_back(FromProto(one));
  return checkpoints;
}

absl::StatusOr<ModelVersion> Client::PublishTrainingCheckpoint(const std::string& name) {
  derin::v1::PublishTrainingCheckpointRequest request;
  request.set_name(name);
  const auto reply =
      connection_->Call(connection_->training(),
                        &derin::v1::TrainingService::Stub::PublishTrainingCheckpoint, request);
  if (!reply.ok()) return reply.status();
  return FromProto(*reply);
}

absl::Status Client::DeleteTrainingCheckpoint(const std::string& name) {
  derin::v1::DeleteTrainingCheckpointRequest request;
  request.set_name(name);
  return connection_
      ->Call(connection_->training(), &derin::v1::TrainingService::Stub::DeleteTrainingCheckpoint,
             request)
      .status();
}

absl::Status Client::DeleteTrainingJob(const std::string& name) {
  derin::v1::DeleteTrainingJobRequest request;
  request.set_name(name);
  return connection_
      ->Call(connection_->training(), &derin::v1::TrainingService::Stub::DeleteTrainingJob, request)
      .status();
}

absl::StatusOr<TrainingJob> Client::CancelTrainingJob(const std::string& name) {
  return CallOfJob(*connection_, &derin::v1::TrainingService::Stub::CancelTrainingJob, name);
}

absl::Status Client::WatchTrainingJob(const std::string& name, const WatchOptions& options,
                                      const WatchCallbacks& callbacks, Cancellation* cancellation) {
  internal::Reconnections reconnections(*connection_, options.reconnect_tries,
                                        options.reconnect_wait, cancellation);
  Watch watch(*connection_, name, options.since_sequence, callbacks, cancellation);
  while (true) {
    absl::Status status = watch.Run();
    if (watch.received()) reconnections.Received();
    if (cancellation != nullptr && cancellation->cancelled()) return internal::StoppedByCaller();
    if (!absl::IsUnavailable(status) || !reconnections.left()) return status;
    if (callbacks.reconnecting) callbacks.reconnecting(status);
    if (!reconnections.Await()) return internal::StoppedByCaller();
  }
}

}  // namespace derin::client
