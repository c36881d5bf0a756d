#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "derin/v1/generation.pb.h"
#include "server/generation/session_archive.h"
#include "server/generation/session_image.h"

namespace derin::server {

// What a session is for its callers.
struct SessionView {
  SessionImage image;  // without its hidden state
  v1::SessionTier tier = v1::SESSION_TIER_UNSPECIFIED;
  bool busy = false;  // a call is in it: idle_since and expire_time mean nothing
  // Positions that it may go back to, both included.
  struct Range {
    int64_t first = 0, last = 0;
  };
  std::vector<Range> remembered;  // ascending, apart from each other
};

// What a session that is as `image` says remembers: where it is, what its archive has, and all of
// its last call when that can be run once more from its start.
std::vector<SessionView::Range> RememberedBy(const SessionImage& image,
                                             absl::Span<const SessionArchive::Remembered> archived);

}  // namespace derin::server
