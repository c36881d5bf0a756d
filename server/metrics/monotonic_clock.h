#pragma once

#include <functional>

#include "absl/time/time.h"

namespace derin::server {

// Time since some fixed moment; never goes back. A parameter wherever durations are measured, so
// that tests decide how time passes.
using MonotonicClock = std::function<absl::Duration()>;

// The system's.
MonotonicClock SystemMonotonicClock();

}  // namespace derin::server
