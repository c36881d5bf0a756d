#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/v1/training.pb.h"
#include "model/backend/backend.h"
#include "server/jobs/job_ledger.h"
#include "server/jobs/job_runner.h"
#include "server/jobs/job_watchers.h"
#include "server/jobs/training_spec.h"
#include "server/metrics/server_metrics.h"
#include "server/registry/model_registry.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"
#include "server/storage/resource_name.h"

namespace derin::server {

struct TrainingJobsOptions {
  // Jobs that wait, besides those that run; at least 1.
  int max_queued_jobs = 100;
  // See JobRunner; at least 1.
  int max_running_jobs = 1;
  // Of what is stored.
  WallClock wall_clock = absl::Now;
  // Of rates and of how often progress is told.
  MonotonicClock monotonic_clock = SystemMonotonicClock();
};

// All training jobs of a server, and what trains them. Thread-safe.
class TrainingJobs {
 public:
  // What training works with; all outlive the object.
  struct Parts {
    Backend& backend;
    MetadataStore& store;
    BlobStore& blobs;
    ModelRegistry& registry;
    ServerMetrics& metrics;
    UsageLedger* usage = nullptr;  // null: nobody counts what callers use
  };
  TrainingJobs(const Parts& parts, TrainingJobsOptions options);
  // Stops; all watches are destroyed before.
  ~TrainingJobs();

  // Takes up what an earlier process left, and begins to train. Once only.
  absl::Status Start();
  // The jobs that run go back to the queue at their next step, and nothing runs any more; returns
  // when that is stored.
  void Stop();

  // Errors name fields as the request has them. See TrainingService.CreateTrainingJob in
  // training.proto; RESOURCE_EXHAUSTED has reason JOBS_FULL or DEVICE_MEMORY_FULL,
  // UNAVAILABLE has DEVICE_LOST. See JobLedger::Add for what `owner` bounds;
  // the job keeps `trace_id`, and the log says it.
  absl::StatusOr<v1::TrainingJob> Create(const v1::CreateTrainingJobRequest& request,
                                         const JobOwner& owner = {},
                                         const std::string& trace_id = "");
  // With the latest progress, and why it waits. Ids are bare.
  absl::StatusOr<v1::TrainingJob> Get(std::string_view id);
  // Newest first, those of at most `limit` that have all of `labels`; see
  // MetadataStore::ListTrainingJobs.
  absl::StatusOr<Listing<v1::TrainingJob>> List(std::string_view after, int limit,
                                                const JobLabels& labels = {});
  absl::StatusOr<v1::TrainingJob> Update(const std::string& id,
                                         const v1::UpdateTrainingJobRequest& request);
  absl::StatusOr<v1::TrainingJob> Yield(const std::string& id);
  absl::StatusOr<v1::TrainingJob> Pause(const std::string& id);
  absl::StatusOr<v1::TrainingJob> Resume(const std::string& id);
  absl::StatusOr<v1::TrainingJob> Cancel(const std::string& id);
  absl::Status Delete(const std::string& id);
  // Until now, also of a job that runs.
  absl::StatusOr<v1::ListTrainingMetricsResponse> ListMetrics(const std::string& id);
  // Newest first.
  absl::StatusOr<std::vector<v1::TrainingCheckpoint>> ListCheckpoints(std::string_view id);
  // See TrainingService.PublishTrainingCheckpoint in training.proto.
  absl::StatusOr<v1::ModelVersion> PublishCheckpoint(const CheckpointReference& checkpoint);
  absl::Status DeleteCheckpoint(const CheckpointReference& checkpoint);

  // See JobWatchers.
  absl::StatusOr<std::unique_ptr<JobWatch>> Watch(const std::string& id, int64_t since_sequence,
                                                  std::function<void()> on_news);
  void StopWatching(const absl::Status& status);

  absl::StatusOr<JobLedger::Counts> Count() { return ledger_.Count(); }

 private:
  // How long it would take, where that can be tried.
  void SetEstimate(const TrainingPlan& plan, v1::TrainingJob& job);
  // What the store does not have of it.
  void AddNews(v1::TrainingJob& job);

  const Parts parts_;
  const TrainingJobsOptions options_;
  JobWatchers watchers_;
  JobLedger ledger_;
  JobRunner runner_;
};

}  // namespace derin::server
