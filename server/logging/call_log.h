#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/logging/log_limit.h"
#include "server/metrics/monotonic_clock.h"

namespace derin::server {

// A call that is over: nothing of what was sent in either direction.
struct EndedCall {
  std::string_view method;  // as metrics have it
  std::string_view caller;  // its name; empty where it is not known
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string_view reason;  // of an error, for machines; may be empty
  absl::Duration duration;
  std::string_view trace_id;  // empty where the call belongs to none
};

// Writes a line for each call that is over, at level debug: at most 100 a second, and then how many
// were left out. Thread-safe.
class CallLog {
 public:
  static constexpr int kLinesPerSecond = 100;

  explicit CallLog(MonotonicClock clock = SystemMonotonicClock());

  // Whether lines are written at all; what they would need is gathered only then.
  static bool Wanted();
  void Ended(const EndedCall& call);

 private:
  LogLimit limit_;
};

}  // namespace derin::server
