#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace derin::client {

// What one caller has used since the server first counted. Tokens count each time that they are
// computed, also when a call is made again.
struct Usage {
  // Its name in the server's file of tokens; `local` on a server without one.
  std::string caller;
  // Of prompts absorbed, drawn, of texts scored, and targets of its training jobs.
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
  int64_t scored_tokens = 0;
  int64_t trained_tokens = 0;
  // Of its calls that ended, from their start to their end.
  absl::Duration call_time;
  // Of the steps of its training jobs.
  absl::Duration training_time;
  // Of the corpora that it uploaded and the models that it imported, as far as they are there.
  int64_t stored_bytes = 0;
};

}  // namespace derin::client
