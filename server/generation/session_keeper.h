#pragma once

#include "absl/status/status.h"
#include "server/generation/session.h"

namespace derin::server {

// Who keeps what sessions are when their calls have ended.
class SessionKeeper {
 public:
  virtual ~SessionKeeper() = default;

  // Keeps what `session` is now; a call that has ended still owns its state. An error is what the
  // caller is told instead of the call's end.
  virtual absl::Status Keep(Session& session) = 0;
  // What was kept before survives a loss of power when it returns.
  virtual absl::Status Sync() = 0;
};

}  // namespace derin::server
