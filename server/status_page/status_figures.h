#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace derin::server {

// A place on the way of a training.
struct CurvePoint {
  int64_t step = 0;                  // optimiser steps done
  double training = 0;               // perplexity over the steps since the point before
  std::optional<double> validation;  // perplexity over the held-out text
};

struct JobFigures {
  std::string id;
  std::string model;  // its id
  std::string owner;  // the caller's name; empty where callers have none
  std::string state;  // in lower case
  bool over = false;
  std::string why;  // of a job that is over
  int64_t epoch = 0, epochs = 0;
  int64_t step = 0, steps = 0;
  double fraction_done = 0;
  double tokens_per_second = 0;
  int share = 1;
  std::string waits;  // why a queued one does not run; empty: no such reason
  std::optional<double> training_perplexity;
  std::optional<double> validation_perplexity;
  std::optional<absl::Duration> time_left;
  absl::Time end_time = absl::InfiniteFuture();  // of a job that is over
  std::vector<CurvePoint> curve;                 // by step
};

struct ModelFigures {
  std::string id;
  int versions = 0;
  std::string latest;  // its number; the rest is of this version
  std::optional<double> perplexity;
  bool held_out = false;  // whether that is of held-out text
  int64_t parameters = 0;
  int64_t bytes = 0;
  absl::Time publish_time = absl::InfinitePast();
  std::vector<std::string> aliases;  // such as `stable: 3`
};

enum class ServerState { kReady, kDraining, kDeviceLost };

// All that the status page says.
struct StatusFigures {
  std::string version;
  ServerState state = ServerState::kReady;
  absl::Time now = absl::UnixEpoch();
  absl::Duration uptime;

  std::string backend, device, instructions, engine_id;
  int threads = 1;
  int64_t free_bytes = 0, total_bytes = 0;
  std::string failure;  // of a device that is lost

  double trained_per_second = 0, prompt_per_second = 0, generated_per_second = 0;  // tokens
  int streams_active = 0, streams_waiting = 0;
  int64_t sessions_on_device = 0, sessions_in_memory = 0, sessions_on_disk = 0;

  std::vector<JobFigures> jobs;      // not over, oldest first
  int64_t jobs_left_out = 0;         // not over, and not among `jobs`
  std::vector<JobFigures> old_jobs;  // over, newest first
  std::vector<ModelFigures> models;
  bool models_left_out = false;
};

}  // namespace derin::server
