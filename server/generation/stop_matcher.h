#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace derin::server {

// The end of a text that may yet become a stop string: what a session keeps of it between calls.
struct HeldBack {
  std::string text;
  size_t sent = 0;  // bytes of it that the client has already

  std::string_view unsent() const { return std::string_view(text).substr(sent); }
};

// Finds stop strings in a text that arrives in pieces, cut anywhere, and keeps back what may be the
// beginning of one. One thread.
class StopMatcher {
 public:
  // `stops` are not empty strings. `include` sends them, and so keeps nothing back.
  StopMatcher(std::vector<std::string> stops, bool include)
      : stops_(std::move(stops)), include_(include) {}

  const std::vector<std::string>& stops() const { return stops_; }

  struct Found {
    std::string text;  // what may be sent now
    // The stop string that the piece completed; of several the longest. Then nothing is held back
    // any more, and the rest of the piece is gone.
    const std::string* stop = nullptr;
  };

  // What this call may send of what an earlier call, with other stop strings perhaps, kept back.
  std::string Resume(HeldBack& held) const;
  // `may_stop` false: a stop string that the piece completes is ordinary text.
  Found Append(std::string_view piece, bool may_stop, HeldBack& held) const;

 private:
  // Where the longest end of `text` begins that is a beginning of a stop string, but not all of it.
  size_t TailStart(std::string_view text) const;
  // Keeps the tail only; what may be sent of the rest, and of the tail when it is included.
  std::string Trim(HeldBack& held) const;

  const std::vector<std::string> stops_;
  const bool include_;
};

}  // namespace derin::server
