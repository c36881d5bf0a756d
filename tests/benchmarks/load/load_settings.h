#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace derin {

// What speaks at the other end.
enum class LoadProtocol {
  kDerin,   // derin.v1.GenerationService: one call is one text
  kTriton,  // a sequence of a Triton server: one call a token
};

// How a server cuts a text into messages.
enum class Chunking { kDefault, kPerToken, kInterval };

// What a stream's calls run in.
enum class SessionReuse {
  kNone,  // each call from the model
  kCall,  // each call in a session that it opens, closed after it
  kKeep,  // all calls of a stream in the session that its first one opens
};

// One run of load.
struct LoadSettings {
  std::string server = "127.0.0.1:50051";
  LoadProtocol protocol = LoadProtocol::kDerin;
  std::string model;
  // Calls under way at once: always so many in a closed loop, at most so many in an open one.
  int streams = 64;
  // Calls a second that arrive in an open loop, as a Poisson process; 0: a closed loop.
  double rate = 0;
  // Between a stream's calls, in a closed loop.
  absl::Duration think;
  int prompt_length = 1;    // characters; for Triton, tokens
  int output_length = 200;  // tokens
  int connections = 4;      // streams are dealt out to them in turn
  Chunking chunking = Chunking::kDefault;
  absl::Duration interval;  // of messages, with Chunking::kInterval
  SessionReuse sessions = SessionReuse::kNone;
  absl::Duration warm_up = absl::Seconds(2);
  absl::Duration duration = absl::Seconds(10);  // that is measured
  uint64_t seed = 1;                            // of the arrivals, and of the texts
};

}  // namespace derin
