#include "server/generation/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace derin::server {

size_t StopMatcher::TailStart(std::string_view text) const {
  size_t longest = 0;
  for (const std::string& stop : stops_) longest = std::max(longest, stop.size());
  size_t start = text.size() - std::min(text.size(), longest);
  for (; start < text.size(); ++start) {
    const std::string_view tail = text.substr(start);
    for (const std::string& stop : stops_) {
      if (tail.size() < stop.size() && stop.starts_with(tail)) return start;
    }
  }
  return start;
}

std::string StopMatcher::Trim(HeldBack& held) const {
  const size_t start = TailStart(held.text);
  const size_t end = include_ ? held.text.size() : start;
  std::string text;
  if (end > held.sent) text = held.text.substr(held.sent, end - held.sent);
  const size_t sent = std::max(held.sent, end);
  held.text.erase(0, start);
  held.sent = sent - start;
  return text;
}

std::string StopMatcher::Resume(HeldBack& held) const { return Trim(held); }

StopMatcher::Found StopMatcher::Append(std::string_view piece, bool may_stop,
                                       HeldBack& held) const {
  if (!may_stop) {
    held.text += piece;
    return {.text = Trim(held)};
  }
  // Character by character, as it were: a piece may complete a stop string before its end.
  Found found;
  for (const char byte : piece) {
    held.text += byte;
    for (const std::string& stop : stops_) {
      const bool longer = found.stop == nullptr || stop.size() > found.stop->size();
      if (longer && held.text.ends_with(stop)) found.stop = &stop;
    }
    if (found.stop == nullptr) continue;
    const size_t end = held.text.size() - (include_ ? 0 : found.stop->size());
    if (end > held.sent) found.text += held.text.substr(held.sent, end - held.sent);
    held = {};
    return found;
  }
  found.text = Trim(held);
  return found;
}

}  // namespace derin::server
