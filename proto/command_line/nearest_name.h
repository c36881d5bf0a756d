#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace derin {

// Edits that turn `a` into `b`: inserted, deleted or replaced bytes and swapped neighbours, no byte
// edited twice. Source: Damerau, "A technique for computer detection and correction of spelling
// errors", 1964, in its optimal string alignment form.
size_t EditDistance(std::string_view a, std::string_view b);

// The one of `candidates` that `name` was most likely meant to be: the only one that begins with
// it, or else the first of those with the fewest bytes edited, at most a third of them. Dashes in
// front of flags do not count. nullopt when none is near.
std::optional<std::string> NearestName(std::string_view name,
                                       const std::vector<std::string>& candidates);

// ", did you mean 'generate'?", or nothing.
std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace derin
