#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "derin/client/model.h"

namespace derin::client {

// What computes on the server.
struct Device {
  // `reference`, `cpu` or `cuda`.
  std::string backend;
  // Such as the processor's name.
  std::string description;
  // Of f32 work on it: equal ids promise equal bits.
  std::string engine_id;
  // Free memory for models and states.
  int64_t free_bytes = 0;
  // Memory that it has.
  int64_t total_bytes = 0;
  // Why it is of no use to the server any more; empty while it works.
  std::string failure;
  // Those that training jobs may ask for.
  std::vector<Precision> precisions;
  // What its kernels are built for, such as `avx512-bf16`; may be empty.
  std::string instructions;
  // Threads of the processor that work on one operation.
  int32_t threads = 0;
};

// What the server is doing.
struct ServerLoad {
  int32_t running_training_jobs = 0;
  int32_t queued_training_jobs = 0;
  // Sessions that are open.
  int32_t sessions = 0;
  // Generate calls under way.
  int32_t generate_streams = 0;
  // Over the last five seconds.
  double trained_tokens_per_second = 0;
  double generated_tokens_per_second = 0;
};

// What the server takes at most.
struct ServerLimits {
  // Sessions, wherever their states are.
  int32_t sessions = 0;
  // Generate calls under way.
  int32_t generate_streams = 0;
  // Training jobs that wait.
  int32_t queued_training_jobs = 0;
  // Training jobs that run at once; 0 where the server does not say.
  int32_t running_training_jobs = 0;
  // Bytes of one corpus as sent.
  int64_t corpus_bytes = 0;
  // Bytes of the file of one imported model.
  int64_t model_bytes = 0;
  // Bytes of one prompt.
  int64_t prompt_bytes = 0;
  // How long a session may stay when no call uses it.
  absl::Duration session_time_to_live = absl::ZeroDuration();
};

struct ServerInfo {
  // Of the program, such as `0.1.0`.
  std::string version;
  // Drawn once per data directory; in front of each session's id.
  std::string server_id;
  std::optional<absl::Time> start_time;
  Device device;
  ServerLoad load;
  ServerLimits limits;
};

}  // namespace derin::client
