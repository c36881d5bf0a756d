#include "server/status_page/figures_reader.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/jobs/job_edit.h"
#include "server/jobs/job_state.h"
#include "server/security/caller.h"
#include "server/storage/proto_time.h"
#include "server/storage/resource_name.h"
#include "server/storage/training_job_table.h"

namespace derin::server {
namespace {

constexpr size_t kMostJobs = 12;
constexpr size_t kMostOldJobs = 8;
// Of the newest jobs, among which those that are over are looked for.
constexpr int kJobsLookedAt = 100;
constexpr int kMostModels = 50;

// `sea` of `models/sea`, `3` of `models/sea/versions/3`.
std::string LastPart(std::string_view name) { return std::string(IdOf(name)); }

std::vector<CurvePoint> CurveOf(TrainingJobs& jobs, const std::string& id) {
  std::vector<CurvePoint> points;
  const auto curve = jobs.ListMetrics(id);
  if (!curve.ok()) return points;
  for (const v1::TrainingMetrics& each : curve->training_metrics()) {
    CurvePoint point{.step = each.step(), .training = each.training_perplexity(), .validation = {}};
    if (each.has_validation_perplexity()) point.validation = each.validation_perplexity();
    points.push_back(point);
  }
  return points;
}

JobFigures FiguresOf(TrainingJobs& jobs, const v1::TrainingJob& job) {
  JobFigures figures;
  figures.id = LastPart(job.name());
  figures.model = LastPart(job.spec().model());
  if (job.owner() != kLocalCaller) figures.owner = job.owner();
  const std::string_view state = StateName(job.state());
  figures.state = absl::AsciiStrToLower(absl::string_view(state.data(), state.size()));
  figures.over = IsOver(job.state());
  if (figures.over) {
    figures.why = job.message().empty() ? job.reason() : job.message();
    figures.end_time = FromTimestamp(job.end_time());
  }
  figures.share = ShareOf(job);
  figures.waits = job.waiting_reason();
  if (job.has_progress()) {
    const v1::TrainingProgress& progress = job.progress();
    figures.epoch = progress.epoch();
    figures.epochs = progress.epochs();
    figures.step = progress.step();
    figures.steps = progress.steps();
    figures.fraction_done = progress.fraction_done();
    figures.tokens_per_second = progress.tokens_per_second();
    if (progress.training_perplexity() > 0) {
      figures.training_perplexity = progress.training_perplexity();
    }
    if (progress.has_validation_perplexity()) {
      figures.validation_perplexity = progress.validation_perplexity();
    }
    if (progress.has_time_left()) figures.time_left = FromProtoDuration(progress.time_left());
  }
  figures.curve = CurveOf(jobs, figures.id);
  return figures;
}

void ReadJobs(const FigureSources& sources, StatusFigures& figures) {
  if (const auto unfinished = sources.store.ListUnfinishedTrainingJobs(); unfinished.ok()) {
    for (const v1::TrainingJob& job : *unfinished) {
      if (figures.jobs.size() == kMostJobs) {
        ++figures.jobs_left_out;
        continue;
      }
      // With its progress; one that has ended meanwhile is over.
      const auto now = sources.jobs.Get(LastPart(job.name()));
      if (now.ok() && !IsOver(now->state())) {
        figures.jobs.push_back(FiguresOf(sources.jobs, *now));
      }
    }
  }
  if (const auto newest = sources.jobs.List("", kJobsLookedAt); newest.ok()) {
    for (const v1::TrainingJob& job : newest->items) {
      if (figures.old_jobs.size() == kMostOldJobs) break;
      if (IsOver(job.state())) figures.old_jobs.push_back(FiguresOf(sources.jobs, job));
    }
  }
}

ModelFigures FiguresOf(const v1::Model& model) {
  ModelFigures figures;
  figures.id = LastPart(model.name());
  figures.versions = model.version_count();
  for (const v1::ModelAlias& alias : model.aliases()) {
    figures.aliases.push_back(
        absl::StrCat(LastPart(alias.name()), ": ", LastPart(alias.model_version())));
  }
  if (!model.has_latest_version()) return figures;
  const v1::ModelVersion& latest = model.latest_version();
  figures.latest = LastPart(latest.name());
  figures.held_out = latest.has_validation_perplexity();
  if (figures.held_out) {
    figures.perplexity = latest.validation_perplexity();
  } else if (latest.training_perplexity() > 0) {
    figures.perplexity = latest.training_perplexity();
  }
  figures.parameters = latest.parameter_count();
  figures.bytes = latest.size_bytes();
  figures.publish_time = FromTimestamp(latest.create_time());
  return figures;
}

}  // namespace

StatusFigures ReadFigures(const FigureSources& sources, bool draining, absl::Time now) {
  StatusFigures figures;
  figures.version = sources.version;
  figures.now = now;
  figures.uptime = now - sources.start_time;

  const absl::Status health = sources.backend.health();
  figures.state = !health.ok() ? ServerState::kDeviceLost
                  : draining   ? ServerState::kDraining
                               : ServerState::kReady;
  if (!health.ok()) figures.failure = std::string(health.message());
  const Capabilities& device = sources.backend.capabilities();
  figures.backend = device.backend;
  figures.device = device.device;
  figures.instructions = device.instructions;
  figures.engine_id = sources.backend.EngineId(Precision::kF32);
  figures.threads = device.threads;
  figures.free_bytes = sources.backend.FreeBytes();
  figures.total_bytes = device.memory_bytes;

  figures.trained_per_second = sources.metrics.trained_tokens_rate.PerSecond();
  figures.prompt_per_second = sources.metrics.prompt_tokens_rate.PerSecond();
  figures.generated_per_second = sources.metrics.generated_tokens_rate.PerSecond();
  figures.streams_waiting = sources.engine.waiting();
  figures.streams_active = std::max(0, sources.engine.streams() - figures.streams_waiting);
  const SessionStore::Counts counts = sources.sessions.counts();
  figures.sessions_on_device = counts.on_device;
  figures.sessions_in_memory = counts.in_memory;
  figures.sessions_on_disk = counts.sessions - counts.on_device - counts.in_memory;

  ReadJobs(sources, figures);
  if (const auto models = sources.store.ListModels("", kMostModels); models.ok()) {
    for (const v1::Model& model : models->items) figures.models.push_back(FiguresOf(model));
    figures.models_left_out = !models->next.empty();
  }
  return figures;
}

}  // namespace derin::server
