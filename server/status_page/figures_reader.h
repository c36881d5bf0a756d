#pragma once

#include <string>

#include "absl/time/time.h"
#include "model/backend/backend.h"
#include "server/generation/generation_engine.h"
#include "server/generation/session_store.h"
#include "server/jobs/training_jobs.h"
#include "server/metrics/server_metrics.h"
#include "server/status_page/status_figures.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

// What the page's figures are read from; all outlive the reader.
struct FigureSources {
  const Backend& backend;
  const ServerMetrics& metrics;
  MetadataStore& store;
  TrainingJobs& jobs;
  const SessionStore& sessions;
  const GenerationEngine& engine;
  std::string version;
  absl::Time start_time;
};

// The figures of this moment; of what cannot be read, none. Any thread.
StatusFigures ReadFigures(const FigureSources& sources, bool draining, absl::Time now);

}  // namespace derin::server
