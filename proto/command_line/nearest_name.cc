#include "proto/command_line/nearest_name.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace derin {

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

namespace {

// A flag's dashes are near to those of every other flag.
std::string_view WithoutDashes(std::string_view name) {
  return name.substr(std::min(name.find_first_not_of('-'), name.size()));
}

// The only one of `candidates` that begins with `name`.
std::optional<std::string> OnlyOneBeginningWith(std::string_view name,
                                                const std::vector<std::string>& candidates) {
  std::optional<std::string> found;
  for (const std::string& candidate : candidates) {
    if (!candidate.starts_with(name)) continue;
    if (found.has_value()) return std::nullopt;
    found = candidate;
  }
  return found;
}

}  // namespace

std::optional<std::string> NearestName(std::string_view name,
                                       const std::vector<std::string>& candidates) {
  const std::string_view word = WithoutDashes(name);
  if (word.empty()) return std::nullopt;
  if (auto begun = OnlyOneBeginningWith(name, candidates); begun.has_value()) return begun;
  std::optional<std::string> nearest;
  size_t best = 0;
  for (const std::string& candidate : candidates) {
    const std::string_view other = WithoutDashes(candidate);
    const size_t distance = EditDistance(word, other);
    const size_t allowed = std::max<size_t>(1, std::max(word.size(), other.size()) / 3);
    // Short names are near to everything: at least half of the shorter one must stand.
    if (distance > allowed || 2 * distance > std::min(word.size(), other.size())) continue;
    if (!nearest.has_value() || distance < best) {
      nearest = candidate;
      best = distance;
    }
  }
  return nearest;
}

std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates) {
  const std::optional<std::string> nearest = NearestName(name, candidates);
  return nearest.has_value() ? absl::StrCat(", did you mean '", *nearest, "'?") : "";
}

}  // namespace derin
