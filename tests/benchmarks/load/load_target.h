#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "tests/benchmarks/load/load_settings.h"

namespace derin {

// One text to ask for.
struct TextRequest {
  int connection = 0;   // from 0
  uint64_t seed = 0;    // of its draws; no other text of the run has it
  std::string session;  // where it goes on; empty: from the model
};

// How a text ended.
struct TextEnd {
  std::string error;    // its code, and the reason if there is one; empty: none
  std::string session;  // the one that it ran in, if that stays
  std::optional<absl::Duration> queue_time;  // that the server says
};

// Who asked for a text. Calls come from gRPC's threads, one at a time for each text.
class TextReader {
 public:
  virtual ~TextReader() = default;
  // A message brought so many drawn tokens, at least one.
  virtual void OnTokens(int count) = 0;
  // The last call.
  virtual void OnEnd(TextEnd end) = 0;
};

// A server under load.
class LoadTarget {
 public:
  virtual ~LoadTarget() = default;
  // Waits until every connection stands; false when one does not within `timeout`.
  virtual bool Connect(absl::Duration timeout) = 0;
  // Asks for a text; `reader` lives until its OnEnd.
  virtual void Start(const TextRequest& request, TextReader* reader) = 0;
  // Ends all texts under way early, each with OnEnd, and those that are started from now on.
  virtual void CancelAll() = 0;
  // Closes the sessions that texts have left open; none is under way.
  virtual void CloseSessions() = 0;
};

std::unique_ptr<LoadTarget> NewDerinTarget(const LoadSettings& settings);
std::unique_ptr<LoadTarget> NewTritonTarget(const LoadSettings& settings);

}  // namespace derin
