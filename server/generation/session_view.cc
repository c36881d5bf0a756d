#include "server/generation/session_view.h"

#include <algorithm>

namespace derin::server {

std::vector<SessionView::Range> RememberedBy(
    const SessionImage& image, absl::Span<const SessionArchive::Remembered> archived) {
  std::vector<SessionView::Range> ranges{{image.state.position, image.state.position}};
  bool has_start = false;
  for (const auto& one : archived) {
    ranges.push_back({one.position, one.position});
    has_start |= image.last.has_value() && one.sequence == image.last->start_sequence;
  }
  if (has_start && image.last->request != nullptr) {
    ranges.push_back({image.last->start_position,
                      std::max(image.last->start_position, image.last->end_position)});
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<SessionView::Range> apart;
  for (const auto& range : ranges) {
    if (!apart.empty() && range.first <= apart.back().last) {
      apart.back().last = std::max(apart.back().last, range.last);
    } else {
      apart.push_back(range);
    }
  }
  return apart;
}

}  // namespace derin::server
