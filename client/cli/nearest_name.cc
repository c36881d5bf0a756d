#include "client/cli/nearest_name.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace derin::cli {

size_t EditDistance(std::string_view a, std::string_view b) {
  // Rows i-2, i-1 and i of the table of distances between prefixes.
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, last);
    std::swap(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::optional<std::string> NearestName(std::string_view name,
                                       const std::vector<std::string>& candidates) {
  std::optional<std::string> nearest;
  size_t best = 0;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(name, candidate);
    const size_t allowed = std::max<size_t>(1, std::max(name.size(), candidate.size()) / 3);
    // Short names are near to everything: at least half of the shorter one must stand.
    if (distance > allowed || 2 * distance > std::min(name.size(), candidate.size())) continue;
    if (!nearest.has_value() || distance < best) {
      nearest = candidate;
      best = distance;
    }
  }
  if (nearest.has_value() || name.empty()) return nearest;
  for (const std::string& candidate : candidates) {
    if (!candidate.starts_with(name)) continue;
    if (nearest.has_value()) return std::nullopt;
    nearest = candidate;
  }
  return nearest;
}

std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates) {
  const std::optional<std::string> nearest = NearestName(name, candidates);
  return nearest.has_value() ? absl::StrCat(", did you mean '", *nearest, "'?") : "";
}

}  // namespace derin::cli
