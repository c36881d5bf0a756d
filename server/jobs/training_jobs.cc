#include "server/jobs/training_jobs.h"

#include <spdlog/spdlog.h>

#include <new>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "server/jobs/checkpoint_files.h"
#include "server/jobs/text_reading.h"
#include "server/jobs/time_estimate.h"
#include "server/jobs/training_spec.h"
#include "server/jobs/training_start.h"
#include "server/jobs/word_spec.h"
#include "server/logging/log_line.h"
#include "server/status/error.h"
#include "server/storage/proto_time.h"
#include "server/storage/random_id.h"
#include "server/storage/resource_name.h"
#include "server/storage/sha256.h"

namespace derin::server {

namespace {

constexpr size_t kMaxRequestIdBytes = 128;

// The same for a request that is sent again.
std::string RequestDigest(v1::CreateTrainingJobRequest request) {
  request.clear_validate_only();
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  {
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // labels are a map
    request.SerializeToCodedStream(&coded);
  }
  return Sha256Hex(bytes);
}

absl::Status CheckRequest(const v1::CreateTrainingJobRequest& request) {
  if (request.request_id().size() > kMaxRequestIdBytes) {
    return InvalidField("request_id",
                        absl::StrFormat("got %d bytes, wanted at most %d",
                                        request.request_id().size(), kMaxRequestIdBytes));
  }
  if (!request.training_job().has_spec()) {
    return InvalidField("training_job.spec", "got none, wanted one with corpus and model");
  }
  const v1::TrainingJob& job = request.training_job();
  if (absl::Status status = CheckPriority(job.priority()); !status.ok()) return status;
  if (absl::Status status = CheckShare(ShareOf(job)); !status.ok()) return status;
  if (absl::Status status = CheckLabels(job.labels(), "training_job.labels"); !status.ok()) {
    return status;
  }
  if (request.training_job_id().empty()) return absl::OkStatus();
  return CheckId(request.training_job_id(), "training_job_id");
}

void LogCreation(const v1::TrainingJob& job) {
  std::vector<LogField> fields = {{"training_job", std::string(IdOf(job.name()))},
                                  {"caller", job.owner()}};
  if (!job.trace_id().empty()) fields.push_back({"trace_id", job.trace_id()});
  Log(spdlog::level::info, "A training job was created.", fields);
}

}  // namespace

TrainingJobs::TrainingJobs(const Parts& parts, TrainingJobsOptions options)
    : parts_(parts),
      options_(std::move(options)),
      watchers_(parts_.store),
      ledger_(parts_.store, parts_.registry, watchers_, options_.wall_clock),
      runner_({parts_.backend, parts_.store, parts_.blobs, parts_.metrics, options_.monotonic_clock,
               options_.wall_clock, parts_.usage},
              ledger_, watchers_, options_.max_running_jobs) {
  parts_.metrics.training_jobs.Bind([this] {
    const JobLedger::Counts counts = ledger_.Count().value_or(JobLedger::Counts{});
    return std::vector<CallbackGauge::Sample>{
        {{"queued"}, static_cast<double>(counts.queued)},
        {{"running"}, static_cast<double>(counts.running)},
        {{"pausing"}, static_cast<double>(counts.pausing)},
        {{"paused"}, static_cast<double>(counts.paused)},
        {{"cancelling"}, static_cast<double>(counts.cancelling)}};
  });
}

TrainingJobs::~TrainingJobs() {
  parts_.metrics.training_jobs.Unbind();
  Stop();
}

absl::Status TrainingJobs::Start() {
  if (absl::Status status = ledger_.Recover(); !status.ok()) return status;
  runner_.Start();
  return absl::OkStatus();
}

void TrainingJobs::Stop() { runner_.Stop(); }

absl::StatusOr<v1::TrainingJob> TrainingJobs::Create(const v1::CreateTrainingJobRequest& request,
                                                     const JobOwner& owner,
                                                     const std::string& trace_id) {
  if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  const std::string digest = RequestDigest(request);
  if (!request.request_id().empty()) {
    auto earlier = parts_.store.FindRequest(request.request_id(), digest);
    if (!earlier.ok()) return earlier.status();
    if (earlier->has_value()) return **std::move(earlier);
  }
  if (absl::Status health = parts_.backend.health(); !health.ok()) return DeviceLost(health);
  v1::TrainingSpec spec = request.training_job().spec();
  std::optional<TrainingStart> start;
  if (spec.has_start_from()) {
    auto found = FindStart(spec.start_from(), parts_.store, parts_.blobs);
    if (!found.ok()) return found.status();
    spec = FillFromStart(spec, *found);
    start = *std::move(found);
  }
  auto texts = FindTexts(spec, parts_.store);
  if (!texts.ok()) return texts.status();
  if (start.has_value()) {
    absl::Status agrees = CheckAgainstStart(spec, *texts, *start);
    if (!agrees.ok()) return agrees;
  }
  absl::Status status = ResolveWordSettings(start ? &*start : nullptr, spec);
  if (!status.ok()) return status;
  status = CountTexts(spec, start ? &start->model.tokenizer : nullptr, parts_.blobs, *texts);
  if (!status.ok()) return status;
  auto plan = ResolveTrainingSpec(spec, *texts, parts_.backend, RandomBits());
  if (!plan.ok()) return plan.status();
  // It can wait until those that run have ended.
  if (absl::Status fits = CheckMemory(*plan, parts_.backend, runner_.MemoryInUse()); !fits.ok()) {
    return fits;
  }

  auto job = ledger_.Add(
      {.id = request.training_job_id().empty() ? NewTrainingJobId() : request.training_job_id(),
       .spec = plan->spec,
       .parameter_count = plan->parameter_count,
       .request_id = request.request_id(),
       .request_sha256 = digest,
       .validate_only = request.validate_only(),
       .start = start ? std::optional(std::move(start->blobs)) : std::nullopt,
       .owner = owner,
       .priority = request.training_job().priority(),
       .share = ShareOf(request.training_job()),
       .memory_bytes = plan->device_bytes,
       .tokens_per_epoch = plan->tokens_per_epoch,
       .labels = request.training_job().labels(),
       .trace_id = trace_id},
      options_.max_queued_jobs);
  if (!job.ok()) return job;
  if (request.validate_only()) {
    SetEstimate(*plan, *job);
  } else {
    LogCreation(*job);
    runner_.Wake();
  }
  return job;
}

void TrainingJobs::SetEstimate(const TrainingPlan& plan, v1::TrainingJob& job) {
  absl::StatusOr<absl::Duration> time = absl::UnknownError("it was not tried");
  runner_.Try([&] {
    if (absl::Status fits = CheckMemory(plan, parts_.backend); !fits.ok()) {
      time = fits;
      return;
    }
    try {
      time = EstimateTrainingTime(plan, parts_.backend, options_.monotonic_clock);
    } catch (const std::bad_alloc&) {
      time = absl::ResourceExhaustedError("there is no memory for it");
    }
  });
  if (time.ok()) {
    *job.mutable_estimated_training_time() = ToProtoDuration(*time);
  } else {
    spdlog::debug("The time of a training cannot be estimated: {}",
                  std::string(time.status().message()));
  }
}

absl::StatusOr<v1::TrainingJob> TrainingJobs::Get(std::string_view id) {
  auto job = parts_.store.GetTrainingJob(id);
  if (job.ok()) AddNews(*job);
  return job;
}

void TrainingJobs::AddNews(v1::TrainingJob& job) {
  watchers_.AddProgress(job);
  job.set_waiting_reason(runner_.WhyWaiting(job));
}

absl::StatusOr<Listing<v1::TrainingJob>> TrainingJobs::List(std::string_view after, int limit,
                                                            const JobLabels& labels) {
  if (absl::Status status = CheckLabels(labels, "labels"); !status.ok()) return status;
  auto jobs = parts_.store.ListTrainingJobs(after, limit);
  if (!jobs.ok()) return jobs.status();
  std::erase_if(jobs->items,
                [&labels](const v1::TrainingJob& job) { return !HasLabels(job, labels); });
  for (v1::TrainingJob& job : jobs->items) AddNews(job);
  return jobs;
}

absl::StatusOr<v1::TrainingJob> TrainingJobs::Update(const std::string& id,
                                                     const v1::UpdateTrainingJobRequest& request) {
  auto job = ledger_.Edit(id, request);
  if (!job.ok()) return job;
  runner_.UpdateShare(id);
  runner_.Wake();
  return job;
}

absl::StatusOr<v1::TrainingJob> TrainingJobs::Yield(const std::string& id) {
  auto job = ledger_.Yield(id);
  if (job.ok()) runner_.Yield(id);
  return job;
}

absl::StatusOr<v1::TrainingJob> TrainingJobs::Pause(const std::string& id) {
  auto job = ledger_.Pause(id);
  if (job.ok() && job->state() == v1::TrainingJob::STATE_PAUSING) runner_.Interrupt(id);
  runner_.Wake();  // it may have been the first in line
  return job;
}

absl::StatusOr<v1::TrainingJob> TrainingJobs::Resume(const std::string& id) {
  auto job = ledger_.Resume(id);
  if (job.ok()) runner_.Wake();
  return job;
}

absl::StatusOr<v1::ListTrainingMetricsResponse> TrainingJobs::ListMetrics(const std::string& id) {
  // In this order: when the job ends meanwhile, the store has all.
  if (auto curve = runner_.CurveOf(id); curve.has_value()) return *std::move(curve);
  return parts_.store.GetTrainingCurve(id);
}

absl::StatusOr<std::vector<v1::TrainingCheckpoint>> TrainingJobs::ListCheckpoints(
    std::string_view id) {
  auto stored = parts_.store.ListTrainingCheckpoints(id);
  if (!stored.ok()) return stored.status();
  std::vector<v1::TrainingCheckpoint> checkpoints;
  for (StoredCheckpoint& one : *stored) checkpoints.push_back(std::move(one.checkpoint));
  return checkpoints;
}

absl::StatusOr<v1::TrainingJob> TrainingJobs::Cancel(const std::string& id) {
  auto job = ledger_.Cancel(id);
  if (job.ok() && job->state() == v1::TrainingJob::STATE_CANCELLING) runner_.Interrupt(id);
  runner_.Wake();  // as above
  if (job.ok() && job->state() == v1::TrainingJob::STATE_CANCELLED) {
    SweepBlobs(parts_.store, parts_.blobs);  // it keeps one checkpoint only
  }
  return job;
}

absl::Status TrainingJobs::Delete(const std::string& id) {
  if (absl::Status deleted = ledger_.Delete(id); !deleted.ok()) return deleted;
  SweepBlobs(parts_.store, parts_.blobs);
  return absl::OkStatus();
}

absl::StatusOr<v1::ModelVersion> TrainingJobs::PublishCheckpoint(
    const CheckpointReference& reference) {
  const auto stored = parts_.store.GetTrainingCheckpoint(reference.job_id, reference.step);
  if (!stored.ok()) return stored.status();
  const std::string& name = stored->checkpoint.name();
  if (reference.step == 0) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "CHECKPOINT_UNTRAINED",
                   absl::StrFormat("%s has the initial weights; nothing was trained yet", name));
  }
  // Its weights are a model's file already.
  const auto bytes = parts_.blobs.Read(stored->model_sha256);
  if (!bytes.ok()) return CheckpointError(bytes.status(), name);
  const auto model = DecodeModelFile(*bytes);
  if (!model.ok()) return CheckpointError(model.status(), name);
  const auto state = ReadStateBlob(parts_.blobs, stored->state_sha256);
  if (!state.ok()) return CheckpointError(state.status(), name);
  v1::ModelVersion version;
  if (absl::Status described = Describe(*model, version); !described.ok()) return described;
  version.set_size_bytes(static_cast<int64_t>(bytes->size()));
  version.set_sha256(stored->model_sha256);
  version.set_training_perplexity(stored->checkpoint.training_perplexity());
  // That of these weights, or none. One of before measured_perplexity has it where an epoch is
  // over.
  const bool measured =
      stored->checkpoint.has_measured_perplexity() || state->snapshot.step_in_epoch == 0;
  if (measured && stored->checkpoint.has_validation_perplexity()) {
    version.set_validation_perplexity(stored->checkpoint.validation_perplexity());
  }
  return ledger_.PublishCheckpoint(reference, std::move(version));
}

absl::Status TrainingJobs::DeleteCheckpoint(const CheckpointReference& checkpoint) {
  const absl::Status deleted =
      parts_.store.DeleteTrainingCheckpoint(checkpoint.job_id, checkpoint.step);
  if (!deleted.ok()) return deleted;
  SweepBlobs(parts_.store, parts_.blobs);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<JobWatch>> TrainingJobs::Watch(const std::string& id,
                                                              int64_t since_sequence,
                                                              std::function<void()> on_news) {
  return watchers_.Watch(id, since_sequence, std::move(on_news));
}

void TrainingJobs::StopWatching(const absl::Status& status) { watchers_.StopWatching(status); }

}  // namespace derin::server
